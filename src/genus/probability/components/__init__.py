"""Components: K distributions over one point at once, whose statistics add up; what mixtures, classifiers and HMMs are made of."""

from genus.probability.components.component import Components

__all__ = ["Components"]

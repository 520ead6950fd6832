"""Model: a distribution over a space; and the capabilities: which verbs are true of a model.

A capability is a small class, asked with `isinstance`. It holds the public verb, which checks its arguments once, and
names the private method that a model writes to have it. A verb a model cannot do is absent.

    x   encoded points (n, *space.shape), as the space keeps them      g   features of what they are given, or None
    z   coordinates of a density (n, dims), or a latent code (n, latent_dim)
"""

from genus.model.capabilities import CAPABILITIES, capabilities
from genus.model.conditions import Classifies, Conditional
from genus.model.criteria import CountsParameters
from genus.model.latent import HasLatent
from genus.model.likelihood import HasDensity, HasElbo, HasLikelihood, HasLogProb, HasScore
from genus.model.model import Model
from genus.model.sampling import CanSample, Completes, Imputes
from genus.model.sequences import CanGenerate, Decoding, Forecasts

__all__ = [
    "CAPABILITIES", "CanGenerate", "CanSample", "Classifies", "Completes", "Conditional", "CountsParameters", "Decoding", "Forecasts",
    "HasDensity", "HasElbo", "HasLatent", "HasLikelihood", "HasLogProb", "HasScore", "Imputes", "Model", "capabilities",
]  # fmt: skip

"""What models can do: every capability there is, asked with `isinstance`."""

from __future__ import annotations

from genus.model.conditions import Classifies, Conditional
from genus.model.latent import HasLatent
from genus.model.likelihood import HasElbo, HasLikelihood, HasLogProb, HasScore
from genus.model.model import Model
from genus.model.sampling import CanSample, Completes, Imputes
from genus.model.sequences import CanGenerate, Forecasts

CAPABILITIES: tuple[type[Model], ...] = (
    CanSample,
    HasLogProb,
    HasElbo,
    HasScore,
    HasLikelihood,
    HasLatent,
    Conditional,
    Classifies,
    Completes,
    Imputes,
    CanGenerate,
    Forecasts,
)


def capabilities(model: Model | type[Model]) -> list[str]:
    """The names of what a model can do."""
    cls = model if isinstance(model, type) else type(model)
    said_by_others = (HasLikelihood, HasScore) if issubclass(cls, HasLikelihood) else ()
    return [c.__name__ for c in CAPABILITIES if issubclass(cls, c) and c not in said_by_others]

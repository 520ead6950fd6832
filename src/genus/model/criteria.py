"""Information criteria: how many components, states or directions the data pay for."""

from __future__ import annotations

import math
from typing import Any

from genus.model.likelihood import HasLikelihood


class CountsParameters(HasLikelihood):
    """Its free parameters can be counted. A model writes `degrees_of_freedom`."""

    @property
    def degrees_of_freedom(self) -> int:
        """Free parameters."""
        raise NotImplementedError

    def observations(self, data: Any) -> int:
        """What the data tell the parameters by: points, or to a model of sequences their items."""
        return len(self.examples(data))

    def bic(self, data: Any) -> float:
        """Bayesian information criterion, -2 log L + p log n, of n points (of sequences, items): lower is better (Schwarz 1978)."""
        return -2 * self.log_likelihood(data).total + self.degrees_of_freedom * math.log(self.observations(data))

    def aic(self, data: Any) -> float:
        """Akaike's information criterion, -2 log L + 2 p: lower is better (Akaike 1974)."""
        return -2 * self.log_likelihood(data).total + 2 * self.degrees_of_freedom

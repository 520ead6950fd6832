"""Learning in closed form: statistics that add up, then a formula."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from genus.data import Examples
from genus.learning.learns import Settings
from genus.learning.passes import LearnsInPasses, Passes
from genus.probability.statistics import Statistics


class LearnsInClosedForm(LearnsInPasses):
    """One pass over the data. A model writes `statistics` and `solve`."""

    way: ClassVar[str] = "in closed form"

    def survey(self, passes: Passes) -> None:
        """What must be known of all data before sums are taken, such as their range; for most models, nothing."""

    def statistics(self, batch: Tensor) -> Statistics:
        """Sums over a batch, by name: those of two batches add up."""
        raise NotImplementedError

    def solve(self, statistics: Statistics) -> None:
        """Set the buffers from the statistics of all data."""
        raise NotImplementedError

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        passes = self.begin(train, settings)
        self.survey(passes)
        self.solve(passes.sum(self.statistics))

"""Learning by memory: the data are kept, and questions are answered by looking among them.

The empirical distribution needs all of its data: no fixed number of sums says as much. So do kernel densities,
neighbours, counts of whatever occurred, and synthesis by copying (memory-based learning: Aha, Kibler & Albert 1991).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from genus.data import Examples
from genus.learning.learns import Settings
from genus.learning.passes import LearnsInPasses
from genus.randomness import randomness


class LearnsByMemory(LearnsInPasses):
    """One pass over the data, all kept. A model writes `remember`, and names in `data_sized` the buffers that grow."""

    way: ClassVar[str] = "by keeping the data"

    def remember(self, kept: Any) -> None:
        """Set the buffers from all coordinates of the data, a tensor or a Ragged; randomness is keyed by the seed of fit."""
        raise NotImplementedError

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        with torch.no_grad(), randomness(settings.seed, "remember"):
            self.remember(self.begin(train, settings).gather())

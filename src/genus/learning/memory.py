"""Learning by memory: the data are kept, and questions are answered by looking among them.

The empirical distribution needs all of its data: no fixed number of sums says as much. So do kernel densities,
neighbours, counts of whatever occurred, and synthesis by copying (memory-based learning: Aha, Kibler & Albert 1991).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch

from genus.data import Examples
from genus.learning.learns import Learns, Settings
from genus.learning.passes import Passes


class LearnsByMemory(Learns):
    """One pass over the data, all kept. A model writes `remember`, and names in `data_sized` the buffers that grow."""

    way: ClassVar[str] = "by keeping the data"
    takes: ClassVar[frozenset[str]] = frozenset({"batch_size", "resume"})  # a resumed run is simply run again

    def remember(self, kept: Any) -> None:
        """Set the buffers from all coordinates of the data: a tensor, or a Ragged."""
        raise NotImplementedError

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        assert self.space is not None
        self.build(self.space)
        self.to(settings.device)
        with torch.no_grad():
            self.remember(Passes(train, self.coordinates, settings).gather())

"""Passes over all of the data, in chunks that every process knows: what closed forms and EM sum their statistics over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from genus.data import CHUNK, Examples
from genus.learning.distributed import sum_over_ranks
from genus.learning.learns import Settings
from genus.randomness import randomness
from genus.spaces import Encoded

Statistics = dict[str, Tensor]
IN_MEMORY = 2**28  # bytes of coordinates kept between passes; more is prepared again each time


class Passes:
    """Chunks of the training data, each prepared by `prepare(x, g)` under randomness keyed by its number.

    Chunk c goes to process c mod world; what was prepared is kept between passes while it is small.
    """

    def __init__(self, examples: Examples, prepare: Callable[[Encoded, Tensor | None], Tensor], settings: Settings) -> None:
        self.examples, self.prepare, self.settings = examples, prepare, settings
        self.size = settings.batch_size or CHUNK
        self._kept: dict[int, Tensor] = {}
        self._bytes = 0

    def __iter__(self) -> Iterator[Tensor]:
        count = -(-len(self.examples) // self.size)
        for number in range(self.settings.rank, count, self.settings.world):
            yield self._chunk(number)

    def _chunk(self, number: int) -> Tensor:
        if number in self._kept:
            return self._kept[number]
        x, g = self.examples.batch(slice(number * self.size, (number + 1) * self.size))
        with randomness(self.settings.seed, "chunk", number):
            prepared = self.prepare(x.to(self.settings.device), None if g is None else g.to(self.settings.device))
        if self._bytes + prepared.nbytes <= IN_MEMORY:
            self._kept[number] = prepared
            self._bytes += prepared.nbytes
        return prepared

    def sum(self, statistics: Callable[[Tensor], Statistics]) -> Statistics:
        """The statistics of all chunks of all processes, added up."""
        total: Statistics = {}
        for chunk in self:
            for name, value in statistics(chunk).items():
                total[name] = total[name] + value if name in total else value
        if not total:  # more processes than chunks: nothing to add, in the right shapes
            total = {name: torch.zeros_like(value) for name, value in statistics(self._chunk(0)).items()}
        return sum_over_ranks(total)

    def some(self, rows: int, seed: int) -> Tensor:
        """At most `rows` examples chosen by `seed`, prepared: the same on every process."""
        n = len(self.examples)
        if n <= rows and n <= self.size:
            return self._chunk(0)
        index = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:rows].sort().values
        x, g = self.examples.batch(index)
        with randomness(seed, "some"):
            return self.prepare(x.to(self.settings.device), None if g is None else g.to(self.settings.device))

"""Passes over all of the data, in chunks that every process knows: what closed forms and EM sum their statistics over."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from genus.data import CHUNK, Examples
from genus.learning.distributed import gather_over_ranks, sum_over_ranks
from genus.learning.learns import Settings
from genus.randomness import randomness
from genus.spaces import Encoded, Ragged

Statistics = dict[str, Tensor]
Prepare = Callable[[Encoded, Tensor | None, torch.dtype], Any]  # encoded points, what they are given, working precision
IN_MEMORY = 2**28  # bytes of coordinates kept between passes; more is prepared again each time


class Passes:
    """Chunks of the training data, each prepared by `prepare(x, g, dtype)` under randomness keyed by its number.

    Chunk c goes to process c mod world; what was prepared is kept between passes while it is small.
    """

    def __init__(self, examples: Examples, prepare: Prepare, settings: Settings) -> None:
        self.examples, self.prepare, self.settings = examples, prepare, settings
        self.size = settings.batch_size or CHUNK
        self._kept: dict[int, Any] = {}
        self._bytes = 0

    def __iter__(self) -> Iterator[Any]:
        for number in self._mine():
            yield self._chunk(number)

    def _mine(self) -> range:
        """The chunks of this process."""
        return range(self.settings.rank, -(-len(self.examples) // self.size), self.settings.world)

    def _chunk(self, number: int) -> Any:
        if number in self._kept:
            return self._kept[number]
        x, g = self.examples.batch(slice(number * self.size, (number + 1) * self.size))
        with randomness(self.settings.seed, "chunk", number):
            prepared = self._prepared(x, g)
        if self._bytes + prepared.nbytes <= IN_MEMORY:
            self._kept[number] = prepared
            self._bytes += prepared.nbytes
        return prepared

    def sum(self, statistics: Callable[[Any], Statistics]) -> Statistics:
        """The statistics of all chunks of all processes, added up."""
        total: Statistics = {}
        for chunk in self:
            for name, value in statistics(chunk).items():
                total[name] = total[name] + value if name in total else value
        if not total:  # more processes than chunks: nothing to add, in the right shapes
            total = {name: torch.zeros_like(value) for name, value in statistics(self._chunk(0)).items()}
        return sum_over_ranks(total)

    def extremes(self, of: Callable[[Any], Tensor]) -> tuple[Tensor, Tensor]:
        """Smallest and largest of each column of `of(chunk)`, (rows, columns), over all chunks of all processes."""
        parts = gather_over_ranks({n: torch.stack(of(self._chunk(n)).aminmax(dim=0)) for n in self._mine()})
        ends = torch.stack([parts[number] for number in sorted(parts)])  # (chunks, 2, columns)
        return ends[:, 0].amin(0), ends[:, 1].amax(0)

    def some(self, rows: int, seed: int) -> Any:
        """At most `rows` examples chosen by `seed`, prepared: the same on every process."""
        n = len(self.examples)
        if n <= rows and n <= self.size:
            return self._chunk(0)
        index = torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:rows].sort().values
        x, g = self.examples.batch(index)
        with randomness(seed, "some"):
            return self._prepared(x, g)

    def gather(self) -> Any:
        """Every example, prepared, in the order of the data: the same on every process."""
        parts = gather_over_ranks({number: self._chunk(number) for number in self._mine()})
        whole = [parts[number] for number in sorted(parts)]
        if isinstance(whole[0], Ragged):
            return Ragged.of([sequence for part in whole for sequence in part])
        return torch.cat(whole)

    def _prepared(self, x: Encoded, g: Tensor | None) -> Any:
        device = self.settings.device
        return self.prepare(x.to(device), None if g is None else g.to(device), self.settings.working_dtype(x))

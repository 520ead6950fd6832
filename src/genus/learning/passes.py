"""Passes over all of the data, in chunks that every process knows: what closed forms and EM sum their statistics over."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.data import CHUNK, Examples
from genus.learning.distributed import gather_over_ranks, sum_over_ranks
from genus.learning.learns import Learns, Settings
from genus.probability.statistics import Statistics, add_up
from genus.randomness import randomness
from genus.spaces import Encoded, Ragged
from genus.spaces.arrays import holds_missing

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
        total = add_up(map(statistics, self))
        if not total:  # more processes than chunks: nothing to add, in the right shapes
            total = {name: torch.zeros_like(value) for name, value in statistics(self._chunk(0)).items()}
        return sum_over_ranks(total)

    def extremes(self, of: Callable[[Any], Tensor]) -> tuple[Tensor, Tensor]:
        """Smallest and largest of what is known in each column of `of(chunk)`, (rows, columns), over all chunks of all
        processes."""
        parts = {n: _ends(of(self._chunk(n))) for n in self._mine()}
        ends = torch.stack(gather_over_ranks(parts, self.settings.device))  # (chunks, 2, columns)
        return ends[:, 0].amin(0), ends[:, 1].amax(0)

    def lacking(self) -> list[int]:
        """The columns of chunks (rows, columns) in which some example, of any process, has no value (NaN)."""
        if not self.examples.space.encoded_dtype.is_floating_point:
            return []
        holes = self.sum(lambda x: {"holes": x.isnan().sum(0) if holds_missing(x) else torch.zeros_like(x[0], dtype=torch.int64)})
        return holes["holes"].nonzero()[:, 0].tolist()

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
        whole = gather_over_ranks({number: self._chunk(number) for number in self._mine()}, self.settings.device)
        if isinstance(whole[0], Ragged):
            return Ragged.of([sequence for part in whole for sequence in part])
        return torch.cat(whole)

    def _prepared(self, x: Encoded, g: Tensor | None) -> Any:
        device = self.settings.device
        return self.prepare(x.to(device), None if g is None else g.to(device), self.settings.working_dtype(x))


def _ends(x: Tensor) -> Tensor:
    """Smallest and largest known value of each column of x (rows, columns): (2, columns)."""
    if not holds_missing(x):
        return torch.stack(x.aminmax(dim=0))
    low, high = (torch.where(x.isnan(), end, x) for end in (math.inf, -math.inf))
    return torch.stack([low.amin(0), high.amax(0)])


class LearnsInPasses(Learns):
    """A model that learns from passes over all of the data: what its ways of learning share."""

    takes: ClassVar[frozenset[str]] = frozenset({"batch_size", "resume"})  # a resumed run is simply run again

    def begin(self, train: Examples, settings: Settings) -> Passes:
        """Build, on the device of the run; and the passes over the coordinates of its data."""
        assert self.space is not None
        self.build(self.space)
        self.to(settings.device)
        return Passes(train, self.coordinates, settings)

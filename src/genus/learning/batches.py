"""Batches as a function of the step: batch t is known without batch t - 1, on every process alike."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from genus.data import Examples
from genus.randomness import generator
from genus.spaces import Encoded, Ragged

Batch = tuple[Encoded, Tensor | None]
ON_DEVICE = 2**31  # bytes: a smaller data set is moved to the GPU once


class Batches(Protocol):
    """Where a gradient model takes its batches from."""

    steps_per_epoch: int
    batch_size: int

    def batch(self, step: int, rank: int, world: int) -> Batch: ...


class Shuffled:
    """Every example once an epoch, in the order of a permutation keyed by (seed, epoch).

    Process r of W takes rows r, r + W, ... of the same global batch. The last, shorter batch of an epoch is left out;
    another epoch's permutation brings its examples back.
    """

    def __init__(self, examples: Examples, batch_size: int, seed: int, device: torch.device) -> None:
        self.examples, self.seed, self.device = examples, seed, device
        self.batch_size = min(batch_size, len(examples))
        self.steps_per_epoch = len(examples) // self.batch_size
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)
        if device.type != "cpu" and isinstance(examples.points, Tensor) and examples.points.nbytes < ON_DEVICE:
            given = None if examples.given is None else examples.given.to(device)
            self.examples = Examples(examples.space, examples.points.to(device), examples.given_space, given)

    def batch(self, step: int, rank: int, world: int) -> Batch:
        epoch, number = divmod(step, self.steps_per_epoch)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = torch.randperm(len(self.examples), generator=generator(self.seed, "order", epoch))
        index = self._order[number * self.batch_size : (number + 1) * self.batch_size][rank::world]
        x, g = self.examples.batch(index)
        return x.to(self.device), None if g is None else g.to(self.device)


class Windows:
    """Windows of `length` tokens, at offsets keyed by (seed, step), from sequences laid end to end.

    Where there are several, some windows begin with a sequence: as many as it takes to see every beginning as often as
    any other token, but no more than half of them.
    """

    def __init__(self, sequences: Ragged, length: int, batch_size: int, seed: int, device: torch.device) -> None:
        self.tokens, self.length, self.batch_size, self.seed, self.device = sequences.values, length, batch_size, seed, device
        self.steps_per_epoch = max(1, len(self.tokens) // (batch_size * length))
        self._reach = torch.arange(length)
        self._offsets = len(self.tokens) - length + 1
        beginnings = sequences.offsets[:-1]
        self._beginnings = beginnings[beginnings < self._offsets] if len(beginnings) > 1 else beginnings[:0]
        self._share = min(0.5, len(self._beginnings) * length / len(self.tokens))  # of windows that begin with a sequence

    def batch(self, step: int, rank: int, world: int) -> Batch:
        random = generator(self.seed, "windows", step)
        starts = torch.randint(self._offsets, (self.batch_size,), generator=random)
        if len(self._beginnings):
            chosen = self._beginnings[torch.randint(len(self._beginnings), starts.shape, generator=random)]
            starts = torch.where(torch.rand(starts.shape, generator=random) < self._share, chosen, starts)
        return self.tokens[starts[rank::world, None] + self._reach].to(self.device), None

"""Forecast: where a sequence goes next, with how sure that is."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Forecast:
    """The next steps of a sequence, in the data's own units.

    mean, low, high (steps, *item): float64; [low, high] holds each value with probability `level`.
    """

    mean: Tensor
    low: Tensor
    high: Tensor
    level: float

    def __len__(self) -> int:
        return len(self.mean)

    def __repr__(self) -> str:
        return f"Forecast({len(self)} steps, {self.level:.0%} intervals)"

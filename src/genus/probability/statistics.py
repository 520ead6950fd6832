"""Sufficient statistics: sums over points, by name, that add up over tiles, chunks and processes."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

Statistics = dict[str, Tensor]


def add_up(parts: Iterable[Statistics]) -> Statistics:
    """The statistics of all parts together; empty where there are none."""
    total: Statistics = {}
    for part in parts:
        for name, value in part.items():
            total[name] = total[name] + value if name in total else value
    return total

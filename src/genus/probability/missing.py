"""Missing entries (NaN): rows grouped by which of their columns are there, so that each group is a complete problem."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor


def patterns(x: Tensor) -> Iterator[tuple[Tensor | None, Tensor | None]]:
    """(rows, seen) for every set of columns that some rows have; (None, None), once, if nothing is missing."""
    if not x.detach().sum().isnan():
        yield None, None
        return
    kinds, which, counts = x.isnan().unique(dim=0, return_inverse=True, return_counts=True)
    for missing, rows in zip(kinds, which.argsort(stable=True).split(counts.tolist())):
        yield rows, (~missing).nonzero()[:, 0]


def select(x: Tensor, rows: Tensor | None, seen: Tensor | None) -> Tensor:
    return x if rows is None else x[rows][:, seen]


def holes(x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(rows, seen, missing) for every set of columns that some rows have, but for the rows that have them all."""
    for rows, seen in patterns(x):
        if rows is not None and seen is not None and len(seen) < x.shape[1]:
            yield rows, seen, x[rows[0]].isnan().nonzero()[:, 0]

"""Missing entries (NaN): rows grouped by which of their columns are there, so that each group is a complete problem."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

WORD = 62  # columns whose patterns are the bits of one whole number


def numbered(x: Tensor) -> tuple[Tensor, Tensor]:
    """The sets of columns that rows have: which columns are there in each (P, d), and the number of the set of each row (n,)."""
    missing = x.isnan()
    which = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    for bits in missing.split(WORD, 1):  # `unique` of numbers is many times faster than of rows
        word = (bits.long() << torch.arange(bits.shape[1], device=x.device)).sum(1).unique(return_inverse=True)[1]
        which = (which * (len(x) + 1) + word).unique(return_inverse=True)[1]
    example = which.new_empty(int(which.max()) + 1 if len(x) else 0)
    example[which] = torch.arange(len(x), device=x.device)
    return ~missing[example], which


def patterns(x: Tensor) -> Iterator[tuple[Tensor | None, Tensor | None]]:
    """(rows, seen) for every set of columns that some rows have; (None, None), once, if nothing is missing."""
    if not x.detach().sum().isnan():
        yield None, None
        return
    kinds, which = numbered(x)
    for seen, rows in zip(kinds, which.argsort(stable=True).split(which.bincount(minlength=len(kinds)).tolist())):
        yield rows, seen.nonzero()[:, 0]


def select(x: Tensor, rows: Tensor | None, seen: Tensor | None) -> Tensor:
    return x if rows is None else x[rows][:, seen]


def holes(x: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """(rows, seen, missing) for every set of columns that some rows have, but for the rows that have them all."""
    for rows, seen in patterns(x):
        if rows is not None and seen is not None and len(seen) < x.shape[1]:
            yield rows, seen, x[rows[0]].isnan().nonzero()[:, 0]

"""Tables of probabilities from incomplete points: not every coordinate of every point is known.

    log L(p) = sum_u n_u log P(u; p)         n_u: the points of which just u is known

P(u; p) sums over all that u leaves open, a polynomial in the entries of p with coefficients of at least 0. So EM is

    E   m = p d log L / dp                   how often each entry of p is expected to have been used
    M   p = (m + a) / sum (m + a)            a pseudo-counts; log L + a log p never falls

(Baum & Eagon 1967; Dempster, Laird & Rubin 1977; of tables Little & Rubin 2002, chapter 13). It asks that why a value is
missing does not depend on that value, given what is known (Rubin 1976). The counts n_u add up over chunks and processes,
and a step costs nothing in the number of points. They are kept

    of a joint table   in that table with one more place, "not known", on each axis that needs it        `Joint`
    of a chain         for each cell, as how often each later one was the next to be known: given the
                       two, what lies between is independent of all the rest                             `Chain`

A point is its cells (n, D) int64: 0 .. levels[i] - 1 on axis i, or -1 where it is not known. Tables are flat, float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genus.probability.missing import patterns

SETTLED = 1e-9  # largest change of an expected count in a step, as a share of their sum
MOST_STEPS = 1000


@dataclass(frozen=True)
class Joint:
    """What can be known of points of one table, when the places on the axes `lacking` may not be."""

    levels: Sequence[int]
    lacking: Sequence[int]

    @property
    def widened(self) -> list[int]:
        return [level + (axis in self.lacking) for axis, level in enumerate(self.levels)]

    @property
    def size(self) -> int:
        """Different things that can be known of a point."""
        return math.prod(self.widened)

    def count(self, cells: Tensor) -> Tensor:
        """How often each occurs among points (n, D): (size,) int64."""
        cells = torch.where(cells < 0, torch.tensor(self.levels, device=cells.device), cells)
        return torch.bincount(ravel(cells, self.widened), minlength=self.size)

    def log_likelihood(self, counts: Tensor) -> Callable[[Tensor], Tensor]:
        """log L of these counts, as a function of the flat table."""
        seen = counts.nonzero()[:, 0]
        n = counts[seen]
        return lambda p: n @ self.margins(p)[seen].log()

    def margins(self, p: Tensor) -> Tensor:
        """The widened table: at "not known" the sum over all places of the axis."""
        for axis in self.lacking:
            lines = p.reshape(math.prod(self.widened[:axis]), self.levels[axis], -1)
            p = torch.cat([lines, lines.sum(1, keepdim=True)], 1)
        return p.flatten()


@dataclass(frozen=True)
class Chain:
    """Steps between known cells of a Markov chain along the axes; its tables p(c_0) and p(c_i | c_(i-1)) lie end to end."""

    levels: Sequence[int]

    @property
    def size(self) -> int:
        """Different steps: from the start or any cell, to any cell."""
        return (1 + sum(self.levels)) * sum(self.levels)

    def count(self, cells: Tensor) -> Tensor:
        """How often each occurs among points (n, D): (size,) int64."""
        starts = torch.tensor([0, *self.levels[:-1]], device=cells.device).cumsum(0)
        number = torch.where(cells < 0, 0, 1 + starts + cells)  # of the cell among all; 0 is the start
        last = torch.nn.functional.pad(number.cummax(1).values[:, :-1], (1, 0))
        steps = last * sum(self.levels) + number - 1
        return torch.bincount(steps[cells >= 0], minlength=self.size)

    def log_likelihood(self, counts: Tensor) -> Callable[[Tensor], Tensor]:
        """log L of these counts, as a function of the flat tables."""
        columns = counts.reshape(-1, sum(self.levels)).split(list(self.levels), 1)
        seen = [column.nonzero(as_tuple=True) for column in columns]
        n = [column[where] for column, where in zip(columns, seen, strict=True)]

        def log_likelihood(p: Tensor) -> Tensor:
            total, reached = p.new_zeros(()), p.new_ones(1, 1)  # p(c_i | the cell that was known last), a row for each of those
            for table, where, times in zip(self.tables(p), seen, n, strict=True):
                reached = reached @ table
                total = total + times @ reached[where].log()
                reached = torch.cat([reached, torch.eye(table.shape[1], dtype=p.dtype, device=p.device)])
            return total

        return log_likelihood

    def tables(self, p: Tensor) -> Iterable[Tensor]:
        """Each table, (cells before, cells)."""
        before = [1, *self.levels[:-1]]
        sizes = [a * b for a, b in zip(before, self.levels, strict=True)]
        return (table.reshape(-1, cells) for table, cells in zip(p.split(sizes), self.levels, strict=True))


def expected_counts(log_likelihood: Callable[[Tensor], Tensor], probabilities: Callable[[Tensor], Tensor], start: Tensor) -> Tensor:
    """The counts m that EM ends with, from `start`; probabilities(m) are the tables p, both flat."""
    counts = start
    for _ in range(MOST_STEPS):
        before, p = counts, probabilities(counts).detach().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(log_likelihood(p), p)
        counts = p.detach() * slope
        if float((counts - before).abs().max()) <= SETTLED * float(counts.sum()):
            break
    return counts


def marginal(p: Tensor, levels: Sequence[int], cells: Tensor) -> Tensor:
    """P of what is known of each point (n, D), summed over the rest: (n,), by a flat joint table."""
    found = p.new_empty(len(cells))
    for rows, seen in patterns(torch.where(cells < 0, math.nan, cells.double())):
        if rows is None or seen is None:
            return p[ravel(cells, levels)]
        summed, left = p, seen.tolist()
        for axis in reversed(range(len(levels))):
            if axis not in left:
                summed = summed.reshape(math.prod(levels[:axis]), levels[axis], -1).sum(1)
        found[rows] = summed.flatten()[ravel(cells[rows][:, seen], [levels[axis] for axis in left])]
    return found


def ravel(cells: Tensor, levels: Sequence[int]) -> Tensor:
    """The number of each row of cells (n, D) in a flat table with these levels: (n,)."""
    strides = torch.tensor([1, *levels[:0:-1]], device=cells.device).cumprod(0).flip(0)[: len(levels)]
    return (cells * strides).sum(1)

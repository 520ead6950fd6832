"""The joint table: the probability of every combination of values, from counts."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.fields import NonNegative, perhaps
from genus.learning import LearnsInClosedForm
from genus.learning.passes import Passes
from genus.model import CanSample, Completes, HasLogProb
from genus.probability.incomplete_counts import Joint, expected_counts, marginal, ravel
from genus.probability.missing import holes
from genus.spaces import Binary, Column, Encoded, Space, Table, Tokens

MOST_CELLS = 2**22  # 32 MB of counts
MOST_KNOWN = 2**24  # different things that can be known of an incomplete row: 128 MB
AT_ONCE = 2**22  # probabilities looked at together when cells are filled


class JointTable(LearnsInClosedForm, CanSample, HasLogProb, Completes):
    """Joint probability table: how often each combination of values occurred, out of all.

        P(x) = (n_x + s) / (n + s K),   K = number of cells,   s = smoothing pseudo-counts a cell

        P(a) = sum_b P(a, b),   P(b | a) = P(a, b) / P(a)

    Everything there is to ask about a few columns is a sum over cells; their number is the product of the columns' levels,
    which is why larger tables need models that say which columns matter to which.

    A row with missing cells (NaN) counts for all combinations that agree with it, each by its share of them: EM, whose steps
    need no further pass over the data (`genus.probability.incomplete_counts`). Its own probability is P(a).

    Maximum likelihood of a multinomial: Laplace 1774 (s = 1: his rule of succession); Pearson 1904 for contingency tables;
    missing cells: Little & Rubin 2002, chapter 13.
    """

    spaces: ClassVar = (Table, Binary, Tokens)
    takes_missing: ClassVar[bool] = True

    smoothing: NonNegative = 0.0  # pseudo-counts added to every cell, so that none is impossible
    counts: Tensor

    _lacking: tuple[int, ...] = ()  # columns that some row of the data has no value in

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        if space.ragged:
            return f"a table has a fixed number of columns, but this is {space!r}; use an NGram"
        fractions = next((c.name for c in getattr(space, "columns", ()) if c.kind == "continuous"), None)
        if fractions is not None:
            return (
                f"it counts values, but the column {fractions!r} is continuous; cut it into ranges (pandas.cut), or use a Mixture"
            )
        if (cells := _n_cells(space)) > MOST_CELLS:
            return (
                f"its table would have {cells:.3g} cells, the product of the columns' levels, more than {MOST_CELLS}; "
                "drop columns, merge levels, or use a Mixture"
            )
        return None

    def build(self, space: Space) -> None:
        self.register_buffer("counts", torch.zeros(_n_cells(space), dtype=torch.float64))

    def coordinates(self, x: Tensor, g: Tensor | None, dtype: torch.dtype) -> Tensor:
        return x.reshape(len(x), -1)

    def survey(self, passes: Passes) -> None:
        self._lacking = tuple(axis for axis in passes.lacking() if self._levels[axis] > 1)
        if (known := self._known.size) > MOST_KNOWN:
            raise ValueError(
                f"data: holds missing values (NaN) in {len(self._lacking)} columns, and {known:.3g} different things may be known "
                f"of a row, more than {MOST_KNOWN}; fill some of these columns, drop them, or use a Mixture"
            )

    def statistics(self, batch: Tensor) -> dict[str, Tensor]:
        codes, possible = self._codes(batch)
        return {"counts": self._known.count(codes[possible]).double()}

    def solve(self, statistics: dict[str, Tensor]) -> None:
        counts = statistics["counts"]
        if self._lacking:
            start = torch.ones(math.prod(self._levels), dtype=torch.float64, device=self.device)
            counts = expected_counts(self._known.log_likelihood(counts), self._smoothed, start)
        self.counts = counts

    def flaw(self) -> str | None:
        sound = bool((self.counts >= 0).all()) and 0 < float(self.counts.sum()) < math.inf
        return super().flaw() or (None if sound else "counts must be at least 0, and not all 0")

    @property
    def probabilities(self) -> Tensor:
        """P(x) of every cell, an array with an axis a column, float64."""
        return self._smoothed(self.counts).reshape(self._levels)

    def _smoothed(self, counts: Tensor) -> Tensor:
        smoothed = counts + self.smoothing
        return smoothed / smoothed.sum()

    def log_prob_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        codes, possible = self._codes(x.reshape(len(x), -1))
        return torch.where(possible, marginal(self._smoothed(self.counts), self._levels, codes), 0.0).log()

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        drawn = torch.multinomial(self.probabilities.flatten(), n, replacement=True)
        codes = torch.stack(torch.unravel_index(drawn, self.probabilities.shape), 1)  # (n, D)
        return (codes + self._lows).reshape(n, *self.fitted_space.shape).to(self.fitted_space.encoded_dtype)

    def fill(self, x: Tensor) -> Tensor:
        filled = x.reshape(len(x), -1).to(torch.float64, copy=True)
        for rows, seen, absent in holes(filled):
            joint = self.probabilities.permute(*seen.tolist(), *absent.tolist())
            levels = joint.shape[len(seen) :]
            weights = joint.reshape(-1, math.prod(levels))  # (combinations of what is known, of what is not)
            codes, possible = self._codes(filled[rows])
            cells = ravel(codes[:, seen], joint.shape[: len(seen)])
            possible &= weights.sum(1)[cells] > 0
            if not possible.all():
                names = ", ".join(repr(_columns(self.fitted_space)[i][0]) for i in seen.tolist())
                raise ValueError(
                    f"data: these values of {names} never occur in the table together; give fewer, or fit with smoothing"
                )
            parts = cells.split(max(1, AT_ONCE // weights.shape[1]))
            drawn = torch.cat([torch.multinomial(weights[part], 1)[:, 0] for part in parts])
            values = torch.stack(torch.unravel_index(drawn, levels), 1) + self._lows[absent]
            filled[rows[:, None], absent] = values.double()
        return filled.reshape(x.shape).to(self.fitted_space.encoded_dtype)

    # -- tables to read -------------------------------------------------------------------------------------------------

    def table(self) -> Any:
        """P(x) of every cell: a DataFrame with the last column across and the others down, a Series if there is one only."""
        return self.marginal([name for name, _ in _columns(self.fitted_space)])

    def marginal(self, names: Any) -> Any:
        """P of the columns `names`, in their order, all others summed out: as `table`. Raises ValueError for unknown names."""
        axes = self._positions(names, "names")
        return self._frame(self._sum_to(axes), axes[:-1], axes[-1:])

    def conditional(self, names: Any, given: Any) -> Any:
        """P(names | given). given: {column: value} for one distribution, as `marginal`; or names of columns for all of them:
        a DataFrame with what is given down, a row each that adds up to one (NaN where it never occurs). Raises ValueError."""
        known = self._positions(list(given) if isinstance(given, dict) else given, "given")
        axes = self._positions(names, "names")
        if both := [_columns(self.fitted_space)[i][0] for i in axes if i in known]:
            raise ValueError(f"given: the column {both[0]!r} is asked for and given; name it once")
        joint = self._sum_to(known + axes)
        if not isinstance(given, dict):
            joint = joint / joint.sum(tuple(range(len(known), joint.ndim)), keepdim=True)
            return self._frame(joint, known, axes)
        for name, value in given.items():
            joint = joint[self._code(name, value)]
        if not joint.sum() > 0:
            raise ValueError(f"given: {given!r} never occurs in the table; give less, or fit with smoothing above 0")
        return self._frame(joint / joint.sum(), axes[:-1], axes[-1:])

    # -- columns, axes and cells ---------------------------------------------------------------------------------------

    @property
    def _lows(self) -> Tensor:
        """The least value of each column (D,): what the first place of its axis stands for."""
        lows = [c.low if c.kind == "integer" else 0 for c in getattr(self.fitted_space, "columns", ())]
        return torch.tensor(lows or [0] * self.fitted_space.dims, dtype=torch.int64, device=self.counts.device)

    @property
    def _levels(self) -> list[int]:
        """How many values each column has."""
        return [len(values) for _, values in _columns(self.fitted_space)]

    @property
    def _known(self) -> Joint:
        return Joint(self._levels, self._lacking)

    def _codes(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """The place of each value (n, D) on its axis, -1 for one that is not known; and whether a row has places (n,)."""
        levels = torch.tensor(self._levels, device=flat.device)
        unknown = flat.isnan() & (levels > 1)  # of one value there is nothing to know
        codes = torch.where(flat.isnan(), self._lows, flat).long() - self._lows
        possible = ((codes >= 0) & (codes < levels)).all(1)
        return torch.where(possible[:, None], codes, 0).masked_fill(unknown, -1), possible

    def _positions(self, names: Any, argument: str) -> list[int]:
        names = [names] if isinstance(names, str | int) else list(names)
        known = [name for name, _ in _columns(self.fitted_space)]
        for name in names:
            if name not in known:
                raise ValueError(f"{argument}: no column is called {name!r}{perhaps(name, known)}")
        if not names or len(set(names)) < len(names):
            raise ValueError(f"{argument}={names!r} must name at least one column, and each once")
        return [known.index(name) for name in names]

    def _code(self, name: Any, value: Any) -> int:
        values = _columns(self.fitted_space)[self._positions(name, "given")[0]][1]
        if value not in values:
            shown = ", ".join(map(repr, values[:8])) + (", ..." if len(values) > 8 else "")
            raise ValueError(f"given: the column {name!r} has no value {value!r}{perhaps(value, values)}; it has {shown}")
        return values.index(value)

    def _sum_to(self, axes: list[int]) -> Tensor:
        """P of the columns at these places, in this order."""
        p = self.probabilities
        others = tuple(i for i in range(p.ndim) if i not in axes)
        kept = sorted(axes)
        return (p.sum(others) if others else p).permute([kept.index(i) for i in axes]).cpu()

    def _frame(self, p: Tensor, down: list[int], across: list[int]) -> Any:
        import pandas as pd

        columns = _columns(self.fitted_space)

        def index(axes: list[int]) -> Any:
            names, values = zip(*(columns[i] for i in axes), strict=True)
            return pd.Index(values[0], name=names[0]) if len(axes) == 1 else pd.MultiIndex.from_product(values, names=names)

        if not down:
            return pd.Series(p.flatten().numpy(), index(across), name="probability")
        rows = index(down)
        return pd.DataFrame(p.reshape(len(rows), -1).numpy(), rows, index(across))


def _columns(space: Space) -> list[tuple[Any, list[Any]]]:
    """The name and the values of each column of the table, in the order of its axes."""
    if isinstance(space, Table):
        return [(c.name, _values(c)) for c in space.columns]
    assert isinstance(space, Binary | Tokens)
    return [(i, list(range(space.levels))) for i in range(space.dims)]


def _values(column: Column) -> list[Any]:
    if column.kind == "integer":
        return list(range(int(column.low), int(column.high) + 1))
    return [False, True] if column.kind == "boolean" else list(column.categories)


def _n_cells(space: Space) -> int:
    if isinstance(space, Binary | Tokens):
        return space.levels**space.dims
    assert isinstance(space, Table)
    return math.prod(int(c.high - c.low) + 1 if c.kind == "integer" else c.n_values for c in space.columns)

"""The joint table: the probability of every combination of values, from counts."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.fields import NonNegative, perhaps
from genus.learning import LearnsInClosedForm
from genus.model import CanSample, Completes, HasLogProb
from genus.probability.gaussians import patterns
from genus.spaces import Binary, Column, Encoded, Space, Table, Tokens

MOST_CELLS = 2**22  # 32 MB of counts
AT_ONCE = 2**22  # probabilities looked at together when cells are filled


class JointTable(LearnsInClosedForm, CanSample, HasLogProb, Completes):
    """Joint probability table: how often each combination of values occurred, out of all.

        P(x) = (n_x + s) / (n + s K),   K = number of cells,   s = smoothing pseudo-counts a cell

        P(a) = sum_b P(a, b),   P(b | a) = P(a, b) / P(a)

    Everything there is to ask about a few columns is a sum over cells; their number is the product of the columns' levels,
    which is why larger tables need models that say which columns matter to which.
    Maximum likelihood of a multinomial: Laplace 1774 (s = 1: his rule of succession); Pearson 1904 for contingency tables.
    """

    spaces: ClassVar = (Table, Binary, Tokens)

    smoothing: NonNegative = 0.0  # pseudo-counts added to every cell, so that none is impossible

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

    def statistics(self, batch: Tensor) -> dict[str, Tensor]:
        cells, known = self._cells(batch.reshape(len(batch), -1))
        return {"counts": torch.bincount(cells[known], minlength=len(self.counts)).double()}

    def solve(self, statistics: dict[str, Tensor]) -> None:
        self.counts = statistics["counts"]

    def flaw(self) -> str | None:
        if not bool((self.counts >= 0).all()) or not 0 < float(self.counts.sum()) < math.inf:
            return "the counts of the table are none"
        return super().flaw()

    @property
    def probabilities(self) -> Tensor:
        """P(x) of every cell, an array with an axis a column, float64."""
        levels = [len(values) for _, values in _columns(self.fitted_space)]
        smoothed = self.counts + self.smoothing
        return (smoothed / smoothed.sum()).reshape(levels)

    def log_prob_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        cells, known = self._cells(x.reshape(len(x), -1))
        return torch.where(known, self.probabilities.flatten()[cells], 0.0).log()

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        drawn = torch.multinomial(self.probabilities.flatten(), n, replacement=True)
        codes = torch.stack(torch.unravel_index(drawn, self.probabilities.shape), 1)  # (n, D)
        return (codes + self._lows).reshape(n, *self.fitted_space.shape).to(_dtype(self.fitted_space))

    def fill(self, x: Tensor) -> Tensor:
        filled = x.reshape(len(x), -1).to(torch.float64, copy=True)
        for rows, seen in patterns(filled):
            if rows is None or seen is None or len(seen) == filled.shape[1]:
                continue
            absent = filled[rows[0]].isnan().nonzero()[:, 0]
            joint = self.probabilities.permute(*seen.tolist(), *absent.tolist())
            levels = joint.shape[len(seen) :]
            weights = joint.reshape(-1, math.prod(levels))  # (combinations of what is known, of what is not)
            cells, known = self._cells(filled[rows][:, seen], seen)
            possible = known & (weights.sum(1)[cells] > 0)
            if not possible.all():
                names = ", ".join(repr(_columns(self.fitted_space)[i][0]) for i in seen.tolist())
                raise ValueError(
                    f"given: these values of {names} never occur in the table together; give fewer, or fit with smoothing"
                )
            parts = cells.split(max(1, AT_ONCE // weights.shape[1]))
            drawn = torch.cat([torch.multinomial(weights[part], 1)[:, 0] for part in parts])
            values = torch.stack(torch.unravel_index(drawn, levels), 1) + self._lows[absent]
            filled[rows[:, None], absent] = values.double()
        return filled.reshape(x.shape).to(_dtype(self.fitted_space))

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

    def _cells(self, flat: Tensor, axes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The number of the cell of each row (n, D) in the table of these axes, or of all; and whether there is one."""
        levels = torch.tensor([len(values) for _, values in _columns(self.fitted_space)], device=flat.device)
        lows = self._lows
        if axes is not None:
            levels, lows = levels[axes], lows[axes]
        codes = flat.long() - lows
        known = ((codes >= 0) & (codes < levels)).all(1)
        strides = levels.flip(0).cumprod(0).flip(0) // levels
        return torch.where(known, (codes * strides).sum(1), 0), known

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


def _dtype(space: Space) -> torch.dtype:
    """That of encoded points."""
    return {Binary: torch.uint8, Tokens: torch.int64}.get(type(space), torch.float64)

"""The histogram: how often each cell of a grid was hit."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor

from genus.fields import Count, NonNegative
from genus.learning import LearnsInClosedForm
from genus.learning.passes import Passes
from genus.model import CanSample, Completes, HasLogProb
from genus.sampling.inverse_cdf import discrete
from genus.spaces import Binary, Column, Encoded, Images, Reals, Sequence, Space, Table, Tokens

MOST_CELLS = 2**24  # that all tables together may have: 128 MB
JOINT_CELLS = 2**12  # up to which "auto" keeps one table of everything
MOST_VALUES = 256  # whole numbers that have a cell each; of more, `bins` intervals
AT_ONCE = 2**18  # numbers whose cells are found at once
IMPOSSIBLE = "holds known values of probability zero, so nothing follows from them; raise smoothing, or keep to the range"


class Histogram(LearnsInClosedForm, CanSample, HasLogProb, Completes):
    """Histogram: space is cut into cells, and a cell's probability is the share of the data in it.

        p(x) = p(cell of x) / volume of the cell,      p(cell) = (count + a / cells) / (n + a),   a = smoothing

    One table of all cells is exact and grows as bins^d, so large points are factorised, each table smoothed by itself:

        joint          p(c_1, ..., c_d)
        independent    prod_i p(c_i)
        markov         p(c_1) prod_i p(c_i | c_(i-1)),   i in the order of the columns, or of a picture's pixels row by row

    Categories, tokens, bits and whole numbers have probabilities: volume counts the values in a cell, one where there is
    room. Where the space knows no range (real numbers, plain whole numbers) `bins` cells share the range of the data and
    one more cell, as wide as all of them, lies at either end for what the data missed; beyond, the density is zero (-inf).

    Pearson 1895; smoothing: Lidstone 1920, Perks 1947.
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Tokens, Sequence)
    data_sized: ClassVar[tuple[str, ...]] = ("log_p",)
    sample_chunk: ClassVar[int] = 1024

    bins: Count = 10  # intervals of a real number, and of whole numbers that have too many values for a cell each
    factorisation: Literal["auto", "joint", "independent", "markov"] = "auto"  # which cells have a table of their own
    smoothing: NonNegative = 1.0  # points added to each table, spread evenly over its cells so that none is impossible

    def refuses(self, space: Space) -> str | None:
        if space.ragged:
            return "its points have different lengths, and a grid has one number of axes; cut them to one length, or use Empirical"
        return super().refuses(space) or space.complaint()

    def build(self, space: Space) -> None:
        d = space.dims
        self.register_buffer("low", torch.zeros(d, dtype=torch.float64))  # lower end of the first cell of each axis
        self.register_buffer("high", torch.ones(d, dtype=torch.float64))  # upper end of the last, which may be narrower
        self.register_buffer("width", torch.ones(d, dtype=torch.float64))  # of a cell
        self.register_buffer("log_p", torch.zeros(0, dtype=torch.float64))  # of the cells of all tables, end to end

    def coordinates(self, x: Tensor, g: Tensor | None, dtype: torch.dtype) -> Tensor:
        return x.flatten(1)

    def survey(self, passes: Passes) -> None:
        whole, low, high = (t.to(self.device) for t in _axes(self.fitted_space))
        if bool(self._open.any()):
            least, most = (t.double() for t in passes.extremes(lambda flat: flat))
            low = torch.where(self._open, least, low)
            # the end is not in the range, but the largest number seen must be
            high = torch.where(self._open, torch.where(whole, most + 1, most.nextafter(torch.full_like(most, math.inf))), high)
        values = high - low
        narrow = torch.where(values <= MOST_VALUES, 1.0, (values / self.bins).ceil())
        self.low, self.high, self.width = low.double(), high.double(), torch.where(whole, narrow, values / self.bins)
        if sum(self._sizes) > MOST_CELLS:
            digits = len(str(sum(self._sizes))) - 1
            raise ValueError(
                f"factorisation={self.factorisation!r} needs some 1e{digits} cells, more than {MOST_CELLS:,}; "
                "use fewer bins, or factorisation='independent'"
            )

    def statistics(self, batch: Tensor) -> dict[str, Tensor]:
        counts = torch.zeros(sum(self._sizes), dtype=torch.int64, device=batch.device)
        for rows in batch.split(max(1, AT_ONCE // batch.shape[1])):
            index = self._index(self._cells_of(rows.double())[0])
            counts += torch.bincount(index.flatten(), minlength=len(counts))
        return {"counts": counts.double()}

    def solve(self, statistics: dict[str, Tensor]) -> None:
        tables = []
        for counts, cells in zip(statistics["counts"].split(self._sizes), self._lasts):
            rows = counts.reshape(-1, cells) + self.smoothing / cells
            total = rows.sum(1, keepdim=True)
            tables.append(torch.where(total > 0, rows / total, 1 / cells).flatten())  # a row that nothing led to is even
        self.log_p = torch.cat(tables).log()

    def log_prob_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        cells, inside = self._cells_of(x.flatten(1).double())
        log_p = self.log_p[self._index(cells)].sum(1) - self._intervals(cells)[1].log().sum(1)
        return torch.where(inside.all(1), log_p, -math.inf)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        return self._point_of(self._draw_cells(torch.full((n, len(self.low)), -1, device=self.device)))

    def fill(self, x: Tensor) -> Tensor:
        flat = x.flatten(1).double()
        unknown = flat.isnan()
        cells, inside = self._cells_of(torch.where(unknown, self.low, flat))
        if not bool((inside | unknown).all()):
            raise ValueError(f"data: row {int((~(inside | unknown)).any(1).nonzero()[0])} {IMPOSSIBLE}")
        known = torch.where(unknown, -1, cells)
        parts = [self._draw_cells(some) for some in known.split(max(1, MOST_CELLS // sum(self._cells)))]
        drawn = self._point_of(torch.cat(parts))
        return torch.where(unknown.reshape(x.shape), drawn, x.to(drawn.dtype))

    def flaw(self) -> str | None:
        _, low, high = _axes(self.fitted_space)
        ends = torch.stack([self.low, self.high, self.width])
        if not bool(ends.isfinite().all()) or not bool((self.high > self.low).all() & (self.width > 0).all()):
            return "the axes are not finite intervals"
        if any(bool(((a != b) & ~a.isnan()).any()) for a, b in ((low, self.low), (high, self.high))):
            return "the axes are not those of the space"
        if len(self.log_p) != sum(self._sizes):
            return f"there are {len(self.log_p)} cells, but the axes make {sum(self._sizes)}"
        sums = torch.cat([table.exp().sum(1) for table in self._tables()])
        return None if bool(((sums - 1).abs() < 1e-6).all()) else "the probabilities do not add up to one"

    # -- cells --------------------------------------------------------------------------------------------------------

    @property
    def _open(self) -> Tensor:
        """(d,) whether the space knows no range, so that a wide cell lies at either end."""
        return _axes(self.fitted_space)[1].isnan().to(self.device)

    @property
    def _between(self) -> Tensor:
        """(d,) cells of each axis but for the wide ones at its ends."""
        return ((self.high - self.low) / self.width).sub(1e-7).ceil().long()

    @property
    def _cells(self) -> list[int]:
        """Cells of each axis."""
        return (self._between + 2 * self._open).tolist()

    @property
    def _tables_of(self) -> Literal["joint", "independent", "markov"]:
        """The factorisation, chosen where it is "auto"."""
        if self.factorisation != "auto":
            return self.factorisation
        cells = self._cells
        if math.prod(cells) <= JOINT_CELLS:
            return "joint"
        ordered = not isinstance(self.fitted_space, Reals | Table)
        return "markov" if ordered and sum(a * b for a, b in zip([1, *cells], cells)) <= MOST_CELLS else "independent"

    @property
    def _lasts(self) -> list[int]:
        """Cells that each table is a distribution over."""
        return [math.prod(self._cells)] if self._tables_of == "joint" else self._cells

    @property
    def _sizes(self) -> list[int]:
        """Cells of each table, conditions included."""
        lasts = self._lasts
        return [a * b for a, b in zip([1, *lasts], lasts)] if self._tables_of == "markov" else lasts

    def _tables(self) -> list[Tensor]:
        """log p of each table, (conditions, cells)."""
        return [table.reshape(-1, cells) for table, cells in zip(self.log_p.split(self._sizes), self._lasts)]

    def _cells_of(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """The number of the cell on each axis, and whether the value lies on the axis at all; both (n, d)."""
        reach, last = (self.high - self.low) * self._open, self._between - 1
        cells = torch.minimum(((flat - self.low) / self.width).floor().clamp_min(0).long(), last)
        cells = torch.where(flat < self.low, -1, torch.where(flat < self.high, cells, last + 1)) + self._open.long()
        inside = (flat >= self.low - reach) & (flat < self.high + reach)
        return torch.where(inside, cells, 0), inside

    def _intervals(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Lower end and length of each cell, (n, d); of whole numbers, the length is how many they are."""
        number = cells - self._open.long()
        start = self.low + number * self.width
        reach = self.high - self.low
        start = torch.where(number < 0, self.low - reach, torch.where(number < self._between, start, self.high))
        outside = (number < 0) | (number >= self._between)
        return start, torch.where(outside, reach, torch.minimum(self.width, self.high - start))

    def _index(self, cells: Tensor) -> Tensor:
        """Where the tables keep these cells, (n, tables)."""
        sizes = torch.tensor(self._cells, device=cells.device)
        if self._tables_of == "joint":
            strides = torch.tensor([1, *self._cells[:0:-1]], device=cells.device).cumprod(0).flip(0)
            return (cells * strides).sum(1, keepdim=True)
        starts = torch.tensor([0, *self._sizes[:-1]], device=cells.device).cumsum(0)
        if self._tables_of == "independent":
            return starts + cells
        return starts + cells + sizes * torch.nn.functional.pad(cells[:, :-1], (1, 0))

    def _point_of(self, cells: Tensor) -> Tensor:
        """Encoded points, each anywhere in its cells."""
        space = self.fitted_space
        whole = _axes(space)[0].to(cells.device)
        start, length = self._intervals(cells)
        within = torch.rand_like(length) * length
        flat = start + torch.where(whole, within.floor(), within)
        return flat.reshape(len(cells), *space.shape).to(_dtype(space))

    # -- drawing ------------------------------------------------------------------------------------------------------

    def _draw_cells(self, known: Tensor) -> Tensor:
        """Cells (n, d) with those that are -1 drawn given the others."""
        return self._draw_jointly(known) if self._tables_of == "joint" else self._draw_in_turn(known)

    def _draw_jointly(self, known: Tensor) -> Tensor:
        table, drawn = self.log_p.exp().reshape(self._cells), known.clone()
        kinds, which = known.unique(dim=0, return_inverse=True)
        for number, cells in enumerate(kinds.tolist()):
            part = table[tuple(slice(None) if cell < 0 else cell for cell in cells)]
            rows, free = (which == number).nonzero()[:, 0], [axis for axis, cell in enumerate(cells) if cell < 0]
            if free:
                chosen = torch.unravel_index(_pick(part.flatten().expand(1, -1), len(rows))[0], part.shape)
                drawn[rows[:, None], free] = torch.stack(chosen, 1)
        return drawn

    def _draw_in_turn(self, known: Tensor) -> Tensor:
        """Along the chain, each cell given the one before and what is known of those behind it."""
        tables = [table.exp() for table in self._tables()]
        chained = self._tables_of == "markov"
        ahead: list[Tensor | None] = [None] * len(tables)  # p(known cells behind i | cell i) up to a factor, (n, cells)
        if chained:
            for i in range(len(tables) - 1, 0, -1):
                evidence = _evidence(known[:, i], tables[i].shape[1], ahead[i])
                if evidence is not None:
                    message = evidence @ tables[i].T
                    ahead[i - 1] = message / message.amax(1, keepdim=True).clamp_min(1e-300)
        drawn = known.clone()
        for i, table in enumerate(tables):
            weights = table[drawn[:, i - 1]] if chained and i else table.expand(len(known), -1)
            evidence = _evidence(known[:, i], table.shape[1], ahead[i])
            weights = weights if evidence is None else weights * evidence
            drawn[:, i] = _pick(weights, 1)[:, 0]
        return drawn


def _pick(weights: Tensor, n: int) -> Tensor:
    """n draws of each row of weights (rows, cells): (rows, n)."""
    if not bool((weights.sum(1) > 0).all()):
        raise ValueError(f"data: a row {IMPOSSIBLE}")
    return discrete(weights, n)


def _evidence(known: Tensor, cells: int, ahead: Tensor | None) -> Tensor | None:
    """What the known cells from here on say of this one, (n, cells): one-hot where it is known itself; None for nothing."""
    if not bool((known >= 0).any()):
        return ahead
    one_hot = torch.nn.functional.one_hot(known.clamp_min(0), cells).double()
    here = torch.where((known >= 0)[:, None], one_hot, 1.0)
    return here if ahead is None else here * ahead


def _axes(space: Space) -> tuple[Tensor, Tensor, Tensor]:
    """For each coordinate: whether it is a whole number; the least it can be, and the end of its range; NaN if unknown."""
    if isinstance(space, Sequence):
        return tuple(part.repeat(space.length or 1) for part in _axes(space.item))  # type: ignore[return-value]
    if isinstance(space, Table):
        axes = [_axis(column) for column in space.columns]
        low, high = torch.tensor(axes, dtype=torch.float64).T
        return torch.tensor([column.kind != "continuous" for column in space.columns]), low, high
    levels = float(getattr(space, "levels", math.nan))
    low, high = (torch.full((space.dims,), end, dtype=torch.float64) for end in (levels * 0, levels))
    return torch.full((space.dims,), space.discrete), low, high


def _axis(column: Column) -> tuple[float, float]:
    """The least value of a column of a table and the end of its range, NaN if unknown."""
    if column.kind == "continuous":
        return math.nan, math.nan
    return (column.low, column.high + 1) if column.kind == "integer" else (0.0, float(column.n_values))


def _dtype(space: Space) -> torch.dtype:
    """Of encoded points."""
    if isinstance(space, Sequence):
        return _dtype(space.item)
    if isinstance(space, Reals):
        return space.dtype
    if isinstance(space, Table):
        return torch.float64
    return torch.int64 if isinstance(space, Tokens) else torch.uint8 if space.levels <= 256 else torch.int32  # type: ignore[attr-defined]

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
from genus.probability.incomplete_counts import Chain, Joint, expected_counts, marginal, ravel
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
    one more cell, as wide as all of them, lies at either end for what the data missed, as far as their dtype reaches; beyond,
    the density is zero (-inf).
    The density is level within a cell, so that its gradient in x is zero.

    Missing values (NaN) are summed out exactly of what is scored. Of what is learned, too: where coordinates are independent
    each is counted where it is known; else EM finds the tables that make what is known likeliest, by steps that need no
    further pass over the data (`genus.probability.incomplete_counts`).

    Pearson 1895; smoothing: Lidstone 1920, Perks 1947; missing values: Baum & Eagon 1967, Little & Rubin 2002, chapter 13.
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Tokens, Sequence)
    takes_missing: ClassVar[bool] = True
    data_sized: ClassVar[tuple[str, ...]] = ("log_p",)
    sample_chunk: ClassVar[int] = 1024

    bins: Count = 10  # intervals of a real number, and of whole numbers that have too many values for a cell each
    factorisation: Literal["auto", "joint", "independent", "markov"] = "auto"  # which cells have a table of their own
    smoothing: NonNegative = 1.0  # points added to each table, spread evenly over its cells so that none is impossible

    _lacking: tuple[int, ...] = ()  # coordinates that some point of the data has no value of

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
        return x.reshape(len(x), -1)

    def survey(self, passes: Passes) -> None:
        self._lacking = tuple(passes.lacking())
        whole, low, high = (t.to(self.device) for t in _axes(self.fitted_space))
        if bool(self._open.any()):
            least, most = (t.double() for t in passes.extremes(lambda flat: flat))
            low = torch.where(self._open, least, low)
            # the end is not in the range, but the largest number seen must be
            high = torch.where(self._open, torch.where(whole, most + 1, most.nextafter(torch.full_like(most, math.inf))), high)
        values = high - low
        narrow = torch.where(values <= MOST_VALUES, 1.0, (values / self.bins).ceil())
        self.low, self.high, self.width = low.double(), high.double(), torch.where(whole, narrow, values / self.bins)
        needed = sum(self._sizes) if self._known is None else self._known.size
        if needed > MOST_CELLS:
            missing = " for data with missing values (NaN)" if self._lacking else ""
            raise ValueError(
                f"factorisation={self.factorisation!r} needs some 1e{len(str(needed)) - 1} cells{missing}, more than {MOST_CELLS:,}; "
                "use fewer bins, or factorisation='independent'"
            )

    def statistics(self, batch: Tensor) -> dict[str, Tensor]:
        known = self._known
        counts = torch.zeros(sum(self._sizes) if known is None else known.size, dtype=torch.int64, device=batch.device)
        for rows in batch.split(max(1, AT_ONCE // batch.shape[1])):
            cells, _ = self._cells_of(rows.double())
            if known is None:
                index = self._index(cells)
                counts += torch.bincount(index[cells >= 0] if self._lacking else index.flatten(), minlength=len(counts))
            else:
                counts += known.count(cells)
        return {"counts": counts.double()}

    def solve(self, statistics: dict[str, Tensor]) -> None:
        counts = statistics["counts"]
        if self._known is not None:
            start = torch.ones(sum(self._sizes), dtype=torch.float64, device=self.device)
            counts = expected_counts(self._known.log_likelihood(counts), self._smoothed, start)
        self.log_p = self._smoothed(counts).log()

    def log_prob_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        flat = x.reshape(len(x), -1).double()
        cells, inside = self._cells_of(flat.detach())
        log_volume = torch.where(cells < 0, 0.0, self._intervals(cells)[1].log()).sum(1)
        log_p = torch.where(inside.all(1), self._log_p_of(cells) - log_volume, -math.inf)
        return log_p + 0 * flat.nan_to_num().sum(1) if flat.requires_grad else log_p  # level in a cell: its gradient is zero

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        return self._point_of(self._draw_cells(torch.full((n, len(self.low)), -1, device=self.device)))

    def fill(self, x: Tensor) -> Tensor:
        cells, inside = self._cells_of(x.reshape(len(x), -1).double())
        if not bool(inside.all()):
            raise ValueError(f"data: row {int((~inside).any(1).nonzero()[0])} {IMPOSSIBLE}")
        parts = [self._draw_cells(some) for some in cells.split(max(1, MOST_CELLS // sum(self._cells)))]
        drawn = self._point_of(torch.cat(parts))
        return torch.where(x.isnan(), drawn, x.to(drawn.dtype))

    def flaw(self) -> str | None:
        _, low, high = _axes(self.fitted_space)
        ends = torch.stack([self.low, self.high, self.width])
        if not bool(ends.isfinite().all()) or not bool((self.high > self.low).all() & (self.width > 0).all()):
            return "the axes are not finite intervals"
        if any(bool(((a != b) & ~a.isnan()).any()) for a, b in ((low, self.low), (high, self.high))):
            return "the axes are not those of the space"
        if len(self.log_p) != sum(self._sizes):
            return f"there are {len(self.log_p)} cells, but the axes make {sum(self._sizes)}"
        sums = torch.cat([table.exp().sum(1) for table in self._tables(self.log_p)])
        return None if bool(((sums - 1).abs() < 1e-6).all()) else "the probabilities do not add up to one"

    # -- cells --------------------------------------------------------------------------------------------------------

    @property
    def _open(self) -> Tensor:
        """(d,) whether the space knows no range, so that a wide cell lies at either end."""
        return _axes(self.fitted_space)[1].isnan().to(self.device)

    @property
    def _reach(self) -> tuple[Tensor, Tensor]:
        """(d,) length of the wide cell below the others, and of that above; 0 where there is none."""
        reach = (self.high - self.low) * self._open
        least, end = _ends(self.fitted_space)
        return torch.minimum(reach, self.low - least).clamp_min(0), torch.minimum(reach, end - self.high).clamp_min(0)

    @property
    def _between(self) -> Tensor:
        """(d,) cells of each axis but for the wide ones at its ends."""
        return ((self.high - self.low) / self.width).sub(1e-7).ceil().long()

    @property
    def _cells(self) -> list[int]:
        """Cells of each axis."""
        return (self._between + sum(wide > 0 for wide in self._reach)).tolist()

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

    @property
    def _known(self) -> Joint | Chain | None:
        """What can be known of points that lack values; None where counts of cells tell all, as of independent ones."""
        if not self._lacking or self._tables_of == "independent":
            return None
        return Joint(self._cells, self._lacking) if self._tables_of == "joint" else Chain(self._cells)

    def _tables(self, flat: Tensor) -> list[Tensor]:
        """Each table of numbers that lie end to end, (conditions, cells)."""
        return [table.reshape(-1, cells) for table, cells in zip(flat.split(self._sizes), self._lasts)]

    def _smoothed(self, counts: Tensor) -> Tensor:
        """The probabilities of all tables, of their counts."""
        tables = []
        for table in self._tables(counts):
            rows = table + self.smoothing / table.shape[1]
            total = rows.sum(1, keepdim=True)
            tables.append(torch.where(total > 0, rows / total, 1 / table.shape[1]).flatten())  # a row that nothing led to is even
        return torch.cat(tables)

    def _cells_of(self, flat: Tensor) -> tuple[Tensor, Tensor]:
        """The number of the cell on each axis, -1 for a missing value, and whether it may lie on the axis; both (n, d)."""
        (below, above), last = self._reach, self._between - 1
        cells = torch.minimum(((flat - self.low) / self.width).floor().clamp_min(0).long(), last)
        cells = torch.where(flat < self.low, -1, torch.where(flat < self.high, cells, last + 1)) + (below > 0)
        inside, missing = (flat >= self.low - below) & (flat < self.high + above), flat.isnan()
        return torch.where(inside, cells, 0).masked_fill_(missing, -1), inside | missing

    def _intervals(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Lower end and length of each cell, (n, d); of whole numbers, the length is how many they are."""
        below, above = self._reach
        number = cells - (below > 0).long()
        start = self.low + number * self.width
        start = torch.where(number < 0, self.low - below, torch.where(number < self._between, start, self.high))
        length = torch.where(number < self._between, torch.minimum(self.width, self.high - start), above)
        return start, torch.where(number < 0, below, length)

    def _index(self, cells: Tensor) -> Tensor:
        """Where the tables keep these cells, (n, tables)."""
        sizes = torch.tensor(self._cells, device=cells.device)
        if self._tables_of == "joint":
            return ravel(cells, self._cells)[:, None]
        starts = torch.tensor([0, *self._sizes[:-1]], device=cells.device).cumsum(0)
        if self._tables_of == "independent":
            return starts + cells
        return starts + cells + sizes * torch.nn.functional.pad(cells[:, :-1], (1, 0))

    def _log_p_of(self, cells: Tensor) -> Tensor:
        """log p of the known of these cells, (n,)."""
        unknown = cells < 0
        if not bool(unknown.any()):
            return self.log_p[self._index(cells)].sum(1)
        if self._tables_of == "joint":
            return marginal(self.log_p.exp(), self._cells, cells).log()
        if self._tables_of == "independent":
            return torch.where(unknown, 0.0, self.log_p[self._index(cells.clamp_min(0))]).sum(1)
        ahead, log_factor = self._look_ahead(cells)
        first = self._tables(self.log_p)[0].exp()
        evidence = _evidence(cells[:, 0], first.shape[1], ahead[0])
        return log_factor if evidence is None else (first * evidence).sum(1).log() + log_factor

    def _point_of(self, cells: Tensor) -> Tensor:
        """Encoded points, each anywhere in its cells."""
        space = self.fitted_space
        whole = _axes(space)[0].to(cells.device)
        start, length = self._intervals(cells)
        within = torch.rand_like(length) * length
        flat = start + torch.where(whole, within.floor(), within)
        return flat.reshape(len(cells), *space.shape).to(space.encoded_dtype)

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
        tables = self._tables(self.log_p.exp())
        chained = self._tables_of == "markov"
        ahead = self._look_ahead(known)[0] if chained else [None] * len(tables)
        drawn = known.clone()
        for i, table in enumerate(tables):
            weights = table[drawn[:, i - 1]] if chained and i else table.expand(len(known), -1)
            evidence = _evidence(known[:, i], table.shape[1], ahead[i])
            weights = weights if evidence is None else weights * evidence
            drawn[:, i] = _pick(weights, 1)[:, 0]
        return drawn

    def _look_ahead(self, known: Tensor) -> tuple[list[Tensor | None], Tensor]:
        """p(known cells behind i | cell i) of each place i of the chain, (n, cells), None where nothing is known behind it,
        but for a factor; and the log of the factors of all places (n,)."""
        tables = self._tables(self.log_p.exp())
        ahead: list[Tensor | None] = [None] * len(tables)
        log_factor = torch.zeros(len(known), dtype=torch.float64, device=known.device)
        for i in range(len(tables) - 1, 0, -1):
            evidence = _evidence(known[:, i], tables[i].shape[1], ahead[i])
            if evidence is not None:
                message = evidence @ tables[i].T
                factor = message.amax(1, keepdim=True).clamp_min(1e-300)
                ahead[i - 1], log_factor = message / factor, log_factor + factor[:, 0].log()
        return ahead, log_factor


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


def _ends(space: Space) -> tuple[float, float]:
    """The least number that a coordinate without a range can be, and the end of what it can be."""
    if isinstance(space, Sequence):
        return _ends(space.item)
    if not isinstance(space, Reals):
        return -math.inf, math.inf
    least, most = space.ends
    return least, most + space.discrete


def _axis(column: Column) -> tuple[float, float]:
    """The least value of a column of a table and the end of its range, NaN if unknown."""
    if column.kind == "continuous":
        return math.nan, math.nan
    return (column.low, column.high + 1) if column.kind == "integer" else (0.0, float(column.n_values))

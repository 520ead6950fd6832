"""K distributions over points whose columns are independent, given the component: what mixtures and naive Bayes stand on.

    log p_k(x) = sum over the columns that are there of log p_k(x_j)

    categories, zeros and ones, tokens    p_k(v) = theta_kv
    real numbers                          N(x; m_k, s_k^2), in standardised coordinates
    whole numbers                         a real one seen through cells: P(x) = F((x + 1 - m_k) / s_k) - F((x - m_k) / s_k)

The cells of the least and of the greatest value of a table's column reach to infinity, so that the probabilities add up
to one over the values there are; of the values beyond, `genus.probability.beyond` speaks. The real number behind a whole
one is hidden, and its moments E[y | x, k], E[y^2 | x, k] are those of a truncated normal: EM needs no more (grouped data:
Dempster, Laird & Rubin 1977, section 4.2).

A whole number takes few values, so that its column is a table of log-probabilities like a category's: points look up
what they hold, and leave their responsibilities at the same places. Where every component is much wider than the cells,
it is a density but for Sheppard's corrections (1898), and only the end cells are looked up.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, one_hot

from genus.probability import truncated_normal
from genus.probability.beyond import log_beyond
from genus.probability.components.categorical import draw_levels
from genus.probability.components.component import Components, posterior
from genus.probability.gaussian_forms import LOG_2PI
from genus.probability.kmeans import kmeans
from genus.probability.regression import coefficients
from genus.probability.statistics import Statistics
from genus.spaces import Binary, Reals, Space, Table, Tokens
from genus.spaces.arrays import probability_flaw
from genus.spaces.table import Column

LEAST_CELLS = 0.1  # standard deviation of a whole number, in cells: one no narrower already holds all but 1e-6
RIDGE = 1e-9  # added to the information, as a share of that of points with nothing hidden: where all is, there is none
PRIOR_POINTS = 3  # that keep a component from being narrow: d + 2 in one dimension, as Fraley & Raftery 2007 have it
FEW = 1000  # values of a column that are all kept at hand; of more, those that occur
START_NUMBERS = 4_000_000  # features that a start is chosen from
GUESS_NUMBERS = 2**26  # log-probabilities that the guesses are learned from, of some points


class ColumnComponents(Components):
    """K products of distributions of single columns: Binary, Tokens of one length, Reals of whole numbers, any Table.

    probabilities (K, levels of all discrete columns side by side); means and variances (K, numeric columns), standardised,
    those of real numbers first. `smoothing` is the weight, in points, of a prior on every column of every component:
    spread evenly over the levels of a discrete one, at the variance 1 / K^2 of the data's for a numeric one; 0 is maximum
    likelihood. `floor` is the least variance of a column of real numbers, as a share of the data's own.
    """

    probabilities: Tensor
    means: Tensor
    variances: Tensor

    def __init__(
        self, space: Binary | Tokens | Table | Reals, n_components: int, smoothing: float = 1.0, floor: float = 1e-6
    ) -> None:
        super().__init__(space, n_components)
        self.smoothing, self.floor, self.columns = smoothing, floor, _columns_of(space)
        self.continuous = [i for i, c in enumerate(self.columns) if c.kind == "continuous"]
        self.whole = [i for i, c in enumerate(self.columns) if c.kind == "integer"]
        self.discrete = [i for i, c in enumerate(self.columns) if not c.numeric]
        self.levels = [self.columns[i].n_values for i in self.discrete]
        probabilities = torch.ones(n_components, sum(self.levels), dtype=torch.float64)
        for column, n in zip(probabilities.split(self.levels, 1), self.levels, strict=False):
            column.fill_(1 / n)
        numeric = len(self.continuous) + len(self.whole)
        self.register_buffer("probabilities", probabilities)
        self.register_buffer("means", torch.zeros(n_components, numeric, dtype=torch.float64))
        self.register_buffer("variances", torch.ones(n_components, numeric, dtype=torch.float64))

    def coordinates(self, x: Tensor) -> Tensor:
        """The values themselves (n, columns): float64, or float32 for zeros and ones."""
        return x.reshape(len(x), -1).to(torch.float32 if isinstance(self.space, Binary) else torch.float64)

    def initialise(self, z: Tensor) -> None:
        """Start from clusters of some points: k-means of their features, numbers no farther out than 3 deviations."""
        some = z[: max(START_NUMBERS // (sum(self.levels) + self.means.shape[1]), 2 * self.n_components)]
        features = self.space.features(self._encoded(some)).clamp(-3, 3).reshape(len(some), -1)
        labels = kmeans(features, self.n_components)[1]
        statistics = self.statistics(some, one_hot(labels, self.n_components).T.double())
        self.maximise(statistics | {"levels": statistics["levels"] + 0.1})  # some are not all: rule nothing out that may come

    # -- the E step ----------------------------------------------------------------------------------------------

    def log_prob(self, z: Tensor) -> Tensor:
        tables, codes, smooth = [self.probabilities.log()], [self._codes(z)], []
        end = self.probabilities.shape[1]
        for j, i in enumerate(self.continuous + self.whole):
            y, values, code = self._parted(z[:, i], i, j)
            if y is not None:
                smooth.append(self._smooth_log_prob(y, i, j))
            if values is not None:
                tables.append(truncated_normal.log_mass(*self._edges(values, i, j)))  # (K, V)
                codes.append(torch.where(code < 0, code, code + end)[:, None])
                end += len(values)
        smooth += self._log_beyond(z)
        code = torch.cat(codes, 1)  # (n, columns looked up)
        if code.shape[1] == 0:
            return sum(smooth[1:], smooth[0])
        table = torch.cat([*tables, self.means.new_zeros(self.n_components, 1)], 1)  # what is missing looks up the last, 0
        found = embedding_bag(torch.where(code < 0, end, code), table.T.to(z.dtype).contiguous(), mode="sum", padding_idx=end)
        return sum(smooth, found.T.contiguous())  # (K, n)

    def _log_beyond(self, z: Tensor) -> list[Tensor]:
        """What a value beyond the ends of its column has less than the end, (n,), of each column that has some."""
        distances = [(z[:, i] - self._inside(z[:, i], i)).abs().nan_to_num(0.0) for i in self.whole]
        return [log_beyond(d) for d in distances if bool(d.any())]

    def _smooth_log_prob(self, y: Tensor, i: int, j: int) -> Tensor:
        """Of standardised y (n,), (K, n): a density, or the mass of a cell much narrower than all components."""
        mean, variance, spread = self.means[:, j, None], self.variances[:, j, None], self._spread(i, j)[:, None]
        constant = variance.log() + spread + LOG_2PI + 2 * math.log(self._units(i)[1])
        return ((y - mean).square() * ((spread - 1) / (2 * variance)) - constant / 2).where(~y.isnan(), 0)

    def statistics(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        r = responsibilities.double()
        rows = r.T.contiguous()  # (n, K)
        levels = self._gathered(rows, self._codes(z), self.probabilities.shape[1])
        # of 1, E[u], E[u^2], Var[u], Cov[u, u^2], Var[u^2], u = (y - m) / s, over the points that are there
        sums = self.means.new_zeros(6, *self.means.shape)
        for j, i in enumerate(self.continuous + self.whole):
            y, values, code = self._parted(z[:, i], i, j)
            if y is not None:
                m, s, spread = self.means[:, j], self.variances[:, j].sqrt(), self._spread(i, j)
                there = ~y.isnan()
                y = y.double().where(there, 0)
                n, one, two = (r @ torch.stack([there.double(), y, y.square()], 1)).T
                one, two = (one - m * n) / s, (two - 2 * m * one + m.square() * n) / s.square()
                of_cell = spread * torch.stack([n, 2 * one, 4 * two])
                sums[:, :, j] += torch.stack([n, (1 - spread) * one, (1 - spread).square() * two + of_cell[0], *of_cell])
            if values is not None:
                count = self._gathered(rows, code[:, None], len(values))  # (K, V)
                moments = truncated_normal.moments(*self._edges(values, i, j))
                sums[:, :, j] += torch.stack([count, *(count * moment for moment in moments)]).sum(2)
        m, s, (n, one, two) = self.means, self.variances.sqrt(), sums[:3]
        first, second = m * n + s * one, m.square() * n + 2 * m * s * one + s.square() * two
        return {"count": r.sum(1), "levels": levels, "seen": n, "first": first, "second": second, "hidden": sums[3:].movedim(0, 2)}

    # -- the M step ----------------------------------------------------------------------------------------------

    def maximise(self, statistics: Statistics) -> None:
        if self.levels:
            self.probabilities = torch.cat([self._frequencies(n) for n in statistics["levels"].split(self.levels, 1)], 1)
        seen, first = statistics["seen"], statistics["first"]
        alive = seen > 1e-9  # points: a component that explains fewer keeps what it has
        self.means = torch.where(alive, first / seen.clamp(min=1e-9), self.means)
        squares = statistics["second"] - 2 * self.means * first + seen * self.means.square()
        variances = (squares + self.smoothing / self.n_components**2) / (seen + self.smoothing).clamp(min=1e-9)
        self.variances = torch.where(alive, variances, self.variances).maximum(self._least_variances)

    @property
    def _least_variances(self) -> Tensor:
        cells = [(LEAST_CELLS / self._units(i)[1]) ** 2 for i in self.whole]
        return self.means.new_tensor([self.floor] * len(self.continuous) + cells)

    def climb(self, statistics: Statistics) -> None:
        """`maximise`, a step of EM, but for whole numbers, where it is near, a step of Newton's method.

        Where much is hidden, as where most values lie at an end, whose cell is infinite, EM takes hundreds of steps. With
        responsibilities that stay as they are and no `smoothing`, the log-likelihood of (1 + e) u - d in place of u is
        concave in (d, e) (Pratt 1981), with, at 0 and given the cells (Louis 1982),

            gradient     sum E[u],  n - sum E[u^2]
            information  [[n, -sum E[u]], [-sum E[u], n + sum E[u^2]]] - sum Cov[(u, 1 - u^2)]
        """
        m, s, n = self.means, self.variances.sqrt(), statistics["seen"]
        self.maximise(statistics)
        if not self.whole:
            return
        one, two = (statistics["first"] - m * n) / s, statistics["second"]
        two = (two - 2 * m * statistics["first"] + m.square() * n) / s.square()
        of_mean, across, of_spread = statistics["hidden"].unbind(2)
        a, b, c = (1 + RIDGE) * n - of_mean, across - one, (1 + RIDGE) * n + two - of_spread
        e = ((a * (n - two) - b * one) / (a * c - b.square())).clamp(-0.5, 1.0)
        variances = (s / (1 + e)).square().maximum(self._least_variances)
        ratio = variances.sqrt() / s  # 1 / (1 + e)
        means = m + s * ratio * ((one - b * (1 / ratio - 1)) / a).clamp(-1.0, 1.0)
        near = ((self.means - m).abs() < s / 2) & ((self.variances.sqrt() / s).log().abs() < 0.5) & (n > 1e-9)
        near[:, : len(self.continuous)] = False
        self.means, self.variances = torch.where(near, means, self.means), torch.where(near, variances, self.variances)

    def _frequencies(self, count: Tensor) -> Tensor:
        """The likeliest probabilities of one discrete column (K, levels) under the prior; even where nothing was counted."""
        n, total = count.shape[1], count.sum(1, keepdim=True) + self.smoothing
        return torch.where(total > 0, (count + self.smoothing / n) / total, 1 / n)

    def with_prior(self, statistics: Statistics) -> Statistics:
        points = PRIOR_POINTS * torch.ones_like(self.means)  # of mean 0 and variance 1, the data's own
        return statistics | {"seen": statistics["seen"] + points, "second": statistics["second"] + points}

    def log_prior(self) -> Tensor:
        if self.smoothing == 0:
            return self.means.new_zeros(())
        levels = torch.tensor(self.levels, dtype=torch.int64, device=self.means.device)
        weight = self.smoothing / levels.repeat_interleave(levels)
        narrow = self.variances.log() + 1 / (self.n_components**2 * self.variances)
        return (self.probabilities.log() * weight).sum() - 0.5 * self.smoothing * narrow.sum()

    # -- draws ---------------------------------------------------------------------------------------------------

    def draw(self, which: Tensor) -> Tensor:
        x = self.means.new_empty(len(which), len(self.columns))
        for i, p in zip(self.discrete, self.probabilities.split(self.levels, 1), strict=True):
            x[:, i] = draw_levels(p, which).to(x)
        for j, i in enumerate(self.continuous + self.whole):
            location, scale = self._units(i)
            y = self.means[which, j] + self.variances[which, j].sqrt() * torch.randn_like(x[:, i])
            x[:, i] = y * scale + location
            if i in self.whole:
                x[:, i] = self._inside(x[:, i].floor(), i)
        return self._encoded(x)

    def fill(self, x: Tensor, which: Tensor) -> Tensor:
        return self._filled(x, self.draw(which))

    # -- best guesses --------------------------------------------------------------------------------------------

    @property
    def n_guesses(self) -> int:
        return self.means.shape[1]

    def guesses(self, z: Tensor, log_weights: Tensor) -> Tensor:
        """The numbers b_k that predict a numeric column best, as sum_k p(k | the other columns) b_k: (K, numeric columns).

        Under the mixture itself they would be the means of the components. But what is there for the sake of one column, such
        as the few with a capital loss, is hardly known again without it, and the mixture is surer than it should be.
        """
        z = z[:: -(-len(z) * z.shape[1] * self.n_components // GUESS_NUMBERS)]
        joint, found = self.log_prob(z) + log_weights[:, None], torch.zeros_like(self.means)
        for j, i in enumerate(self.continuous + self.whole):
            there = (~z[:, i].isnan()).nonzero()[:, 0]
            others = posterior((joint - self._column_log_prob(z[:, i], i, j))[:, there], log_weights)  # (K, n)
            centre = z[there, i].mean() if len(there) else self._units(i)[0]
            y = z[there, i] - centre
            found[:, j] = centre + coefficients(others @ others.T, others @ y, float(y @ y), len(y))
        return found

    def best(self, x: Tensor, log_weights: Tensor, guesses: Tensor) -> Tensor:
        """With the likeliest category, and a number as `guesses` has it: within what was seen, rounded where it is whole."""
        log_p = self.log_prob(self.coordinates(x)).double()
        responsibilities = posterior(log_p + log_weights[:, None], log_weights).T  # (n, K)
        guess = self.means.new_empty(len(x), len(self.columns))
        for i, p in zip(self.discrete, self.probabilities.split(self.levels, 1), strict=True):
            guess[:, i] = (responsibilities @ p).argmax(1).to(guess)
        for j, i in enumerate(self.continuous + self.whole):
            guess[:, i] = self._inside(responsibilities @ guesses[:, j], i)
        guess[:, self.whole] = guess[:, self.whole].round()
        return self._filled(x, self._encoded(guess))

    def _column_log_prob(self, x: Tensor, i: int, j: int) -> Tensor:
        """log p_k of a numeric column (n,) alone, (K, n)."""
        y, values, code = self._parted(x, i, j)
        log_p = self.means.new_zeros(self.n_components, len(x)) if y is None else self._smooth_log_prob(y, i, j)
        if values is not None:
            table = truncated_normal.log_mass(*self._edges(values, i, j))  # (K, V)
            log_p = log_p + torch.cat([table, table.new_zeros(len(table), 1)], 1)[:, torch.where(code < 0, len(values), code)]
        return log_p

    def _filled(self, x: Tensor, drawn: Tensor) -> Tensor:
        return torch.where(x.isnan(), drawn, x.to(drawn.dtype))

    def _encoded(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), *self.space.shape).to(self.space.encoded_dtype)

    # -- what is known of them -----------------------------------------------------------------------------------

    @property
    def degrees_of_freedom(self) -> int:
        return self.n_components * (sum(self.levels) - len(self.levels)) + 2 * self.means.numel()

    def flaw(self) -> str | None:
        if not bool((self.variances > 0).all()):
            return "variances must be above 0"
        columns = self.probabilities.split(self.levels, 1)
        return next(filter(None, (probability_flaw("probabilities of a column", p) for p in columns)), None)

    # -- cells ---------------------------------------------------------------------------------------------------

    def _codes(self, z: Tensor) -> Tensor:
        """Where the discrete values lie among all levels side by side, (n, discrete columns); -1 where missing."""
        offsets = torch.tensor([0, *self.levels], device=z.device).cumsum(0)[:-1]
        x = z[:, self.discrete] if len(self.discrete) < len(self.columns) else z
        return torch.where(x.isnan(), -1, x.nan_to_num(0.0).long() + offsets)

    def _parted(self, x: Tensor, i: int, j: int) -> tuple[Tensor | None, Tensor | None, Tensor]:
        """A numeric column (n,) as what has a formula, standardised, NaN elsewhere; and what is looked up: values (V,), and
        which of them each point holds (n,), -1 elsewhere. None for either where there is none of it."""
        location, scale = self._units(i)
        nowhere = torch.full_like(x, -1, dtype=torch.int64)
        if i in self.continuous:
            return (x - location) / scale, None, nowhere
        x, y = self._inside(x, i), None
        low, high = self.columns[i].low, self.columns[i].high
        looked_up = ~x.isnan()
        if float(self._spread(i, j).max()) * 12 < truncated_normal.NARROW**2:
            looked_up &= (x == low) | (x == high)  # the end cells are not narrow
            y = ((x + 0.5 - location) / scale).where(~looked_up, torch.nan)
        if high - low < FEW:
            values = torch.arange(low, high + 1, dtype=torch.float64, device=x.device)
            return y, values, (x - low).where(looked_up, -1).long()
        values, place = x[looked_up].double().unique(return_inverse=True)
        return y, values, nowhere.index_put((looked_up,), place)

    def _spread(self, i: int, j: int) -> Tensor:
        """The variance inside of a cell, 1/12, as a share of that of each component, (K,); 0 for real numbers."""
        return (i in self.whole) / (12 * self._units(i)[1] ** 2 * self.variances[:, j])

    def _edges(self, values: Tensor, i: int, j: int) -> tuple[Tensor, Tensor]:
        """The cells of whole numbers (V,), in standard deviations from the means of the components: twice (K, V)."""
        location, scale = self._units(i)
        below = ((values - location) / scale).where(values > self.columns[i].low, -math.inf)
        above = ((values + 1 - location) / scale).where(values < self.columns[i].high, math.inf)
        mean, s = self.means[:, j, None], self.variances[:, j, None].sqrt()
        return (below - mean) / s, (above - mean) / s

    def _inside(self, x: Tensor, i: int) -> Tensor:
        return x.clamp(self.columns[i].low, self.columns[i].high)

    def _units(self, i: int) -> tuple[float, float]:
        """location and scale of a numeric column."""
        if isinstance(self.space, Table):
            return self.columns[i].location, self.columns[i].scale or 1.0
        location, scale = self.space.location_scale
        return float(location[i]), float(scale[i])

    def _gathered(self, rows: Tensor, codes: Tensor, n: int) -> Tensor:
        """Responsibilities (n, K) added up where the codes (n, columns) point to, (K, n)."""
        sums = rows.new_zeros(n + 1, self.n_components)  # the last is where -1, what is missing, goes
        for code in codes.T.contiguous():
            some = (code >= 0).nonzero()[:, 0]
            if 2 * len(some) < len(code):
                sums.index_add_(0, code[some], rows[some])
            else:
                sums.index_add_(0, torch.where(code < 0, n, code), rows)
        return sums[:n].T.contiguous()


def _columns_of(space: Space) -> Sequence[Column]:
    """What stands at each place of a flat point."""
    if isinstance(space, Table):
        return space.columns
    if isinstance(space, Reals):  # whole numbers without ends but their dtype's
        return [Column(i, "integer", "int64", low=space.ends[0], high=space.ends[1]) for i in range(space.dims)]
    levels = range(space.levels)  # type: ignore[attr-defined]
    return [Column(i, "categorical", "int64", levels) for i in range(space.dims)]  # type: ignore[arg-type]

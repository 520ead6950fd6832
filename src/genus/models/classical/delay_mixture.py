"""The delay mixture: a series as a cloud of its own windows, and a mixture of Gaussians over that cloud."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from genus.fields import Count, Fraction, NonNegative
from genus.learning import LearnsByEM
from genus.learning.em import START_ROWS
from genus.learning.lengths import KeepsLengths
from genus.model import Forecasts, HasLogProb
from genus.model.likelihood import missing_at
from genus.probability import gaussians
from genus.probability.gaussian_forms import Kind
from genus.sampling.decoding import draw
from genus.spaces import Encoded, Ragged, Sequence, Space
from genus.spaces.arrays import holds_missing, probability_flaw


class DelayMixture(KeepsLengths, LearnsByEM, HasLogProb, Forecasts):
    """Delay mixture: a mixture of Gaussians over windows of a series, used as the law of its next step.

        w(x_0 .. x_d) = sum_k w_k N(x_0 .. x_d; mu_k, Sigma_k)                         learned from all windows of d + 1 steps
        p(x) = w(x_1 .. x_d) prod_(t > d) w(x_t | x_(t-d) .. x_(t-1))

    Each conditional of a mixture is a mixture of linear regressions on the last d steps, gated by which component they
    look like: an autoregression with K regimes. All are normalised, so the chain rule makes log p(x) exact, given the length.
    A sequence shorter than a window is learned as one whose end is missing. Steps are numbers or rows of them.

    Missing steps (NaN) are integrated out of the windows they lie in, exactly, where windows are learned, and are drawn
    given the rest of the window where a forecast goes on from them. The chain of conditionals has no closed form with a
    step missing, so incomplete sequences have no likelihood here.

    Takens 1981 (delay coordinates); Ghahramani & Jordan 1994; Wong & Li 2000 (mixture autoregression).
    """

    spaces: ClassVar = (Sequence,)
    takes_missing: ClassVar[bool] = True

    delay: Count = 8  # steps looked back on
    n_components: Count = 5  # normal distributions K
    covariance_type: Literal["full", "tied", "diag", "spherical"] = "full"  # what they share, in standardised columns
    covariance_floor: Fraction = 1e-6  # least variance of a component, as a share of the data's own
    support: NonNegative = 1.0  # how strongly a component of few windows is kept from collapsing; 0 is plain maximum likelihood

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        assert isinstance(space, Sequence)
        if not space.item.continuous or bool(space.item.integer_coordinates.any()):
            return f"its steps must be real numbers, not points of {space.item!r}; make them floats, or use HiddenMarkov"
        if space.length is not None and space.length <= self.delay:
            return f"delay={self.delay}, but the sequences have {space.length} steps; use a smaller delay"
        return space.complaint()

    def build(self, space: Space) -> None:
        super().build(space)
        assert isinstance(space, Sequence)
        self.item = space.item
        means, covariances = gaussians.standard(self.n_components, (self.delay + 1) * space.item.dims, self.covariance_type)
        self.register_buffer("weights", torch.full((self.n_components,), 1 / self.n_components, dtype=torch.float64))
        self.register_buffer("means", means)
        self.register_buffer("covariances", covariances)

    # -- learning -----------------------------------------------------------------------------------------------

    def coordinates(self, x: Encoded, g: Tensor | None, dtype: torch.dtype) -> Tensor:
        """All windows (windows, (delay + 1) * dims), standardised; a short sequence is one window, NaN beyond its end."""
        series, _ = self._standardised(x, dtype)
        short = self._heads(series, self.delay + 1)[(series.lengths > 0) & (series.lengths <= self.delay)]
        windows = torch.cat([self._windows(series)[0], short])
        return windows[~windows.isnan().all(1)]  # one of which nothing is known tells nothing

    def initialise(self, some: Tensor) -> None:
        if bool(some[:, -1].isnan().all()):
            raise ValueError(f"delay={self.delay}, but no sequence has more than {self.delay} steps; use a smaller delay")
        if len(some) < self.n_components:
            raise ValueError(
                f"n_components={self.n_components}, but the data have {len(some)} windows of {self.delay + 1} steps; use fewer components"
            )
        some = some[torch.randperm(len(some), device=some.device)[:START_ROWS]]
        self.weights, self.means, self.covariances = gaussians.initial_parameters(
            some, self.n_components, self.covariance_type, floor=self.covariance_floor, support=self.support
        )

    def expect(self, batch: Tensor) -> dict[str, Tensor]:
        return gaussians.expected_statistics(batch, *self._mixture)

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        self.weights, self.means, self.covariances = gaussians.maximise(
            statistics, self.covariance_type, self.covariance_floor, self.support
        )

    @property
    def _mixture(self) -> tuple[Tensor, Tensor, Tensor, Any]:
        return self.weights.log(), self.means, self.covariances, self.covariance_type

    def flaw(self) -> str | None:
        return super().flaw() or probability_flaw("weights", self.weights) or gaussians.flaw(self.covariances, self.covariance_type)

    # -- windows ------------------------------------------------------------------------------------------------

    def _standardised(self, x: Encoded, dtype: torch.dtype) -> tuple[Ragged, Tensor]:
        """The steps as z (total, dims), and log|dz/dx| of each (total,)."""
        series = x if isinstance(x, Ragged) else Ragged.of_rows(x)
        z, log_det = self.item.standardise(series.values.reshape(len(series.values), self.item.dims))
        return Ragged(z.to(dtype), series.offsets), log_det.to(dtype)

    def _windows(self, series: Ragged) -> tuple[Tensor, Tensor]:
        """The windows of delay + 1 steps (windows, (delay + 1) * dims), and the number of the series of each."""
        last = (series.positions >= self.delay).nonzero()
        back = torch.arange(-self.delay, 1, device=last.device)
        return series.values[last + back].flatten(1), series.owners[last[:, 0]]

    def _heads(self, series: Ragged, steps: int) -> Tensor:
        """The first steps of each series, as windows (n, (delay + 1) * dims), NaN where there are none."""
        heads = series.values.new_full((len(series), self.delay + 1, series.values.shape[1]), torch.nan)
        among = series.positions < steps
        heads[series.owners[among], series.positions[among]] = series.values[among]
        return heads.flatten(1)

    # -- likelihood ---------------------------------------------------------------------------------------------

    def refuse_missing(self, x: Encoded, first: int = 0) -> None:
        if (where := missing_at(x, first)) is not None:
            raise ValueError(
                f"data: {where} holds NaN; DelayMixture learns from missing values and forecasts after them, but has no likelihood "
                "of a sequence with holes; fill them, or use LinearDynamicalSystem"
            )

    def log_prob_of(self, x: Encoded, g: Tensor | None) -> Tensor:
        series, log_det = self._standardised(x, self.weights.dtype)
        windows, owners = self._windows(series)
        past = torch.arange(self.delay * self.item.dims, device=windows.device)
        before = gaussians.restrict(self.means, self.covariances, self.covariance_type, past)
        log_p = log_det.new_zeros(len(series)).index_add(0, series.owners, log_det)
        log_p = log_p.index_add(0, owners, self._log_density(windows, self.means, self.covariances))
        log_p = log_p.index_add(0, owners, -self._log_density(windows[:, past], *before))
        some = (series.lengths > 0).nonzero()[:, 0].to(log_p.device)
        return log_p.index_add(0, some, self._log_density(self._heads(series, self.delay)[some], self.means, self.covariances))

    def _log_density(self, z: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
        return (self.weights.log()[:, None] + gaussians.log_density(z, means, covariances, self.covariance_type)).logsumexp(0)

    # -- drawing ------------------------------------------------------------------------------------------------

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        lengths = self.draw_lengths(n).tolist()
        x = self._roll(self.means.new_empty(n, 0, self.item.dims), max(lengths))
        return Ragged.of([path[:length] for path, length in zip(x, lengths)]) if self.fitted_space.ragged else x

    def continue_series(self, x: Tensor, steps: int, n: int) -> Tensor:
        x = x[-self.delay :]  # the rest says nothing
        z, _ = self.item.standardise(x.reshape(len(x), self.item.dims).to(self.means.dtype))
        return self._roll(z.expand(n, *z.shape), steps)

    def _roll(self, z: Tensor, steps: int) -> Tensor:
        """What follows z (n, t, dims), t <= delay: encoded steps (n, steps, *item), each drawn given the last `delay`."""
        n, start, dims = z.shape
        path = torch.cat([z, z.new_full((n, steps, dims), torch.nan)], 1)
        if start < self.delay or holds_missing(z):  # what lacks of the first window at once
            window = torch.cat([z, z.new_full((n, self.delay - start + 1, dims), torch.nan)], 1)
            drawn = gaussians.fill(window.flatten(1), *self._mixture).reshape(n, -1, dims)
            path[:, : self.delay] = drawn[:, : min(self.delay, path.shape[1])]
        regimes = _Regimes(*self._mixture, self.delay * dims)
        for at in range(max(start, self.delay), path.shape[1]):
            path[:, at] = regimes.draw(path[:, at - self.delay : at].flatten(1))
        return self.item.from_standardised(path[:, start:].flatten(0, 1)).reshape(n, steps, *self.item.shape)


class _Regimes:
    """The next step given the past (n, s), the first s entries of a window; what it takes is worked out once.

    p(k | past) = w_k N(past; k) / sum_j w_j N(past; j)
    next | past, k ~ N(a_k + B_k past, R_k R_k')
    """

    def __init__(self, log_weights: Tensor, means: Tensor, covariances: Tensor, kind: Kind, s: int) -> None:
        K, d = means.shape
        if kind in ("diag", "spherical"):
            covariances = torch.diag_embed(covariances if kind == "diag" else covariances[:, None].expand(K, d))
        covariances = covariances.expand(K, d, d)
        past, future = torch.arange(s, device=means.device), torch.arange(s, d, device=means.device)
        slopes, left = gaussians.regress(covariances, "full", past, future)
        assert slopes is not None  # they are where entries depend on each other
        self.slopes = slopes  # B (K, d - s, s)
        self.offsets = means[:, s:] - (slopes @ means[:, :s, None])[..., 0]  # a (K, d - s)
        self.root = torch.linalg.cholesky(left)
        factor = torch.linalg.cholesky(covariances[:, :s, :s])
        eye = torch.eye(s, dtype=means.dtype, device=means.device)
        self.whiten = torch.linalg.solve_triangular(factor, eye, upper=False).mT  # (K, s, s)
        self.centre = means[:, None, :s] @ self.whiten  # (K, 1, s)
        self.constant = log_weights - factor.diagonal(dim1=-2, dim2=-1).log().sum(1)  # (K,)

    def draw(self, past: Tensor) -> Tensor:
        """(n, s) -> (n, d - s)."""
        distances = (past @ self.whiten - self.centre).square().sum(2)  # (K, n)
        which = draw(self.constant - 0.5 * distances.T)  # (n,)
        noise = torch.randn(len(past), self.root.shape[1], 1, dtype=past.dtype, device=past.device)
        return self.offsets[which] + (self.slopes[which] @ past[..., None] + self.root[which] @ noise)[..., 0]

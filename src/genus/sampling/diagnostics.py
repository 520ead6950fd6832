"""Have the chains met, and what are their draws worth? Functions of draws (steps, chains, *shape).

Each chain is cut in two halves, so that a drift within a chain shows as a difference between chains. With W the mean variance
within the m halves of n steps, B/n the variance of their means, and rho_t the autocorrelation at lag t:

    R-hat = sqrt(((n - 1)/n W + B/n) / W)             1 where every half has seen the same distribution; above 1.01 be wary
    ESS   = m n / (1 + 2 (rho_1 + rho_2 + ...))       what the draws are worth in independent ones

The sum ends where neighbouring pairs stop being positive, and is kept from rising (Geyer 1992). R-hat and the bulk ESS look
at normal scores of the ranks, so that heavy tails do no harm; R-hat also at distances from the median, so that it sees a chain
with another spread; the tail ESS at the 5 % and 95 % quantiles. Vehtari, Gelman, Simpson, Carpenter & Bürkner 2021.

All are nan where a coordinate does not move at all or is not finite, and for fewer than 4 steps.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

FEWEST = 4  # steps, two in a half


def rhat(draws: Tensor) -> Tensor:
    """Rank-normalised split R-hat of each coordinate, (*shape)."""

    def worst(halves: Tensor) -> Tensor:
        far = (halves - _quantile(halves, 0.5)[:, None, None]).abs()
        # fmax: all may be equally far from the median, as heads and tails are
        return torch.fmax(_split_rhat(_normal_scores(halves)), _split_rhat(_normal_scores(far)))

    return _by_coordinate(draws, worst)


def ess(draws: Tensor) -> Tensor:
    """Bulk effective sample size of each coordinate, (*shape): what counts for means and medians."""
    return _by_coordinate(draws, lambda halves: _effective(_normal_scores(halves)))


def tail_ess(draws: Tensor) -> Tensor:
    """Effective sample size of the worse of the 5 % and 95 % quantiles, (*shape): what counts for intervals."""

    def worst(halves: Tensor) -> Tensor:
        below = ((halves <= _quantile(halves, q)[:, None, None]).double() for q in (0.05, 0.95))
        return torch.minimum(*map(_effective, below))

    return _by_coordinate(draws, worst)


def mean_ess(draws: Tensor) -> Tensor:
    """Effective sample size of the mean of the draws as they are, (*shape): what its standard error stands on."""
    return _by_coordinate(draws, _effective)


def standard_error(draws: Tensor) -> Tensor:
    """Monte Carlo standard error of the mean of each coordinate, (*shape)."""
    return draws.double().flatten(0, 1).std(0) / mean_ess(draws).sqrt()


def autocorrelation(draws: Tensor, max_lag: int | None = None) -> Tensor:
    """Of each chain about its own mean: (lags + 1, chains, *shape), 1 at lag 0; nan for a chain that does not move."""
    steps = len(draws)
    lags = steps - 1 if max_lag is None else min(max_lag, steps - 1)
    covariance = _autocovariance(draws.double().movedim(0, -1)).movedim(-1, 0)
    return covariance[: lags + 1] / covariance[0]


def _by_coordinate(draws: Tensor, measure: Callable[[Tensor], Tensor]) -> Tensor:
    """measure of half chains (coordinates, 2 chains, steps // 2) float64, in the shape of a point; nan where it has no sense."""
    if not isinstance(draws, Tensor) or draws.dim() < 2:
        raise ValueError("draws: must be a tensor (steps, chains, *shape); write x[:, None] for a single chain")
    steps, chains, *shape = draws.shape
    half = steps // 2
    x = draws.detach().double().reshape(steps, chains, -1).permute(2, 1, 0)  # (coordinates, chains, steps)
    if half < FEWEST // 2:
        return torch.full(shape, math.nan, dtype=x.dtype, device=x.device)
    halves = torch.cat((x[..., :half], x[..., steps - half :]), 1)
    flat = halves.flatten(1)
    sound = flat.isfinite().all(1) & (flat.amax(1) > flat.amin(1))
    return measure(halves).masked_fill(~sound, math.nan).reshape(shape)


def _normal_scores(halves: Tensor) -> Tensor:
    """Ranks over all draws of a coordinate, ties sharing their mean rank, as quantiles of the normal distribution."""
    flat = halves.flatten(1).contiguous()
    ordered = flat.sort(1).values
    rank = (torch.searchsorted(ordered, flat) + torch.searchsorted(ordered, flat, right=True) + 1).double() / 2
    return torch.special.ndtri((rank - 3 / 8) / (flat.shape[1] + 1 / 4)).view_as(halves)


def _quantile(halves: Tensor, q: float) -> Tensor:
    """Of all draws of a coordinate, linear between them; torch.quantile ends at 2^24."""
    ordered = halves.flatten(1).sort(1).values
    at = q * (ordered.shape[1] - 1)
    return torch.lerp(ordered[..., math.floor(at)], ordered[..., math.ceil(at)], at % 1)


def _split_rhat(halves: Tensor) -> Tensor:
    """sqrt((W (n - 1)/n + B/n) / W), (coordinates,)."""
    n = halves.shape[-1]
    within = halves.var(-1).mean(-1)
    return (((n - 1) / n * within + halves.mean(-1).var(-1)) / within).sqrt()


def _autocovariance(x: Tensor) -> Tensor:
    """Along the last axis, about its mean, divided by n at every lag (which keeps the sum of them from exploding)."""
    n = x.shape[-1]
    size = 2 ** (2 * n - 1).bit_length()  # padded, so that the end does not meet the beginning
    spectrum = torch.fft.rfft(x - x.mean(-1, keepdim=True), n=size)
    return torch.fft.irfft(spectrum.real.square() + spectrum.imag.square(), n=size)[..., :n] / n


def _effective(halves: Tensor) -> Tensor:
    """Effective sample size of the mean over (coordinates, m, n), (coordinates,): m n of a constant, whose mean is certain."""
    _, m, n = halves.shape
    covariance = _autocovariance(halves).mean(1)  # (coordinates, n)
    within = covariance[:, 0] * n / (n - 1)
    total = covariance[:, 0] + halves.mean(-1).var(-1)
    rho = 1 - (within[:, None] - covariance) / total[:, None]
    rho[:, 0] = 1.0
    # rho_0 + rho_1, rho_2 + rho_3, ..., without the last few, of which there are too few products
    pairs = rho[:, : 2 * (max(n - 3, 2) // 2)].unflatten(1, (-1, 2)).sum(2)
    alive = (pairs > 0).cumprod(1)
    # the even lag of the pair that ends the sum still counts where it is positive: shorter tails of antithetic chains
    last = rho.gather(1, (2 * alive.sum(1, keepdim=True)).clamp(max=n - 1))[:, 0].clamp(min=0)
    time = -1 + 2 * (pairs.cummin(1).values * alive).sum(1) + last
    worth = m * n / time.clamp(min=1 / math.log10(m * n))  # no more than anticorrelation can be believed to give
    return worth.where(total > 0, m * n)

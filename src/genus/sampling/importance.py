"""Importance sampling: draw from what is easy, and let weights correct for it.

    w(x) = p~(x) / q(x),   x_i ~ q        E_p[f] ~ sum_i w_i f(x_i) / sum_i w_i        Z ~ mean_i w_i

The estimate of Z is unbiased, so that the log of it is too low on average: a stochastic lower bound. How many draws of p
the weighted ones are worth is their effective sample size, (sum w)^2 / sum w^2 (Kong 1992). Whether the weights can be
trusted at all is told by the tail of their distribution, a generalised Pareto with shape k: its variance is finite below
1/2, and above 0.7 the estimate needs more draws than there can be (Vehtari, Simpson, Gelman, Yao & Gabry 2024).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.arguments import seeded
from genus.sampling.density import LogDensity, Proposal, log_ratios
from genus.sampling.inverse_cdf import discrete
from genus.sampling.monte_carlo import Estimate

FEWEST = 25  # weights of a tail that a Pareto distribution is fitted to; fewer tell nothing


@dataclass(frozen=True)
class Weighted:
    """Draws (n, *shape) with log-weights (n,): unnormalised, -inf where the density is zero."""

    draws: Tensor
    log_weights: Tensor

    def __repr__(self) -> str:
        n, shape = len(self.draws), tuple(self.draws.shape[1:])
        return f"Weighted({n} draws of shape {shape}, worth {self.ess:.4g}; log Z {self.log_normaliser:.6g} +- {self.log_normaliser_error:.2g})"

    @property
    def weights(self) -> Tensor:
        """Normalised to sum to one, (n,)."""
        return self.log_weights.softmax(0)

    @property
    def ess(self) -> float:
        """Effective sample size, 1 to n: how many draws of p these are worth."""
        return float(1 / self.weights.square().sum())

    @property
    def log_normaliser(self) -> float:
        """The estimate of log Z: a lower bound in expectation, exact as n grows."""
        return float(self.log_weights.logsumexp(0)) - math.log(len(self.log_weights))

    @property
    def log_normaliser_error(self) -> float:
        """Standard error of `log_normaliser`: of the mean weight, relative to it. Too small where `pareto_k` is above 0.7."""
        n = len(self.log_weights)
        return math.sqrt(max(n / self.ess - 1, 0) / (n - 1)) if n > 1 else math.nan

    @property
    def pareto_k(self) -> float:
        """Shape of the tail of the weights; above 0.7 nothing here can be trusted. nan for fewer than some 100 draws."""
        return pareto_shape(self.log_weights)

    def expectation(self, f: Callable[[Tensor], Tensor]) -> Estimate:
        """E_p[f(x)], self-normalised, with its standard error. f: x (n, *shape) -> (n, *k)."""
        values = f(self.draws).double()
        weights = self.weights.reshape(-1, *(1,) * (values.dim() - 1))
        mean = (weights * values).sum(0)
        return Estimate(mean, (weights * (values - mean)).square().sum(0).sqrt(), torch.full_like(mean, self.ess))

    def resample(
        self, n: int | None = None, *, method: Literal["systematic", "multinomial"] = "systematic", seed: int | None = None
    ) -> Tensor:
        """n draws (as many as there are) without weights, a draw repeated as its weight asks: (n, *shape).

        systematic: one random number and n equal steps through the cumulative weights, so that a draw of weight w comes
        floor(n w) or ceil(n w) times (Kitagawa 1996). multinomial: n independent choices (Gordon et al. 1993).
        """
        n = len(self.draws) if n is None else check_count("n", n)
        if method == "multinomial":
            return self.draws[discrete(self.weights, n, seed=seed)]
        if method != "systematic":
            raise ValueError(f"method={method!r} is not known: choose 'systematic' or 'multinomial'")
        cumulative = self.weights.cumsum(0)
        with seeded(seed, "systematic resampling"):
            u = (torch.rand((), dtype=torch.float64) + torch.arange(n)) / max(n, 1)
        u = u.to(cumulative.device) * cumulative[-1]
        return self.draws[torch.searchsorted(cumulative, u, right=True).clamp_(max=len(cumulative) - 1)]


def importance(log_density: LogDensity, proposal: Proposal, n: int, *, seed: int | None = None) -> Weighted:
    """n draws from the proposal q, weighted by p~ / q.

    log_density: x (n, *shape) -> log p~ (n,). proposal: of torch.distributions; its tails must be the heavier ones.
    Raises ValueError, also where every weight is zero.
    """
    n = check_count("n", n, 1)
    with torch.no_grad(), seeded(seed, "importance"):
        x = proposal.sample((n,))
        log_weights = log_ratios(log_density, proposal, x).double()
    if (log_weights == -math.inf).all():
        raise ValueError(f"proposal: all {n} draws fall where log_density is -inf; propose where the density is positive")
    return Weighted(x, log_weights)


def pareto_shape(log_weights: Tensor) -> float:
    """The shape k of the generalised Pareto distribution fitted to the largest weights (Zhang & Stephens 2009).

    The largest min(n / 5, 3 sqrt(n)) weights count, and k is drawn a little to 1/2, as if ten more had said so.
    """
    n = len(log_weights)
    size = math.ceil(min(n / 5, 3 * math.sqrt(n)))
    if size < FEWEST:
        return math.nan
    top = (log_weights - log_weights.max()).topk(size + 1).values.exp().flip(0)
    excess = (top[1:] - top[0]).clamp_(min=torch.finfo(top.dtype).tiny)  # over the threshold, ascending
    if excess[-1] <= 1e-6 * top[-1]:
        return -math.inf  # weights that are equal have no tail
    # the posterior mean of theta = -k / sigma over a grid of its likely values, by profile likelihood
    grid = 30 + math.isqrt(size)
    quartile = excess[int(size / 4 + 0.5) - 1]
    steps = torch.arange(1, grid + 1, dtype=top.dtype, device=top.device)
    theta = 1 / excess[-1] + (1 - (grid / (steps - 0.5)).sqrt()) / (3 * quartile)
    k = torch.log1p(-theta[:, None] * excess).mean(1)  # (grid,)
    likelihood = size * ((-theta / k).log() - k - 1)
    theta = (likelihood.softmax(0) * theta).sum()
    k = torch.log1p(-theta * excess).mean()
    return float((size * k + 10 * 0.5) / (size + 10))

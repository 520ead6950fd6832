"""Monte Carlo: an expectation is estimated by a mean over draws, and the mean says how far off it may be.

    E_p[f(x)] ~ mean of f(x_1) .. f(x_n),   x_i ~ p,      standard error  sd(f) / sqrt(n)

The error falls with the square root of n whatever the dimension of x: a digit more costs a hundred times the draws.
Metropolis & Ulam 1949.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.arguments import seeded

CHUNK = 2**18  # draws in memory at once


@dataclass(frozen=True)
class Estimate:
    """An estimated expectation: mean and standard error, of the shape of f of one point; n, the draws behind it.

    n is the effective number where draws depend on each other or carry weights, and then of the shape of the mean.
    """

    mean: Tensor
    standard_error: Tensor
    n: int | Tensor

    def interval(self, level: float = 0.95) -> tuple[Tensor, Tensor]:
        """The central confidence interval that holds the truth with probability `level`, as n grows."""
        if not 0 < level < 1:
            raise ValueError(f"level={level!r} must be between 0 and 1, such as 0.95")
        reach = math.sqrt(2) * torch.erfinv(torch.tensor(level, dtype=torch.float64)) * self.standard_error
        return self.mean - reach, self.mean + reach

    def __repr__(self) -> str:
        if self.mean.numel() > 1:
            return f"Estimate(mean of shape {tuple(self.mean.shape)})"
        return f"Estimate({self.mean.item():.6g} +- {self.standard_error.item():.2g})"


def estimate(
    f: Callable[[Tensor], Tensor], draws: Tensor | Callable[[int], Tensor], n: int | None = None, *, seed: int | None = None
) -> Estimate:
    """E[f(x)] from independent draws: a tensor (n, *shape), or a function that draws as many as it is told, and n.

    f: x (m, *shape) -> (m, *k). A function's draws are never all in memory. Draws of a chain depend on each other: there
    ask `Chains.expectation`; weighted ones, `Weighted.expectation`. Raises ValueError.
    """
    if isinstance(draws, Tensor):
        if n is not None or draws.dim() == 0 or len(draws) == 0:
            raise ValueError(
                f"draws: a tensor of shape {tuple(draws.shape)} and n={n!r}; pass at least one draw without n, or a function and n"
            )
        values = _values(f, draws)
        return _of_moments(len(values), values.mean(0), (values - values.mean(0)).square().sum(0))
    n, count = check_count("n", n, 1), 0
    mean = squares = torch.zeros((), dtype=torch.float64)
    with seeded(seed, "monte carlo"):
        while count < n:
            values = _values(f, draws(min(CHUNK, n - count)))
            size, here = len(values), values.mean(0)
            away = here - mean
            squares = squares + (values - here).square().sum(0) + away.square() * (count * size / (count + size))
            count += size
            mean = mean + away * (size / count)
    return _of_moments(count, mean, squares)


@dataclass(frozen=True)
class Complexity:
    """How the error of an estimate falls with the number of draws: each (sizes,).

    error: root mean square distance from the truth, over the repeats. standard_error: sd(f) / sqrt(n), what theory says.
    """

    sizes: Tensor
    error: Tensor
    standard_error: Tensor

    @property
    def slope(self) -> float:
        """Of log error against log n, by least squares: -1/2 for Monte Carlo."""
        x, y = self.sizes.double().log(), self.error.log()
        x = x - x.mean()
        return float((x * y).sum() / x.square().sum())


def sample_complexity(
    f: Callable[[Tensor], Tensor],
    draw: Callable[[int], Tensor],
    truth: float,
    sizes: Sequence[int],
    *,
    repeats: int = 100,
    seed: int | None = None,
) -> Complexity:
    """The error of estimating E[f(x)] = truth by the first n of max(sizes) draws, for each n in sizes.

    f: x (m, *shape) -> (m,). draw: n -> (n, *shape). One repeat is in memory at a time. Raises ValueError.
    """
    repeats = check_count("repeats", repeats, 1)
    at = torch.tensor([check_count("sizes", n, 1) for n in sizes])
    if len(at) == 0:
        raise ValueError("sizes: is empty; pass numbers of draws, such as [10, 100, 1000]")
    error = torch.zeros(len(at), dtype=torch.float64)
    variance = 0.0
    with seeded(seed, "sample complexity"):
        for _ in range(repeats):
            values = _values(f, draw(int(at.max())))
            error += (values.cumsum(0)[at - 1].cpu() / at - truth).square() / repeats
            variance += float((values - truth).square().mean()) / repeats
    return Complexity(at, error.sqrt(), (variance / at.double()).sqrt())


def _values(f: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """f(x) in float64, a row for each draw."""
    values = f(x)
    if not isinstance(values, Tensor) or values.shape[:1] != x.shape[:1]:
        shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
        raise ValueError(f"f: gave {shape} for {len(x)} draws; it must give a tensor with a row for each draw")
    return values.double()


def _of_moments(n: int, mean: Tensor, squares: Tensor) -> Estimate:
    variance = squares / (n - 1) if n > 1 else torch.full_like(mean, math.nan)
    return Estimate(mean, (variance / n).sqrt(), n)

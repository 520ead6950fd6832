"""Drawing by the inverse of the cumulative distribution function: one uniform number becomes one draw.

    F(x) = P(X <= x),   u ~ Uniform(0, 1)   =>   F^-1(u) = min {x : F(x) >= u}  ~  F

F^-1 is found in a table (`discrete`), in closed form (`from_quantile`), between the points of a grid where the density is
known (`tabulated`), or by halving an interval around it (`from_cdf`). von Neumann & Ulam 1947; Devroye 1986, chapters 2-3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.arguments import check_weights, seeded
from genus.spaces.points import numbers

HALVINGS = 200  # of an interval: to the last bit of draws above 1e-44, and 1e-60 of the interval below


def discrete(probabilities: Any, n: int, *, seed: int | None = None) -> Tensor:
    """n draws of 0 .. V-1 with the given probabilities: (n,) int64 for (V,), (*batch, n) for (*batch, V).

    The probabilities need not sum to one; a value of probability zero is never drawn. O(V + n log V): for many draws
    from a large table see `AliasTable`. Raises ValueError for negative, infinite or all zero probabilities.
    """
    n = check_count("n", n)
    cumulative = check_weights("probabilities", probabilities).cumsum(-1)
    total = cumulative[..., -1:]
    with seeded(seed, "inverse cdf"):
        u = torch.rand(*cumulative.shape[:-1], n, dtype=cumulative.dtype, device=cumulative.device)
    # u * total may be rounded up to the total, which lies beyond the last value
    u = torch.minimum(u.mul_(total), torch.nextafter(total, torch.zeros_like(total)))
    return torch.searchsorted(cumulative, u, right=True)


def from_quantile(quantile: Callable[[Tensor], Tensor], n: int, *, seed: int | None = None) -> Tensor:
    """n draws (n,) float64 of the distribution with this quantile function F^-1: (0, 1) -> reals."""
    n = check_count("n", n)
    with seeded(seed, "inverse cdf"):
        u = torch.rand(n, dtype=torch.float64)
    return quantile(u.clamp_(min=2.0**-54))  # zero, where many a quantile is infinite, is drawn once in 2^53


def tabulated(density: Any, grid: Any, n: int, *, seed: int | None = None) -> Tensor:
    """n draws (n,) float64 of the density known at the points of a grid, and linear between them.

    density (G,): need not integrate to one. grid (G,): increasing, G at least 2. The draw is exact for this piecewise
    linear density: within a cell F is a parabola, and its inverse the root of a quadratic. Raises ValueError.
    """
    n = check_count("n", n)
    (grid,), density = numbers(grid=grid), check_weights("density", density)
    grid = grid.double()
    if grid.dim() != 1 or grid.shape != density.shape or len(grid) < 2:
        raise ValueError(
            f"density and grid: have shapes {tuple(density.shape)} and {tuple(grid.shape)}; pass (G,) each, G at least 2"
        )
    width = grid.diff()
    if not (width > 0).all() or not grid.isfinite().all():
        raise ValueError("grid: must be finite and increasing; sort it, and drop what stands in it twice")
    left, rise = density[:-1], density.diff()
    mass = (density[:-1] + density[1:]) / 2 * width  # (G - 1,) of a cell
    with seeded(seed, "inverse cdf"):
        cell = discrete(mass, n)
        part = torch.rand(n, dtype=torch.float64, device=mass.device) * mass[cell]
    left, slope = left[cell], rise[cell] / width[cell]
    # left s + slope s^2 / 2 = part, its root written so that nothing cancels where the slope is small or negative
    root = (left.square() + 2 * slope * part).clamp_(min=0).sqrt_()
    inside = torch.minimum(2 * part / (left + root).clamp_(min=torch.finfo(torch.float64).tiny), width[cell])
    return grid[cell] + inside


def from_cdf(cdf: Callable[[Tensor], Tensor], n: int, *, low: float = -1.0, high: float = 1.0, seed: int | None = None) -> Tensor:
    """n draws (n,) float64 of the distribution with this cumulative distribution function, found by bisection.

    cdf: elementwise, never falling, float64. low, high: where the search begins; it is widened, doubling, until it holds
    the draw, so it costs a few more evaluations where it is wrong. All n are halved together to the last bit, in about
    sixty evaluations. Raises ValueError where cdf does not go from 0 to 1.
    """
    n = check_count("n", n)
    if not -math.inf < low < high < math.inf:
        raise ValueError(
            f"low={low!r} and high={high!r}: low must be below high, both finite; the search goes beyond them where it must"
        )
    with seeded(seed, "inverse cdf"):
        u = torch.rand(n, dtype=torch.float64)
    u.clamp_(min=2.0**-54)
    below, above = torch.full_like(u, low), torch.full_like(u, high)  # F(below) < u <= F(above), once they are wide enough
    for side, other, is_inside in ((below, above, lambda x: cdf(x) < u), (above, below, lambda x: cdf(x) >= u)):
        reach = side - other
        while not (inside := torch.as_tensor(is_inside(side))).all():
            reach *= 2
            side += torch.where(inside, 0, reach)
            if side.isinf().any():
                raise ValueError("cdf: does not go from 0 at -infinity to 1 at infinity; check its formula")
    for _ in range(HALVINGS):
        middle = below + (above - below) / 2
        if ((middle == below) | (middle == above)).all():
            break
        falls_short = cdf(middle) < u
        below, above = torch.where(falls_short, middle, below), torch.where(falls_short, above, middle)
    return above

"""Distances of samples by kernels: the maximum mean discrepancy, and the energy distance, which is one.

    MMD^2(p, q) = E k(x, x') - 2 E k(x, y) + E k(y, y')        x, x' ~ p and y, y' ~ q, all independent

With a kernel rich enough it is zero only where p = q. The kernel -|x - y| makes it the energy distance (Szekely & Rizzo
2013; Sejdinovic et al. 2013). Gretton et al. 2012, JMLR 13.

Kernels take points (n, d) and (m, d) to (n, m), and are asked for a tile at a time: memory does not grow with n m.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genus.fields import check_count
from genus.randomness import check_seed, randomness
from genus.spaces.points import distances, points

Kernel = Callable[[Tensor, Tensor], Tensor]
TILE = 1 << 21  # values of a kernel at a time
SCALES = (0.25, 0.5, 1.0, 2.0, 4.0)


# ------------------------------------------------------------------------------------------------------------- kernels


def gaussian_kernel(bandwidth: float, scales: tuple[float, ...] = (1.0,)) -> Kernel:
    """exp(-|x - y|^2 / (2 h^2)); with several scales their mean, h at each: it sees differences coarse and fine."""
    if not 0 < bandwidth < math.inf:
        raise ValueError(f"bandwidth={bandwidth!r} must be a finite number above 0")

    def kernel(x: Tensor, y: Tensor) -> Tensor:
        squared = _distances(x, y, bandwidth * min(scales)).square()  # clamped: exp of very negative numbers is slow, and denormal
        return torch.stack([(-squared / (2 * (bandwidth * s) ** 2)).clamp_min(-80).exp() for s in scales]).mean(0)

    return kernel


def polynomial_kernel(degree: int = 3, offset: float = 1.0) -> Kernel:
    """(x'y / d + offset)^degree: its unbiased MMD^2 on Inception features is the KID of Binkowski et al. 2018."""
    return lambda x, y: (x @ y.T / x.shape[1] + offset) ** degree


def distance_kernel(x: Tensor, y: Tensor) -> Tensor:
    """-|x - y|, the kernel of the energy distance."""
    return -distances(x, y)


def median_distance(x: Any, y: Any, rows: int = 2000) -> float:
    """The median distance between points of the first `rows` of x and of y: a bandwidth that fits most data."""
    x, y = points(x, y)
    roughly = float(distances(x[:100], y[:100]).median())
    return float(_distances(x[:rows], y[:rows], roughly).median()) or 1.0


def _distances(x: Tensor, y: Tensor, unit: float) -> Tensor:
    """|x - y| of all pairs, (n, m), where `unit` is a distance that matters.

    |x|^2 - 2 x'y + |y|^2, a matrix product, is some ten times faster in many dimensions, but loses distances that are short
    beside the points themselves: it is taken about the middle, where none is further than 30 units from it.
    """
    middle = y.mean(0).detach()
    at_x, at_y = x - middle, y - middle
    if max(float(z.norm(dim=1).max()) for z in (at_x.detach(), at_y.detach())) < 30 * unit:
        return torch.cdist(at_x, at_y)
    return distances(x, y)


# ----------------------------------------------------------------------------------------------------------- distances


def mmd(x: Any, y: Any, kernel: Kernel | None = None, *, unbiased: bool = True) -> Tensor:
    """MMD^2 of points x (n, d) and y (m, d); unless given, with a Gaussian kernel of the median distance.

    unbiased: leave each point's kernel with itself out, so that the value is right on average, and below zero by chance
    where p = q. Differentiable. Raises ValueError for other shapes, or fewer than 2 points of a side where unbiased.
    """
    x, y = points(x, y, least=2 if unbiased else 1)
    pooled = torch.cat([x, y])
    here = (torch.arange(len(pooled), device=pooled.device) < len(x)).to(pooled)[:, None]
    return _mmd(pooled, here, kernel or gaussian_kernel(median_distance(x, y)), unbiased)[0]


def energy_distance(x: Any, y: Any) -> Tensor:
    """2 E|x - y| - E|x - x'| - E|y - y'| of the two empirical distributions, at least 0 (scipy gives its root in 1-d)."""
    return mmd(x, y, distance_kernel, unbiased=False)


@dataclass(frozen=True)
class PermutationTest:
    """A statistic of two samples, and how often relabelled points reach it: small where p and q differ."""

    statistic: float
    p_value: float


def permutation_test(x: Any, y: Any, kernel: Kernel | None = None, *, permutations: int = 499, seed: int = 0) -> PermutationTest:
    """Whether x (n, d) and y (m, d) come from one distribution, by their unbiased MMD^2 or, given `distance_kernel`, energy.

    The p-value (1 + reached) / (1 + permutations) is exact at any sample size (Phipson & Smyth 2010): under equality it
    is below any level at most that often. Every tile of the kernel serves all permutations. Unless given, the kernel is a
    Gaussian of the median distance between points of both samples together. Raises as `mmd` does.
    """
    permutations = check_count("permutations", permutations, 1)
    x, y = points(x, y, least=2)
    pooled = torch.cat([x, y])
    with torch.no_grad(), randomness(check_seed(seed), "permutations"):
        places = torch.stack([torch.arange(len(pooled)), *(torch.randperm(len(pooled)) for _ in range(permutations))], 1)
        mixed = pooled[torch.randperm(len(pooled))]  # a bandwidth that knew which points are x would make the test inexact
        kernel = kernel or gaussian_kernel(median_distance(mixed, mixed))
        values = _mmd(pooled, (places < len(x)).to(pooled), kernel, unbiased=True)
    reached = int((values[1:] >= values[0] - 1e-9 * values.abs().max()).sum())
    return PermutationTest(float(values[0]), (1 + reached) / (1 + permutations))


def _mmd(pooled: Tensor, here: Tensor, kernel: Kernel, unbiased: bool) -> Tensor:
    """MMD^2 (k,) of the pooled points (N, d) for k ways to label them, here (N, k): 1 for x, 0 for y."""
    total, n = len(pooled), here[:, 0].sum()
    m = total - n
    xx, xy, yy = (here.new_zeros(here.shape[1]) for _ in range(3))
    for rows in torch.arange(total, device=pooled.device).split(max(1, TILE // total)):
        values = kernel(pooled[rows], pooled)
        if unbiased:
            values = values.scatter(1, rows[:, None], 0.0)
        mine, to_x = here[rows], values @ here
        to_y = values.sum(1, keepdim=True) - to_x
        xx, xy, yy = xx + (mine * to_x).sum(0), xy + (mine * to_y).sum(0), yy + ((1 - mine) * to_y).sum(0)
    alone = int(unbiased)
    return xx / (n * (n - alone)) - 2 * xy / (n * m) + yy / (m * (m - alone))

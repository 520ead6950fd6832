"""Distances between two sets of points as samples of distributions."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from genus.randomness import generator

PROJECTIONS = 128


def wasserstein_1d(a: Tensor, b: Tensor) -> Tensor:
    """W_1 of one-dimensional samples a (n, ...) and b (m, ...), along the first axis: the mean distance of quantiles.

    W_1 = int |F^-1(t) - G^-1(t)| dt, exactly, of two step functions that change at i/n and j/m.
    """
    n, m = len(a), len(b)
    a, b = a.sort(0).values, b.sort(0).values
    steps = torch.cat([torch.arange(n + 1) / n, torch.arange(m + 1) / m]).double().unique()
    middle, length = (steps[1:] + steps[:-1]) / 2, steps.diff()
    gap = (a[(middle * n).long().clamp_max(n - 1)] - b[(middle * m).long().clamp_max(m - 1)]).abs()
    return (gap * length.reshape(-1, *[1] * (a.dim() - 1))).sum(0)


def sliced_wasserstein(real: np.ndarray, generated: np.ndarray, *, projections: int = PROJECTIONS, seed: int = 0) -> float:
    """Mean W_1 of the sets seen along random directions. Rabin et al. 2011; Bonneel et al. 2015."""
    a, b = torch.as_tensor(real).double(), torch.as_tensor(generated).double()
    directions = torch.randn(a.shape[1], projections, generator=generator(seed, "directions"), dtype=torch.float64)
    directions = directions / directions.norm(dim=0)
    return float(wasserstein_1d(a @ directions, b @ directions).mean())


def kernel_mmd(real: np.ndarray, generated: np.ndarray, bandwidth: float | None = None) -> float:
    """Unbiased squared maximum mean discrepancy with the kernel exp(-|x - y|^2 / (2 h^2)).

    MMD^2 = E k(x, x') - 2 E k(x, y) + E k(y, y'): zero for equal distributions, and, unbiased, below zero by chance.
    h: the median distance between the points, unless given. Gretton et al. 2012, JMLR 13.
    """
    a, b = torch.as_tensor(real).double(), torch.as_tensor(generated).double()
    n, m = len(a), len(b)
    if min(n, m) < 2:
        raise ValueError(f"a kernel distance needs at least 2 points of a side, not {min(n, m)}")
    aa, bb, ab = torch.cdist(a, a), torch.cdist(b, b), torch.cdist(a, b)
    if bandwidth is None:
        bandwidth = float(ab.median()) or 1.0
    kernel = lambda d: (-d.square() / (2 * bandwidth**2)).exp()  # noqa: E731
    within = (kernel(aa).sum() - n) / (n * (n - 1)) + (kernel(bb).sum() - m) / (m * (m - 1))
    return float(within - 2 * kernel(ab).mean())


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Squared Frechet distance of the normal distributions fitted to the two sets, on the features as they are.

    |mu - nu|^2 + tr(S + T - 2 (S^1/2 T S^1/2)^1/2). Dowson & Landau 1982; on Inception features it is the FID of Heusel
    et al. 2017, which these features are not.
    """
    a, b = np.asarray(real, float), np.asarray(generated, float)
    s, t = np.atleast_2d(np.cov(a.T)), np.atleast_2d(np.cov(b.T))
    root = _square_root(s)
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ t @ root), 0)).sum()
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * cross)


def _square_root(matrix: np.ndarray) -> np.ndarray:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T

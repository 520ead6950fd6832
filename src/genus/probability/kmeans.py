"""k-means: clusters by their nearest centre, where mixtures start from.

    minimise  sum_n min_k |x_n - c_k|^2

Lloyd 1957 (published 1982); seeds, k-means++: Arthur & Vassilvitskii 2007.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def kmeans(x: Tensor, n_clusters: int, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """centres (K, d) and labels (n,): k-means++ seeds, then Lloyd's iterations. An empty cluster keeps its centre."""
    centres = kmeans_plus_plus(x, n_clusters)
    for _ in range(iterations):
        labels = torch.cdist(centres, x).argmin(0)
        count = torch.bincount(labels, minlength=n_clusters).to(x.dtype)[:, None]
        sums = torch.zeros_like(centres).index_add_(0, labels, x)
        centres = torch.where(count > 0, sums / count.clamp(min=1), centres)
    return centres, torch.cdist(centres, x).argmin(0)


def kmeans_plus_plus(x: Tensor, n_clusters: int) -> Tensor:
    """Seeds (K, d), each drawn with probability proportional to its squared distance from those before; of 2 + log K
    candidates the one that lowers the sum of distances most (Arthur & Vassilvitskii 2007)."""
    n, trials = len(x), 2 + int(math.log(n_clusters))
    seeds = [x[torch.randint(n, (), device=x.device)]]
    nearest = (x - seeds[0]).square().sum(1)  # (n,)
    for _ in range(1, n_clusters):
        levels = nearest.double().cumsum(0)
        picks = torch.searchsorted(levels, torch.rand(trials, dtype=torch.float64, device=x.device) * levels[-1])
        candidates = x[picks.clamp(max=n - 1)]  # (trials, d)
        distances = torch.cdist(candidates, x).square().minimum(nearest)  # (trials, n)
        pick = distances.sum(1).argmin()
        seeds.append(candidates[pick])
        nearest = distances[pick]
    return torch.stack(seeds)

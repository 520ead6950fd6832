"""K products of Bernoulli distributions over zeros and ones: what a mixture of binary images or a Bernoulli naive Bayes is.

    log p_k(x) = sum_j x_j log theta_kj + (1 - x_j) log (1 - theta_kj)

so that the E step is two products of matrices, and the sums that the M step needs are two more: twenty times as fast as
looking each bit up. Two, because in one, x_j (log theta_kj - log (1 - theta_kj)), digits would cancel.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from genus.probability.components.columns import ColumnComponents
from genus.probability.statistics import Statistics
from genus.spaces.arrays import holds_missing

TILE = 2**19  # bits at a time: they stay in the cache
NEVER = -1e30  # stands for log 0 in a product, where minus infinity times zero would be NaN


class BitComponents(ColumnComponents):
    """`ColumnComponents` of a Binary space: probabilities (K, 2 bits), of 0 and of 1 side by side."""

    def log_prob(self, z: Tensor) -> Tensor:
        log_p = self.probabilities.log().clamp(min=NEVER).to(z.dtype)
        zero, one = log_p[:, 0::2].contiguous(), log_p[:, 1::2].contiguous()  # (K, bits)
        found = torch.cat([zero @ zeros.T + one @ ones.T for zeros, ones in _indicators(z, z.dtype)], 1)  # (K, n)
        return found.masked_fill(found < NEVER / 2, -torch.inf)

    def statistics(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        levels, start = self.probabilities.new_zeros(2, self.n_components, z.shape[1]), 0  # of 0 and of 1
        dtype = torch.promote_types(z.dtype, responsibilities.dtype)
        for tiles in _indicators(z, dtype):
            r = responsibilities[:, start : start + len(tiles[0])].to(dtype)
            for level, indicators in zip(levels, tiles, strict=True):
                level += r @ indicators
            start += r.shape[1]
        nothing = torch.zeros_like(self.means)  # (K, 0): no column is a number
        sums = {"levels": levels.permute(1, 2, 0).flatten(1), "seen": nothing, "first": nothing, "second": nothing}
        return {"count": responsibilities.sum(1, dtype=torch.float64)} | sums

    def draw(self, which: Tensor) -> Tensor:
        ones = self.probabilities[:, 1::2][which]  # (n, bits)
        return self._encoded(torch.rand_like(ones) < ones)


def _indicators(z: Tensor, dtype: torch.dtype) -> Iterator[tuple[Tensor, Tensor]]:
    """Tile by tile, where each bit is 0 and where it is 1, as numbers (tile, bits): neither where it is missing."""
    missing = holds_missing(z)
    for tile in z.split(max(1, TILE // max(1, z.shape[1]))):
        x = tile.to(dtype)
        yield ((1 - x).nan_to_num(0.0), x.nan_to_num(0.0)) if missing else (1 - x, x)

"""K categorical distributions over one symbol: p_k(x = v) = theta_kv."""

from __future__ import annotations

import torch
from torch import Tensor

from genus.probability.components.component import Components
from genus.probability.statistics import Statistics
from genus.spaces import Encoded, Tokens
from genus.spaces.arrays import probability_flaw


class CategoricalComponents(Components):
    """K distributions over the symbols of Tokens, its end token among them; a point is one symbol, int64 (n,).

    probabilities (K, symbols), the mode of their posterior under a Dirichlet prior with `smoothing` pseudo-counts a symbol.
    """

    probabilities: Tensor

    def __init__(self, space: Tokens, n_components: int, smoothing: float = 0.0) -> None:
        super().__init__(space, n_components)
        self.smoothing, n = smoothing, space.n_symbols
        self.register_buffer("probabilities", torch.full((n_components, n), 1 / n, dtype=torch.float64))

    def coordinates(self, x: Tensor) -> Tensor:
        return x.reshape(len(x), 1).nan_to_num(-1).long()  # -1 where one is missing

    def initialise(self, z: Tensor) -> None:
        """Start from some points: their frequencies, each multiplied by a draw of Exp(1)."""
        frequencies = torch.bincount(z[:, 0], minlength=self.probabilities.shape[1]) + 1.0
        noise = torch.empty_like(self.probabilities).exponential_()
        self.probabilities = _normalised(frequencies * noise)

    def log_prob(self, z: Tensor) -> Tensor:
        table = torch.cat([self.probabilities.log(), self.probabilities.new_zeros(self.n_components, 1)], 1)
        return table[:, z[:, 0]]  # what is missing, -1, looks up the last, 0

    def statistics(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        sums = self.probabilities.new_zeros(self.probabilities.shape[1], self.n_components)
        return {"symbols": sums.index_add_(0, z[:, 0], responsibilities.T.to(sums)).T.contiguous()}

    def maximise(self, statistics: Statistics) -> None:
        counts = statistics["symbols"] + self.smoothing
        alive = counts.sum(1, keepdim=True) > 0
        self.probabilities = torch.where(alive, _normalised(counts), self.probabilities)

    def log_prior(self) -> Tensor:
        return torch.xlogy(self.smoothing, self.probabilities).sum()

    def draw(self, which: Tensor) -> Encoded:
        return draw_levels(self.probabilities, which)

    def fill(self, x: Tensor, which: Tensor) -> Encoded:
        return torch.where(x.isnan(), self.draw(which), x).long()

    def flaw(self) -> str | None:
        return probability_flaw("probabilities", self.probabilities)

    @property
    def degrees_of_freedom(self) -> int:
        return self.probabilities.shape[0] * (self.probabilities.shape[1] - 1)


def draw_levels(probabilities: Tensor, which: Tensor) -> Tensor:
    """A level of distribution which_n each, (n,), of probabilities (K, levels): by torch's default generator."""
    K, levels = probabilities.shape
    # the levels of distribution k end at k + F_k(v): one sorted line, searched for which + u
    ends = probabilities.cumsum(1) + torch.arange(K, device=which.device)[:, None]
    u = torch.rand(len(which), dtype=ends.dtype, device=which.device)
    return (torch.searchsorted(ends.flatten(), which + u, right=True) - which * levels).clamp_(0, levels - 1)


def _normalised(counts: Tensor) -> Tensor:
    return counts / counts.sum(1, keepdim=True).clamp(min=torch.finfo(counts.dtype).tiny)

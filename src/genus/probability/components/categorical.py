"""K categorical distributions over one symbol: p_k(x = v) = theta_kv."""

from __future__ import annotations

import torch
from torch import Tensor

from genus.probability.components.component import Components, Statistics
from genus.spaces import Encoded, Tokens


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
        return x.reshape(len(x), 1)

    def initialise(self, z: Tensor) -> None:
        """Start from some points: their frequencies, each multiplied by a draw of Exp(1)."""
        frequencies = torch.bincount(z[:, 0], minlength=self.probabilities.shape[1]) + 1.0
        noise = torch.empty_like(self.probabilities).exponential_()
        self.probabilities = _normalised(frequencies * noise)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.probabilities.log()[:, z[:, 0]]

    def statistics(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        sums = self.probabilities.new_zeros(self.probabilities.shape[1], self.n_components)
        return {"symbols": sums.index_add_(0, z[:, 0], responsibilities.T.to(sums)).T.contiguous()}

    def maximise(self, statistics: Statistics) -> None:
        counts = statistics["symbols"] + self.smoothing
        alive = counts.sum(1, keepdim=True) > 0
        self.probabilities = torch.where(alive, _normalised(counts), self.probabilities)

    def draw(self, which: Tensor) -> Encoded:
        return torch.multinomial(self.probabilities[which], 1)[:, 0]

    def fill(self, x: Tensor, which: Tensor) -> Encoded:
        return x  # a symbol is never missing

    def flaw(self) -> str | None:
        p = self.probabilities
        if not bool((p >= 0).all() and ((p.sum(1) - 1).abs() < 1e-6).all()):
            return "probabilities must not be negative, and must sum to one"
        return None

    @property
    def degrees_of_freedom(self) -> int:
        return self.probabilities.shape[0] * (self.probabilities.shape[1] - 1)


def _normalised(counts: Tensor) -> Tensor:
    return counts / counts.sum(1, keepdim=True).clamp(min=torch.finfo(counts.dtype).tiny)

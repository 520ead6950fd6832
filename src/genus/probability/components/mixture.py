"""K mixtures over one point: p_k(x) = sum_m w_km p_km(x), of K M components of any kind."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from genus.probability.components.component import Components, posterior
from genus.probability.statistics import Statistics
from genus.spaces import Encoded
from genus.spaces.arrays import probability_flaw


class MixtureComponents(Components):
    """K mixtures of M components each: weights (K, M), and `parts`, K M components, those of k in rows k M .. k M + M - 1.

    `make(n)` gives n components of the kind that is mixed.
    """

    weights: Tensor

    def __init__(self, make: Callable[[int], Components], n_components: int, n_parts: int) -> None:
        parts = make(n_components * n_parts)
        super().__init__(parts.space, n_components)
        self.make, self.parts = make, parts
        self.register_buffer("weights", torch.full((n_components, n_parts), 1 / n_parts, dtype=torch.float64))

    def coordinates(self, x: Tensor) -> Tensor:
        return self.parts.coordinates(x)

    def initialise(self, z: Tensor) -> None:
        """Start from some points: K clusters of them, and M clusters within each."""
        K, M = self.weights.shape
        whole, within = self.make(K).to(z.device), self.make(M).to(z.device)
        whole.initialise(z)
        labels = whole.log_prob(z).argmax(0)
        which = M * labels + torch.randint(M, labels.shape, device=z.device)
        for k in range(K):
            rows = (labels == k).nonzero()[:, 0]
            if len(rows) >= 2 * M:
                within.initialise(z[rows])
                which[rows] = M * k + within.log_prob(z[rows]).argmax(0)
        self.maximise(self._sums(z, one_hot(which, K * M).T.to(torch.float64)))

    def log_prob(self, z: Tensor) -> Tensor:
        return self._joint(z).logsumexp(1)

    def statistics(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        return self._sums(z, (responsibilities[:, None] * posterior(self._joint(z), self.weights.log())).flatten(0, 1))

    def maximise(self, statistics: Statistics) -> None:
        count = statistics["part"].reshape(self.weights.shape)
        total = count.sum(1, keepdim=True)
        self.weights = torch.where(total > 0, count / total.clamp(min=torch.finfo(count.dtype).tiny), self.weights)
        self.parts.maximise({name: sums for name, sums in statistics.items() if name != "part"})

    def log_prior(self) -> Tensor:
        return self.parts.log_prior()

    def draw(self, which: Tensor) -> Encoded:
        part = torch.multinomial(self.weights[which], 1)[:, 0]
        return self.parts.draw(self.weights.shape[1] * which + part)

    def fill(self, x: Tensor, which: Tensor) -> Encoded:
        within = posterior(self._joint(self.coordinates(x)), self.weights.log())  # (K, M, n)
        p = within[which, :, torch.arange(len(x), device=x.device)]  # (n, M)
        return self.parts.fill(x, self.weights.shape[1] * which + torch.multinomial(p, 1)[:, 0])

    def flaw(self) -> str | None:
        return self.parts.flaw() or probability_flaw("weights", self.weights)

    @property
    def degrees_of_freedom(self) -> int:
        return self.parts.degrees_of_freedom + self.weights.shape[0] * (self.weights.shape[1] - 1)

    def _joint(self, z: Tensor) -> Tensor:
        """log w_km p_km(x_n), (K, M, n)."""
        log_p = self.parts.log_prob(z)
        return log_p.unflatten(0, self.weights.shape) + self.weights.to(log_p).log()[..., None]

    def _sums(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        """The statistics of the parts, and what each part explains; responsibilities (K M, n)."""
        return self.parts.statistics(z, responsibilities) | {"part": responsibilities.sum(1, dtype=torch.float64)}

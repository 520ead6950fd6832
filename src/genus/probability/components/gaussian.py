"""K Gaussians over real points: p_k(x) = N(x; mu_k, S_k), with covariances of any kind; missing entries are integrated out."""

from __future__ import annotations

import torch
from torch import Tensor

from genus.probability import gaussians
from genus.probability.components.component import Components
from genus.probability.gaussian_forms import Kind
from genus.probability.statistics import Statistics
from genus.spaces import Encoded, Space
from genus.spaces.arrays import holds_missing

DEAD = 1e-3  # points: a component that explains fewer keeps its parameters


class GaussianComponents(Components):
    """K Gaussians in the standardised coordinates of a space of real numbers; `kind` as in scikit-learn's covariance_type.

    means (K, d); covariances (K, d, d) if full, (d, d) if tied, (K, d) if diag, (K,) if spherical. No variance falls
    below `floor` (a share of the data's own), and few points do not make a narrow component but where `support` is 0
    (`gaussians.maximise`).
    """

    means: Tensor
    covariances: Tensor

    def __init__(self, space: Space, n_components: int, kind: Kind = "full", floor: float = 1e-6, support: float = 1.0) -> None:
        super().__init__(space, n_components)
        self.kind, self.floor, self.support = kind, floor, support
        means, covariances = gaussians.standard(n_components, space.dims, kind)
        self.register_buffer("means", means)
        self.register_buffer("covariances", covariances)

    def coordinates(self, x: Tensor) -> Tensor:
        """z (n, d), standardised; float64 stays float64, else float32."""
        flat = x.reshape(len(x), self.space.dims)
        return self.space.standardise(flat if flat.is_floating_point() else flat.double())[0]

    def initialise(self, z: Tensor) -> None:
        """Start from some points (n, d): k-means++ and short runs of a mixture. Raises ValueError for fewer points than K."""
        if len(z) < self.n_components:
            raise ValueError(f"{self.n_components} components, but the data have {len(z)} points; use fewer components")
        _, self.means, self.covariances = gaussians.initial_parameters(
            z, self.n_components, self.kind, floor=self.floor, support=self.support
        )

    def log_prob(self, z: Tensor) -> Tensor:
        score = gaussians.log_density if torch.is_grad_enabled() else gaussians.quick_log_density
        log_scale = self.space.location_scale[1].to(z).log()  # (d,)
        log_det = (~z.isnan()).to(z) @ log_scale if holds_missing(z) else log_scale.sum()
        return score(z, self.means, self.covariances, self.kind).sub_(log_det)  # in place: fresh memory costs more than the sum

    def statistics(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        return gaussians.weighted_statistics(z, responsibilities, self.means, self.covariances, self.kind)

    def maximise(self, statistics: Statistics) -> None:
        alive = statistics["count"] >= DEAD  # (K,)
        of_each = {name: s if name == "second" and self.kind == "tied" else s[alive] for name, s in statistics.items()}
        _, means, covariances = gaussians.maximise(of_each, self.kind, self.floor, self.support)
        self.means = self.means.index_put((alive,), means)
        self.covariances = covariances if self.kind == "tied" else self.covariances.index_put((alive,), covariances)

    def with_prior(self, statistics: Statistics) -> Statistics:
        return gaussians.with_prior(statistics, self.kind)

    def draw(self, which: Tensor) -> Encoded:
        return self.space.from_standardised(gaussians.draw_from(which, self.means, self.covariances, self.kind))

    def fill(self, x: Tensor, which: Tensor) -> Encoded:
        missing = x.isnan()
        z = self.coordinates(x.double())
        for k, rows in _rows_of(which):
            z[rows] = gaussians.fill(z[rows], *self._one(k))
        return torch.where(missing, self.space.from_standardised(z).to(x.dtype), x)

    def best(self, x: Tensor, log_weights: Tensor, guesses: Tensor) -> Encoded:
        z = gaussians.fill(self.coordinates(x), log_weights, self.means, self.covariances, self.kind, sample=False)
        return torch.where(x.isnan(), self.space.from_standardised(z).to(x.dtype), x)

    def flaw(self) -> str | None:
        return gaussians.flaw(self.covariances, self.kind)

    def _one(self, k: int) -> tuple[Tensor, Tensor, Tensor, Kind]:
        """Component k as a mixture of one: log weights, means, covariances, kind."""
        covariances = self.covariances if self.kind == "tied" else self.covariances[k : k + 1]
        return self.means.new_zeros(1), self.means[k : k + 1], covariances, self.kind

    @property
    def degrees_of_freedom(self) -> int:
        k, d = self.means.shape
        return k * d + {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d, "spherical": k}[self.kind]


def _rows_of(which: Tensor) -> list[tuple[int, Tensor]]:
    """(k, the rows of component k) for every k that occurs."""
    return [(int(k), (which == k).nonzero()[:, 0]) for k in which.unique()]

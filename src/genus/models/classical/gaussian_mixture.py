"""The mixture of Gaussians, learned by expectation-maximisation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from genus.fields import Count, NonNegative
from genus.learning import LearnsByEM
from genus.model import CanSample, Completes, HasDensity
from genus.probability import gaussians
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table


class GaussianMixture(LearnsByEM, CanSample, HasDensity, Completes):
    """Mixture of Gaussians: a point comes from one of K normal distributions, and which one is hidden.

        p(x) = sum_k w_k N(x; mu_k, Sigma_k)

        E   r_nk = w_k N(x_n; mu_k, Sigma_k) / p(x_n)
        M   w_k = mean_n r_nk,   mu_k = sum_n r_nk x_n / sum_n r_nk,   Sigma_k = sum_n r_nk (x_n - mu_k)(x_n - mu_k)' / sum_n r_nk

    Missing values are integrated out exactly (Ghahramani & Jordan 1994), and any columns can be drawn given the others.
    Dempster, Laird & Rubin 1977; starts by k-means++ (Arthur & Vassilvitskii 2007) and short runs (Biernacki et al. 2003).
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Sequence)
    takes_missing: ClassVar[bool] = True

    n_components: Count = 5  # normal distributions K
    covariance_type: Literal["full", "tied", "diag", "spherical"] = "full"  # what the covariances share
    covariance_floor: NonNegative = 1e-6  # least variance of a component, as a share of the data's own
    support: NonNegative = 1.0  # how strongly a component of few points is kept from collapsing; 0 is plain maximum likelihood

    def build(self, space: Space) -> None:
        means, covariances = gaussians.standard(self.n_components, space.dims, self.covariance_type)
        self.register_buffer("weights", torch.full((self.n_components,), 1 / self.n_components, dtype=torch.float64))
        self.register_buffer("means", means)
        self.register_buffer("covariances", covariances)

    def initialise(self, some: Tensor) -> None:
        if len(some) < self.n_components:
            raise ValueError(f"n_components={self.n_components}, but the data have {len(some)} rows; use fewer components")
        self.weights, self.means, self.covariances = gaussians.initial_parameters(
            some, self.n_components, self.covariance_type, floor=self.covariance_floor, support=self.support
        )

    def expect(self, batch: Tensor) -> dict[str, Tensor]:
        return gaussians.expected_statistics(batch, *self._parameters_of())

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        self.weights, self.means, self.covariances = gaussians.maximise(
            statistics, self.covariance_type, self.covariance_floor, self.support
        )

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        log_weights, means, covariances, kind = self._parameters_of()
        return (log_weights[:, None] + gaussians.log_density(z, means, covariances, kind)).logsumexp(0)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        z, _ = gaussians.draw(n, *self._parameters_of())
        return self.fitted_space.from_standardised(z)

    def fill(self, x: Tensor) -> Tensor:
        return self.fill_density(x, lambda z: gaussians.fill(z, *self._parameters_of()))

    def responsibilities(self, data: Any) -> Tensor:
        """p(component | x), (n, n_components)."""
        parts = []
        for x, _ in self.examples(data).batches():
            with self.verb(0, "responsibilities"):
                log_weights, means, covariances, kind = self._parameters_of()
                z = self.coordinates(x, None, self.dtype)
                parts.append((log_weights[:, None] + gaussians.log_density(z, means, covariances, kind)).softmax(0).T)
        return torch.cat(parts)

    def bic(self, data: Any) -> float:
        """Bayesian information criterion, -2 log L + p log n: lower is better (Schwarz 1978)."""
        scores = self.log_likelihood(data)
        return -2 * scores.total + self.degrees_of_freedom * float(torch.tensor(float(len(scores))).log())

    def aic(self, data: Any) -> float:
        """Akaike's information criterion, -2 log L + 2 p: lower is better (Akaike 1974)."""
        return -2 * self.log_likelihood(data).total + 2 * self.degrees_of_freedom

    @property
    def degrees_of_freedom(self) -> int:
        """Free parameters p: weights that sum to one, means, symmetric covariances."""
        k, d = self.n_components, self.fitted_space.dims
        covariances = {"full": k * d * (d + 1) // 2, "tied": d * (d + 1) // 2, "diag": k * d, "spherical": k}
        return (k - 1) + k * d + covariances[self.covariance_type]

    def _parameters_of(self) -> tuple[Tensor, Tensor, Tensor, Any]:
        return self.weights.log(), self.means, self.covariances, self.covariance_type

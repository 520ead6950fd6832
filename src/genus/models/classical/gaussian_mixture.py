"""The mixture of Gaussians, learned by expectation-maximisation."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from torch import Tensor

from genus.fields import Count, Fraction, NonNegative
from genus.learning import MixtureModel
from genus.model import HasDensity
from genus.probability import gaussians
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table


class GaussianMixture(MixtureModel, HasDensity):
    """Mixture of Gaussians: a point comes from one of K normal distributions, and which one is hidden.

        p(x) = sum_k w_k N(x; mu_k, Sigma_k)

        E   r_nk = w_k N(x_n; mu_k, Sigma_k) / p(x_n)
        M   w_k = mean_n r_nk,   mu_k = sum_n r_nk x_n / sum_n r_nk,   Sigma_k = sum_n r_nk (x_n - mu_k)(x_n - mu_k)' / sum_n r_nk

    Missing values are integrated out exactly (Ghahramani & Jordan 1994), and any columns can be drawn given the others.
    With a `concentration` components that are not needed become empty (`genus.learning.mixture`; Corduneanu & Bishop 2001).

    Dempster, Laird & Rubin 1977; starts by k-means++ (Arthur & Vassilvitskii 2007) and short runs (Biernacki et al. 2003).
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Sequence)

    n_components: Count = 5  # normal distributions K
    covariance_type: Literal["full", "tied", "diag", "spherical"] = "full"  # what they share, in standardised columns
    covariance_floor: Fraction = 1e-6  # least variance of a component, as a share of the data's own
    support: NonNegative = 1.0  # how strongly a component of few points is kept from collapsing; 0 is plain maximum likelihood

    def build(self, space: Space) -> None:
        super().build(space)
        means, covariances = gaussians.standard(self.n_components, space.dims, self.covariance_type)
        self.register_buffer("means", means)
        self.register_buffer("covariances", covariances)

    def initialise(self, some: Tensor) -> None:
        self.refuse_few(some)
        self.weights, self.means, self.covariances = gaussians.initial_parameters(
            some, self.n_components, self.covariance_type, floor=self.covariance_floor, support=self.support
        )

    def expect(self, batch: Tensor) -> dict[str, Tensor]:
        return gaussians.expected_statistics(batch, *self._parameters_of())

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        plain = self.concentration is None
        weights, self.means, self.covariances = gaussians.maximise(
            statistics if plain else gaussians.with_prior(statistics, self.covariance_type),
            self.covariance_type, self.covariance_floor, self.support,
        )  # fmt: skip
        self.weights = weights if plain else self.weights_of(statistics["count"])  # plain ones bring dead components back

    def conclude(self, some: Tensor) -> None:
        if self.covariance_type in ("full", "tied"):
            gaussians.warn_of_few(len(some), some.shape[1], "covariance_type='diag', MixtureOfPPCA or FactorAnalysis")

    def joint(self, z: Tensor) -> Tensor:
        log_weights, means, covariances, kind = self._parameters_of()
        return log_weights[:, None] + gaussians.log_density(z, means, covariances, kind)

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        return self.joint(z).logsumexp(0)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        z, _ = gaussians.draw(n, *self._parameters_of())
        return self.fitted_space.from_standardised(z)

    def fill(self, x: Tensor) -> Tensor:
        return self.fill_density(x, lambda z: gaussians.fill(z, *self._parameters_of()))

    def best(self, x: Tensor) -> Tensor:
        return self.best_density(x, lambda z: gaussians.fill(z, *self._parameters_of(), sample=False))

    @property
    def component_freedom(self) -> int:
        """Free parameters of one component: a mean, and a symmetric covariance that is its own."""
        d = self.fitted_space.dims
        return d + {"full": d * (d + 1) // 2, "tied": 0, "diag": d, "spherical": 1}[self.covariance_type]

    @property
    def degrees_of_freedom(self) -> int:
        """Free parameters: means, covariances, weights that sum to one."""
        d = self.fitted_space.dims
        return super().degrees_of_freedom + (d * (d + 1) // 2 if self.covariance_type == "tied" else 0)

    def flaw(self) -> str | None:
        return super().flaw() or gaussians.flaw(self.covariances, self.covariance_type)

    def _parameters_of(self) -> tuple[Tensor, Tensor, Tensor, Any]:
        return self.weights.log(), self.means, self.covariances, self.covariance_type

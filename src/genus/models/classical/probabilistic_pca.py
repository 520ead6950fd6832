"""Principal component analysis as a model: the few directions in which data vary most, and equal noise in all others."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from genus.fields import Count
from genus.models.classical.factor_analysis import FactorAnalysis
from genus.probability import factors
from genus.spaces import Space


class ProbabilisticPCA(FactorAnalysis):
    """Probabilistic PCA: factor analysis whose noise is the same in every column, so that the factors are principal components.

        x = mu + W z + e,   z ~ N(0, I),   e ~ N(0, sigma^2 I)

        S = U diag(lambda) U',   W = U_q (Lambda_q - sigma^2 I)^1/2,   sigma^2 = mean of the discarded eigenvalues

    The maximum of the likelihood, in one pass over the data; where values are missing, EM over the same formula. Works in the
    data's own units: a column in millimetres counts a thousand times as much as one in metres, as in any PCA. `encode` gives
    E[z | x], the projection on the components, scaled to unit variance and shrunk by what may be noise.

    Pearson 1901; Hotelling 1933; Tipping & Bishop 1999; with missing values: Ilin & Raiko 2010.
    """

    way: ClassVar[str] = "in closed form, or by EM where values are missing (as long as max_iter and tol say)"

    n_components: Count = 2  # directions kept; with all but one of the columns it is the Gaussian

    def build(self, space: Space) -> None:
        super().build(space)
        self.register_buffer("directions", torch.zeros(space.dims, self.n_components, dtype=torch.float64))
        self.register_buffer("spectrum", torch.ones(space.dims, dtype=torch.float64))  # `variances`, in the unit squared
        self.register_buffer("count", torch.ones((), dtype=torch.float64))

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        super().maximise(statistics)
        self.count = statistics["count"]

    solve = maximise

    def explain(self, covariance: Tensor, starts: Tensor) -> None:
        scale = self._scale / self._unit
        loadings, noise, self.directions, self.spectrum = factors.principal(covariance * scale[:, None] * scale, self.n_components)
        self.loadings, self.noise = loadings / scale[:, None], noise / scale.square()

    def flaw(self) -> str | None:
        sound = bool((self.spectrum >= 0).all()) and float(self.count) > 0
        return super().flaw() or (None if sound else "spectrum must be at least 0, and count above 0")

    @property
    def components(self) -> Tensor:
        """The principal directions (n_components, dims): orthonormal, in the data's units, largest variance first."""
        return self.directions.T

    @property
    def variances(self) -> Tensor:
        """Along each direction, those not kept too (dims,): the eigenvalues of the data's covariance, in its units squared."""
        return self.spectrum * self._unit.square()

    @property
    def explained_variance_ratio(self) -> Tensor:
        """Share of the data's variance along each component, (n_components,)."""
        return (self.spectrum / self.spectrum.sum())[: self.n_components]

    @property
    def singular_values(self) -> Tensor:
        """Of the centred data matrix, (n_components,)."""
        return (self.spectrum * self.count).sqrt()[: self.n_components] * self._unit

    @property
    def noise_variance(self) -> Tensor:
        """sigma^2, in the data's units squared."""
        return super().noise_variance.mean()

    @property
    def _unit(self) -> Tensor:
        """Of length: the deviation of the widest column, in the data's units, whose own squares may be out of range."""
        return self._scale.max()

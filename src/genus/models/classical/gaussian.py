"""The multivariate normal distribution."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from genus.learning import LearnsInClosedForm
from genus.model import CanSample, HasDensity, Imputes
from genus.probability import gaussians
from genus.probability.gaussian_forms import Kind
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table


class Gaussian(LearnsInClosedForm, CanSample, HasDensity, Imputes):
    """Multivariate normal: one mean and one covariance, the baseline of every density.

        log p(x) = -1/2 (x - mu)' Sigma^-1 (x - mu) - 1/2 log det(2 pi Sigma),   mu = mean,  Sigma = U S^2 U' / n

    where U S V' is the singular value decomposition of the n centred points, as columns: S is squared, and divided by n.

    The maximum of the likelihood, in closed form: Gauss 1809; Anderson 1957.
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Sequence)

    def build(self, space: Space) -> None:
        d = space.dims
        self.register_buffer("mean", torch.zeros(d, dtype=torch.float64))
        # not torch.eye: on the meta device it wakes the compiler, which takes a second
        self.register_buffer("covariance", torch.zeros(d, d, dtype=torch.float64).fill_diagonal_(1))

    def statistics(self, batch: Tensor) -> dict[str, Tensor]:
        sure = batch.new_ones(1, len(batch))
        return gaussians.weighted_statistics(batch, sure, self.mean[None], self.covariance[None], "full")

    def solve(self, statistics: dict[str, Tensor]) -> None:
        _, means, covariances = gaussians.maximise(statistics, "full", support=0)
        self.mean, self.covariance = means[0], covariances[0]
        instead = "GaussianMixture with covariance_type='diag', ProbabilisticPCA or FactorAnalysis"
        gaussians.warn_of_few(float(statistics["count"]), means.shape[1], instead)

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        return gaussians.log_density(z, self.mean[None], self.covariance[None], "full")[0]

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        z, _ = gaussians.draw(n, *self._mixture)
        return self.fitted_space.from_standardised(z)

    def fill(self, x: Tensor) -> Tensor:
        return self.fill_density(x, lambda z: gaussians.fill(z, *self._mixture))

    def best(self, x: Tensor) -> Tensor:
        return self.best_density(x, lambda z: gaussians.fill(z, *self._mixture, sample=False))

    def flaw(self) -> str | None:
        return super().flaw() or gaussians.flaw(self.covariance[None], "full")

    @property
    def _mixture(self) -> tuple[Tensor, Tensor, Tensor, Kind]:
        """As a mixture of one: log weights, means, covariances, kind."""
        return self.mean.new_zeros(1), self.mean[None], self.covariance[None], "full"

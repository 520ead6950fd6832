"""Factor analysis: a few hidden factors explain what the columns share; each column keeps a noise of its own."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from genus.data import Examples, missing_values
from genus.fields import Count
from genus.learning import LearnsByEM, LearnsInClosedForm, Settings
from genus.model import CanSample, HasDensity, HasLatent, Imputes
from genus.probability import factors
from genus.probability.factors import Factors
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table


class FactorAnalysis(LearnsInClosedForm, LearnsByEM, CanSample, HasDensity, HasLatent, Imputes):
    """Factor analysis: a few hidden factors explain what the columns share, and each column adds noise of its own.

        x = mu + W z + e,   z ~ N(0, I),   e ~ N(0, diag(psi)):        p(x) = N(x; mu, W W' + diag(psi))

    Data without missing values are read once, for their covariance S, and the likelihood is climbed in psi alone. Missing
    values are integrated out by EM: the expected S given what is seen and the present parameters, then the same climb.
    `encode` gives E[z | x]. The likelihood does not depend on the units of the columns; W is known up to a rotation.

    Spearman 1904; Joreskog 1967; missing values and EM: Rubin & Thayer 1982.
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Sequence)
    way: ClassVar[str] = "from a covariance, or by EM where values are missing (as long as max_iter and tol say)"
    takes_missing: ClassVar[bool] = True

    n_components: Count = 2  # hidden factors z

    mean: Tensor
    loadings: Tensor
    noise: Tensor

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is None and self.n_components > space.dims:
            return f"n_components={self.n_components}, but a point has {space.dims} columns; use at most as many components"
        return reason

    def build(self, space: Space) -> None:
        self.latent_dim = self.n_components  # HasLatent's name for it
        for name, value in factors.standard(space.dims, self.n_components)._asdict().items():
            self.register_buffer(name, value)

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        way = LearnsByEM if missing_values(train) else LearnsInClosedForm
        way.learn(self, train, valid, settings)

    def statistics(self, batch: Tensor) -> dict[str, Tensor]:
        count, first, second = factors.moments(batch, batch.new_ones(len(batch)), self._factors)
        return {"count": count, "first": first, "second": second}

    def expect(self, batch: Tensor) -> dict[str, Tensor]:
        log_density = factors.posterior(batch.double(), self._factors).log_density
        return self.statistics(batch) | {"log_likelihood": log_density.sum()}

    def initialise(self, some: Tensor) -> None:
        drawn = torch.randn(some.shape, dtype=some.dtype, device=some.device)  # z is standardised: each column's own spread
        self.solve(self.statistics(torch.where(some.isnan(), drawn, some)))

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        self.explain(self.centre(statistics), self.noise[None])

    def solve(self, statistics: dict[str, Tensor]) -> None:
        covariance = self.centre(statistics)
        self.explain(covariance, factors.starts(covariance))

    def centre(self, statistics: dict[str, Tensor]) -> Tensor:
        """Set the mean; the covariance (d, d) about it."""
        self.mean = statistics["first"] / statistics["count"]
        return statistics["second"] / statistics["count"] - self.mean[:, None] * self.mean

    def explain(self, covariance: Tensor, starts: Tensor) -> None:
        """Set loadings and noise to what makes a covariance (d, d) of z most likely, searched from noises (k, d)."""
        self.loadings, self.noise = factors.unequal(covariance, self.n_components, starts)

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        return factors.posterior(z, self._factors).log_density

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        return self.fitted_space.from_standardised(factors.draw(n, self._factors))

    def fill(self, x: Tensor) -> Tensor:
        return self.fill_density(x, lambda z: factors.fill(z, self._factors))

    def best(self, x: Tensor) -> Tensor:
        return self.best_density(x, lambda z: factors.fill(z, self._factors, sample=False))

    def code_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        space = self.fitted_space
        z, _ = space.standardise(space.middles(x, self.dtype))
        return factors.posterior(z, self._factors).code.float()

    def point_of(self, z: Tensor, g: Tensor | None) -> Encoded:
        return self.fitted_space.from_standardised(self.mean + z.to(self.dtype) @ self.loadings.T)

    def flaw(self) -> str | None:
        return super().flaw() or factors.flaw(self._factors)

    @property
    def components(self) -> Tensor:
        """What a factor moves, (n_components, dims): the loadings W', in the data's units."""
        return (self.loadings * self._scale[:, None]).T

    @property
    def noise_variance(self) -> Tensor:
        """psi (dims,): each column's noise, in the data's units."""
        return self.noise * self._scale.square()

    @property
    def _factors(self) -> Factors:
        return Factors(self.mean, self.loadings, self.noise)

    @property
    def _scale(self) -> Tensor:
        return self.fitted_space.location_scale[1].to(self.noise)

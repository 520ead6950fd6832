"""The mixture of probabilistic principal component analysers: curved data as flat pieces."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from genus.fields import Count
from genus.learning import MixtureModel
from genus.model import HasDensity
from genus.probability import factors, gaussians
from genus.probability.factors import Factors
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table

COVARIANCE_FLOOR = 1e-6  # least variance of a component, as a share of the data's own


class MixtureOfPPCA(MixtureModel, HasDensity):
    """Mixture of probabilistic PCAs: K flat pieces, each with q directions of its own and equal noise in all others.

        p(x) = sum_k w_k N(x; mu_k, W_k W_k' + sigma_k^2 I)

        E   r_nk = w_k N(x_n; k) / p(x_n)
        M   w_k, mu_k, S_k: weighted share, mean, covariance;   W_k, sigma_k: the probabilistic PCA of S_k

    Between a mixture of spherical Gaussians (q = 0) and one of full ones (q = d - 1), with K (d q + d + 2) numbers or so.
    Works in the data's own units, as any PCA. Missing values are integrated out exactly. With a `concentration` pieces that are
    not needed become empty (`genus.learning.mixture`).

    Tipping & Bishop 1999, "Mixtures of probabilistic principal component analyzers".
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Sequence)

    n_components: Count = 5  # flat pieces K
    latent_dim: Count = 2  # directions q of each piece

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is None and self.latent_dim > space.dims:
            return f"latent_dim={self.latent_dim}, but a point has {space.dims} columns; use at most as many directions"
        return reason

    def build(self, space: Space) -> None:
        super().build(space)
        for name, value in factors.standard(space.dims, self.latent_dim)._asdict().items():
            self.register_buffer(name, value.expand(self.n_components, *value.shape).contiguous())

    def initialise(self, some: Tensor) -> None:
        self.refuse_few(some)
        self._set(*gaussians.initial_parameters(some, self.n_components, "full", floor=COVARIANCE_FLOOR, support=self._support))

    def expect(self, batch: Tensor) -> dict[str, Tensor]:
        scores = self.joint(batch.double()).contiguous()
        log_likelihood = gaussians.normalise_(scores).sum()
        sums = [factors.moments(batch, r, piece) for r, piece in zip(scores, self._pieces, strict=True)]
        count, first, second = (torch.stack(moment) for moment in zip(*sums, strict=True))
        return {"log_likelihood": log_likelihood, "count": count, "first": first, "second": second}

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        plain = self.concentration is None
        weights, means, covariances = gaussians.maximise(
            statistics if plain else gaussians.with_prior(statistics, "full"), "full", COVARIANCE_FLOOR, self._support
        )
        self._set(weights if plain else self.weights_of(statistics["count"]), means, covariances)

    def joint(self, z: Tensor) -> Tensor:
        return torch.stack([factors.posterior(z, piece).log_density for piece in self._pieces]) + self.weights.log()[:, None]

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        return self.joint(z).logsumexp(0)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        which = torch.multinomial(self.weights, n, replacement=True)
        return self.fitted_space.from_standardised(self._scatter(which, lambda rows, piece: factors.draw(len(rows), piece)))

    def fill(self, x: Tensor) -> Tensor:
        def of_density(z: Tensor) -> Tensor:
            which = torch.multinomial(self.posterior(z).T, 1)[:, 0]
            return self._scatter(which, lambda rows, piece: factors.fill(z[rows], piece))

        return self.fill_density(x, of_density)

    def best(self, x: Tensor) -> Tensor:
        def of_density(z: Tensor) -> Tensor:
            expected = torch.stack([factors.fill(z, piece, sample=False) for piece in self._pieces])  # (K, n, dims)
            return torch.einsum("kn,knd->nd", self.posterior(z), expected)

        return self.best_density(x, of_density)

    @property
    def component_freedom(self) -> int:
        """Free parameters of one piece: a mean, directions up to their rotation, a noise."""
        d = self.fitted_space.dims
        q = min(self.latent_dim, d - 1)  # with all d the least eigenvalue counts as noise
        return d + d * q - q * (q - 1) // 2 + 1

    def flaw(self) -> str | None:
        return super().flaw() or factors.flaw(Factors(self.mean, self.loadings, self.noise))

    @property
    def _pieces(self) -> list[Factors]:
        return [Factors(*piece) for piece in zip(self.mean, self.loadings, self.noise, strict=True)]

    @property
    def _support(self) -> float:
        """A piece of q + 1 rows or fewer is held up by the covariance of all: it takes as many to have q directions."""
        return (self.latent_dim + 1) / self.fitted_space.dims

    def _set(self, weights: Tensor, means: Tensor, covariances: Tensor) -> None:
        """The parameters from the weight, mean and covariance of each piece, in z."""
        scale = self.fitted_space.location_scale[1].to(means)  # of each column, to the data's own units
        scale = scale / scale.max()  # but for a factor: squares of them are in range
        pieces = [factors.principal(S * scale[:, None] * scale, self.latent_dim)[:2] for S in covariances]
        self.weights, self.mean = weights, means
        self.loadings = torch.stack([loadings for loadings, _ in pieces]) / scale[:, None]
        self.noise = torch.stack([noise for _, noise in pieces])[:, None] / scale.square()

    def _scatter(self, which: Tensor, make: Callable[[Tensor, Factors], Tensor]) -> Tensor:
        """Rows (n, dims) made by the piece `which` (n,) of each."""
        out = self.mean.new_empty(len(which), self.mean.shape[1])
        for k, piece in enumerate(self._pieces):
            rows = (which == k).nonzero()[:, 0]
            out[rows] = make(rows, piece)
        return out

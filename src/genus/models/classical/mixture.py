"""The mixture model over tables, bits and tokens (latent classes), learned by expectation-maximisation."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from genus.fields import Count, NonNegative
from genus.learning import MixtureModel
from genus.model import HasLogProb
from genus.probability.components import components_for, too_many
from genus.probability.gaussians import normalise_
from genus.spaces import Binary, Encoded, Reals, Space, Table, Tokens


class Mixture(MixtureModel, HasLogProb):
    """Mixture of products: each point belongs to a hidden class, and within a class its columns are independent.

        p(x) = sum_k w_k prod_j p_k(x_j)

        E   r_nk = w_k p_k(x_n) / p(x_n)
        M   w_k = mean_n r_nk,   p_k from the sums over n of r_nk T(x_n)

    A Gaussian for each real number, a Gaussian seen through cells for each whole one (so that it has a probability),
    frequencies for each category, bit or token. Exact with missing cells, which are integrated out, and given any others.
    `impute` guesses a number of a table by regression on p(class | the other cells).
    With a `concentration` classes that are not needed become empty (`genus.learning.mixture`).

    Latent classes: Lazarsfeld & Henry 1968; by EM: Dempster, Laird & Rubin 1977; mixed columns: Hunt & Jorgensen 1999.
    """

    spaces: ClassVar = (Reals, Table, Binary, Tokens)

    n_components: Count = 10  # hidden classes K
    smoothing: NonNegative = 1.0  # points' worth of prior in each column of each class; 0 is maximum likelihood

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        if space.ragged:
            return "its points must have one length; pass tokens of one length, or use a model of sequences"
        return too_many(space, self.n_components) or space.complaint()

    def build(self, space: Space) -> None:
        super().build(space)
        self.components = components_for(space, self.n_components, smoothing=self.smoothing)
        self.register_buffer("guesses", torch.zeros(self.n_components, self.components.n_guesses, dtype=torch.float64))

    def coordinates(self, x: Tensor, g: Tensor | None, dtype: torch.dtype) -> Tensor:
        z = self.components.coordinates(x)
        return z.to(torch.promote_types(z.dtype, dtype))

    def initialise(self, some: Tensor) -> None:
        self.refuse_few(some)
        self.weights = torch.full_like(self.weights, 1 / self.n_components)
        self.components.initialise(some)

    def joint(self, z: Tensor) -> Tensor:
        return self.components.log_prob(z) + self.weights.log()[:, None].to(z.dtype)

    def expect(self, batch: Tensor) -> dict[str, Tensor]:
        responsibilities = self.joint(batch)  # (K, n), once normalised
        log_likelihood = normalise_(responsibilities).sum(dtype=torch.float64)
        return {"log_likelihood": log_likelihood} | self.components.statistics(batch, responsibilities)

    def maximise(self, statistics: dict[str, Tensor]) -> None:
        self.weights = self.weights_of(statistics["count"])
        sums = {name: value for name, value in statistics.items() if name != "log_likelihood"}
        self.components.maximise(sums if self.concentration is None else self.components.with_prior(sums))

    def conclude(self, some: Tensor) -> None:
        self.guesses = self.components.guesses(some, self.weights.log())

    def log_prior(self) -> float:
        return float(self.components.log_prior())

    def log_prob_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        return self.joint(self.coordinates(x, None, torch.float64)).logsumexp(0)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        return self.components.draw(torch.multinomial(self.weights, n, replacement=True))

    def fill(self, x: Tensor) -> Encoded:
        posterior = self.posterior(self.coordinates(x, None, torch.float64))
        return self.components.fill(x, torch.multinomial(posterior.T, 1)[:, 0])

    def best(self, x: Tensor) -> Tensor:
        return self.components.best(x, self.weights.log(), self.guesses)  # type: ignore[return-value]

    @property
    def component_freedom(self) -> int:
        """Free parameters of one component."""
        return self.components.degrees_of_freedom // self.n_components

    def flaw(self) -> str | None:
        return super().flaw() or self.components.flaw()

"""Learning a mixture, p(x) = sum_k w_k p_k(x): what every mixture does with its weights.

How many components do the data need? Maximum likelihood uses all it is given. Under a Dirichlet prior with a small
`concentration` c, and a posterior over each component's own p numbers, what explains few points pays for them:

    log w_k = E[log w_k] + O_k,    E[log w_k] = psi(c + n_k) - psi(K c + n),    O_k = - p / (2 (n_k + 1))

O_k is Occam's factor: the leading term of E[log p_k(x)] - log p_k(x) in n_k, the points of the component, for any
exponential family. Of components that share one cluster the larger gains at the cost of the others, until these are empty.

Variational Bayes of mixtures: Corduneanu & Bishop 2001; sparse Dirichlet: Blei & Jordan 2006; with p / 2 points taken from
every component, and for the same reason, Figueiredo & Jain 2002.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.fields import Count, NonNegative
from genus.learning.em import LearnsByEM
from genus.learning.history import History, Progress
from genus.learning.passes import Passes
from genus.model import CanSample, CountsParameters, Imputes
from genus.probability.components.component import posterior
from genus.spaces import Space
from genus.spaces.arrays import probability_flaw

EMPTY = 1.0  # points: a component that ends with fewer gets the weight 0


class MixtureModel(LearnsByEM, CanSample, Imputes, CountsParameters):
    """A model writes `joint`, `component_freedom` and `best`, sets its weights by `weights_of`; `build` begins with this one."""

    takes_missing: ClassVar[bool] = True

    n_components: Count
    concentration: NonNegative | None = None  # prior on the weights: small (0.001) empties components not needed; None keeps all

    weights: Tensor

    def build(self, space: Space) -> None:
        self.register_buffer("weights", torch.full((self.n_components,), 1 / self.n_components, dtype=torch.float64))

    def joint(self, z: Tensor) -> Tensor:
        """log w_k p_k(z_n), (K, n), of coordinates."""
        raise NotImplementedError

    @property
    def component_freedom(self) -> int:
        """Free parameters p of one component."""
        raise NotImplementedError

    @property
    def degrees_of_freedom(self) -> int:
        """Free parameters of the mixture: those of its components, and weights that sum to one."""
        return self.n_effective * (self.component_freedom + 1) - 1

    @property
    def n_effective(self) -> int:
        """Components that are not empty: all, unless `concentration` emptied some."""
        return int((self.weights > 0).sum())

    # -- learning ------------------------------------------------------------------------------------------------

    def refuse_few(self, some: Tensor) -> None:
        if len(some) < self.n_components:
            raise ValueError(f"n_components={self.n_components}, but the data have {len(some)} rows; use fewer components")

    def weights_of(self, count: Tensor) -> Tensor:
        """The weights of components with these points (K,); with a prior they sum to less than one until learning ends."""
        if self.concentration is None:
            return count / count.sum()
        prior = count + self.concentration
        return (prior.digamma() - prior.sum().digamma() - self.component_freedom / (2 * (count + 1))).exp()

    def _climb(self, passes: Passes, history: History, bar: Progress, start: int) -> tuple[float, bool]:
        """With a prior: until no component's share moves by more than tol. The value is penalised as by BIC."""
        if self.concentration is None:
            return super()._climb(passes, history, bar, start)
        before, settled, count, value = self.weights, False, self.weights, math.nan
        for iteration in range(self.max_iter):
            statistics = passes.sum(self.expect)
            count, points = statistics["count"], float(statistics["count"].sum())
            value = float(statistics["log_likelihood"]) / points
            if value != value:
                return -torch.inf, False
            left = int((count >= EMPTY).sum())
            history.write({"start": start, "iteration": iteration, "log_likelihood": value, "components": left})
            bar.advance(1, {"start": start + 1, "log p": f"{value:.4f}", "components": left})
            settled = bool((count / points - before).abs().max() < self.tol)
            if settled:
                break
            before = count / points
            self.maximise(statistics)
        count = count.where(count >= count.max().clamp(max=EMPTY), 0.0)  # of few points, the largest stays
        self.weights = count / count.sum()
        return value - self.degrees_of_freedom * math.log(points) / (2 * points), settled

    def posterior(self, z: Tensor) -> Tensor:
        """p(k | z_n), (K, n), of coordinates: the weights where no component could have made the point."""
        return posterior(self.joint(z), self.weights.log())

    # -- verbs ---------------------------------------------------------------------------------------------------

    def responsibilities(self, data: Any) -> Tensor:
        """p(component | x), (n, n_components)."""

        def shares(x: Tensor, g: Tensor | None) -> Tensor:
            return self.posterior(self.coordinates(x, None, torch.float64)).T.cpu()

        return torch.cat(self.on_batches(self.examples(data), shares, "responsibilities"))

    def flaw(self) -> str | None:
        return super().flaw() or probability_flaw("weights", self.weights)

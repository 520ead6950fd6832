"""Naive Bayes: given the class, every column goes its own way."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.fields import NonNegative
from genus.learning import LearnsFromLabels
from genus.learning.labelled import Labelled
from genus.model import Completes, HasLogProb
from genus.probability.components import ColumnComponents, components_for, too_many
from genus.probability.statistics import Statistics
from genus.spaces import Binary, Encoded, Reals, Space, Table, Tokens
from genus.spaces.arrays import holds_missing

FLOOR = 1e-12  # least variance, as a share of the data's own: only without var_smoothing is there one as small


class NaiveBayes(LearnsFromLabels, HasLogProb, Completes):
    """Naive Bayes: columns are independent given the class, each a distribution of its own kind.

        p(x, y = c) = pi_c prod_j p(x_j | c)

        real numbers              N(x_j; mu_cj, s_cj^2 + e),   e = var_smoothing times the largest variance of a column
        whole numbers             such a number seen through the cell [x_j, x_j + 1), which gives exact probabilities
        categories, 0 and 1       (n_cjv + a) / (n_c + a V),   a = smoothing, of V values

    One pass in closed form; whole numbers, whose real values are hidden, take some passes of EM and Newton's method. Missing
    values are left out of the product, which integrates them out exactly.

    Warner et al. 1961; Duda & Hart 1973; Domingos & Pazzani 1997 on why it works where columns do depend.
    """

    spaces: ClassVar = (Table, Reals, Binary, Tokens)
    takes_missing: ClassVar[bool] = True

    smoothing: NonNegative = 1.0  # pseudo-counts added to every value of a discrete column, scikit-learn's alpha
    var_smoothing: NonNegative = 1e-9  # share of the largest variance of a column that is added to all variances

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        if space.ragged:
            return f"it takes points of one size, but this is {space!r}; cut them to one length"
        return too_many(space, 1 if self.given_space is None else self.n_classes) or space.complaint()

    def build(self, space: Space) -> None:
        super().build(space)
        self.components = components_for(space, self.n_classes, smoothing=0, floor=FLOOR)

    def hides(self, space: Space, missing: bool) -> bool:  # a missing cell only leaves the sums of its column
        return isinstance(self.components, ColumnComponents) and bool(self.components.whole)

    def coordinates(self, x: Any, g: Tensor | None, dtype: torch.dtype) -> Labelled:
        assert g is not None
        x = x.double() if x.is_floating_point() else x  # in single precision a narrow class loses its variance
        return Labelled(self.components.coordinates(x), g.argmax(1))

    def class_statistics(self, z: Tensor, membership: Tensor) -> Statistics:
        if isinstance(self.components, ColumnComponents):
            return self.components.statistics(z, membership)
        seen = membership.sum(1, keepdim=True).expand(-1, z.shape[1])  # points that are there, of each class and column
        if holds_missing(z):
            seen, z = membership @ (~z.isnan()).to(membership), z.nan_to_num(0.0)
        return self.components.statistics(z, membership) | {"seen": seen}

    def solve(self, statistics: Statistics) -> None:
        # what is added to counts and to variances, as sums over pseudo-points: they add up with those of the data
        seen = statistics["seen"]
        statistics["second"] = statistics["second"] + seen * self.var_smoothing * self._largest_variance()
        if isinstance(self.components, ColumnComponents):
            statistics["levels"] = statistics["levels"] + self.smoothing
            self.components.climb(statistics)
        else:  # of each column as if all points of the class were there; where none is, the data's own mean and variance
            count = statistics["count"][:, None]
            for name, unseen in (("first", 0.0), ("second", 1.0)):
                statistics[name] = count * (statistics[name] / seen).where(seen > 0, unseen)
            self.components.maximise({name: statistics[name] for name in ("count", "first", "second")})

    def class_log_prob(self, x: Any) -> Tensor:
        return self.joint(self.components.coordinates(x).double())

    def joint(self, z: Tensor) -> Tensor:
        return (self.prior.log()[:, None] + self.components.log_prob(z)).T

    def log_prob_of(self, x: Any, g: Tensor | None) -> Tensor:
        return self.over_classes(self.class_log_prob(x), g)

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        return self.components.draw(self.draw_classes(n, g))

    def fill(self, x: Tensor) -> Encoded:
        which = torch.multinomial(self.class_posterior(self.class_log_prob(x)).exp(), 1)[:, 0]
        return self.components.fill(x, which)

    def flaw(self) -> str | None:
        return super().flaw() or self.components.flaw()

    def _largest_variance(self) -> Tensor:
        """The largest variance of a numeric column over that of each, (numeric columns,): one number, in standardised units."""
        space, components = self.fitted_space, self.components
        if not isinstance(space, Table | Reals):
            return self.prior.new_zeros(0)
        scale = space.location_scale[1].to(self.prior)
        scale = scale[components.continuous + components.whole] if isinstance(components, ColumnComponents) else scale
        return (max(scale.tolist(), default=1.0) / scale).square()

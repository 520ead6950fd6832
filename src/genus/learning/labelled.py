"""Learning from labelled points: p(x, y) = p(y) p(x | y), where the class y of every training point is told.

    p(y = c) = n_c / n,    p(x | y = c): from sums over the points of class c

One pass and a formula. Where something else is hidden (cells that are missing, the real value behind a whole number) the
sums are expectations under the present parameters, and passes go on until log p(x, y) stands still: EM (Dempster, Laird &
Rubin 1977) with the classes known. A pass leaves of the error about the share that is hidden: of half, thirty passes leave
a billionth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.data import Examples, missing_values
from genus.fields import Count
from genus.learning.closed_form import LearnsInClosedForm
from genus.learning.learns import Settings
from genus.learning.passes import Passes
from genus.model import Classifies
from genus.probability.statistics import Statistics
from genus.spaces import Space
from genus.warn import warn

SETTLED = 1e-6  # gain of a pass, nats per point
BETWEEN = 10  # passes between two looks at log p(x, y), each of which costs as much as a pass


@dataclass(frozen=True)
class Labelled:
    """Coordinates z (n, D) of points, and the number of the class of each (n,)."""

    z: Tensor
    classes: Tensor

    @property
    def nbytes(self) -> int:
        return self.z.nbytes + self.classes.nbytes


class LearnsFromLabels(LearnsInClosedForm, Classifies):
    """A model writes `class_statistics`, `solve`, `joint` and `hides`; its `build` begins with this one, which makes `prior`."""

    way: ClassVar[str] = "from labelled points, in closed form"

    max_iter: Count = 100  # passes at most, where something of the points is hidden; else there is one

    def build(self, space: Space) -> None:
        self.register_buffer("prior", torch.full((self.n_classes,), 1 / self.n_classes, dtype=torch.float64))

    def hides(self, space: Space, missing: bool) -> bool:
        """Whether one pass does not tell all: something of the points is hidden. `missing`: cells of the data are."""
        return missing

    def class_statistics(self, z: Tensor, membership: Tensor) -> Statistics:
        """Sums over coordinates z (n, D) for each class, given membership (C, n) of zeros and ones; with `count` (C,)."""
        raise NotImplementedError

    def joint(self, z: Tensor) -> Tensor:
        """log p(z, y = c) of coordinates, (n, C)."""
        raise NotImplementedError

    def coordinates(self, x: Any, g: Tensor | None, dtype: torch.dtype) -> Labelled:
        assert g is not None
        return Labelled(super().coordinates(x, g, dtype), g.argmax(1))

    def statistics(self, batch: Labelled) -> Statistics:  # type: ignore[override]
        membership = batch.z.new_zeros(self.n_classes, len(batch.z)).scatter_(0, batch.classes[None], 1)
        return self.class_statistics(batch.z, membership)

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        passes = self.begin(train, settings)
        with torch.no_grad():
            self._step(passes)
            if not self.hides(self.fitted_space, missing_values(train)):
                return
            before = -torch.inf
            for iteration in range(1, self.max_iter):
                self._step(passes)
                if iteration % BETWEEN == 0:
                    value = float(passes.sum(self._log_joint)["log_joint"]) / len(train)
                    if abs(value - before) < SETTLED * BETWEEN:
                        return
                    before = value
        warn(
            f"{type(self).__name__} stopped after max_iter={self.max_iter} before gains fell below {SETTLED:g} nats per point; "
            "raise max_iter for a better fit"
        )

    def _step(self, passes: Passes) -> None:
        statistics = passes.sum(self.statistics)
        self.prior = statistics["count"] / statistics["count"].sum()
        self.solve(statistics)

    def _log_joint(self, batch: Labelled) -> Statistics:
        return {"log_joint": self.joint(batch.z.double()).gather(1, batch.classes[:, None]).sum()}

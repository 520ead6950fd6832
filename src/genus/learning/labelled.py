"""Learning from labelled points: p(x, y) = p(y) p(x | y), where the class y of every training point is told.

    p(y = c) = n_c / n,    p(x | y = c): from sums over the points of class c

One pass and a formula. Where something else is hidden (cells that are missing, the real value behind a whole number) the
sums are expectations under the present parameters, and passes go on until these settle, or MOST_PASSES: EM (Dempster,
Laird & Rubin 1977) with the classes known. A pass leaves of the error about the share that is hidden: of half, thirty
passes leave a billionth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.data import Examples, missing_values
from genus.learning.closed_form import LearnsInClosedForm
from genus.learning.learns import Settings
from genus.learning.passes import Passes
from genus.model import Classifies
from genus.probability.statistics import Statistics
from genus.spaces import Space

SETTLED = 1e-7  # largest change of a parameter in the last pass, relative above 1
MOST_PASSES = 30


@dataclass(frozen=True)
class Labelled:
    """Coordinates z (n, D) of points, and the number of the class of each (n,)."""

    z: Tensor
    classes: Tensor

    @property
    def nbytes(self) -> int:
        return self.z.nbytes + self.classes.nbytes


class LearnsFromLabels(LearnsInClosedForm, Classifies):
    """A model writes `class_statistics`, `solve`, and `hides`; its `build` begins with this one, which makes `prior`."""

    way: ClassVar[str] = "from labelled points, in closed form"

    def build(self, space: Space) -> None:
        self.register_buffer("prior", torch.full((self.n_classes,), 1 / self.n_classes, dtype=torch.float64))

    def hides(self, space: Space, missing: bool) -> bool:
        """Whether one pass does not tell all: something of the points is hidden. `missing`: cells of the data are."""
        return missing

    def class_statistics(self, z: Tensor, membership: Tensor) -> Statistics:
        """Sums over coordinates z (n, D) for each class, given membership (C, n) of zeros and ones; with `count` (C,)."""
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
            for _ in range(MOST_PASSES):
                before = self._numbers()
                self._step(passes)
                if float(((self._numbers() - before).abs() / (1 + before.abs())).max()) < SETTLED:
                    return

    def _step(self, passes: Passes) -> None:
        statistics = passes.sum(self.statistics)
        self.prior = statistics["count"] / statistics["count"].sum()
        self.solve(statistics)

    def _numbers(self) -> Tensor:
        """All of them, flat."""
        return torch.cat([buffer.flatten().double() for buffer in self.buffers()])

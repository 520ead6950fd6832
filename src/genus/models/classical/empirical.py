"""The empirical distribution: the data themselves, each point as likely as any other."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from genus.learning import LearnsByMemory
from genus.model import CanSample
from genus.spaces import Encoded, Ragged, Sequence, Space, Tokens


class Empirical(LearnsByMemory, CanSample):
    """Empirical distribution: draws points of the data again, with replacement, as the bootstrap does.

        p(x) = 1/n sum_i [x = x_i]

    It takes any data and invents nothing, so it is the baseline of everything that samples: it shows what a yardstick makes
    of mere copies of the training data. Missing values are drawn as what they are, missing.

    The bootstrap: Efron 1979.
    """

    takes_missing: ClassVar[bool] = True
    data_sized: ClassVar[tuple[str, ...]] = ("values", "offsets")

    def build(self, space: Space) -> None:
        self.register_buffer("values", torch.zeros(0, *space.shape, dtype=space.encoded_dtype))
        self.register_buffer("offsets", torch.zeros(0, dtype=torch.int64))  # of Ragged points; else none

    def remember(self, kept: Encoded) -> None:
        if isinstance(kept, Ragged):
            self.values, self.offsets = kept.values, kept.offsets.to(kept.values.device)
        else:
            self.values = kept

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        points = self._points()
        return points[torch.randint(len(points), (n,), device=self.device)]

    def flaw(self) -> str | None:
        space, points = self.fitted_space, self.values
        if space.ragged:
            starts = self.offsets
            if len(starts) < 2 or int(starts[0]) != 0 or int(starts[-1]) != len(points) or bool((starts.diff() < 0).any()):
                return "the offsets do not cut the values into sequences"
        elif len(self.offsets) or not len(points):
            return "there are no points, or offsets of points that are not ragged"
        if isinstance(space, Tokens):
            sound = bool(((points >= 0) & (points < space.n_symbols)).all())
        else:
            item = space.item if isinstance(space, Sequence) and space.ragged else space
            sound = _survives(item, points)
        return None if sound else "some points are no points of the space"

    def _points(self) -> Encoded:
        return Ragged(self.values, self.offsets.cpu()) if self.fitted_space.ragged else self.values


def _survives(space: Space, x: Tensor) -> bool:
    """Whether encoded points are what decoding and encoding them again gives."""
    try:
        back = space.encode(space.decode(x))
    except (ValueError, TypeError, IndexError):
        return False
    return isinstance(back, Tensor) and torch.equal(back.nan_to_num(-7.5), x.to(back.dtype).nan_to_num(-7.5))

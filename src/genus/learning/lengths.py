"""Models of sequences whose lengths come from the data: p(x_1 .. x_T | T), and T as often as in training."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.data import Examples
from genus.learning.learns import Learns, Settings
from genus.spaces import Binary, Ragged, Reals, Space, Table

MOST = 10**9  # items of a sequence, and sequences: a stranger's file may ask for more than there is room for


class KeepsLengths(Learns):
    """A model of sequences given their lengths, that draws samples of lengths like those it was trained on.

    A parent beside a way of learning, named before it; `build` calls this one.

    `lengths` (m, 2): each length of a ragged space, and how many training sequences have it; empty where the length is fixed.
    """

    data_sized: ClassVar[tuple[str, ...]] = ("lengths",)

    def refuses(self, space: Space) -> str | None:
        if isinstance(space, Table) or (isinstance(space, Reals | Binary) and len(space.shape) < 2):
            return "it takes sequences, and this is one: pass [data], a list of sequences (of a file: series=True, --series)"
        return super().refuses(space)

    def build(self, space: Space) -> None:
        self.register_buffer("lengths", torch.empty(0, 2, dtype=torch.int64))

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        super().learn(train, valid, settings)
        if isinstance(train.points, Ragged):
            values, counts = train.points.lengths.unique(return_counts=True)
            self.lengths = torch.stack([values, counts], 1).to(settings.device)

    def observations(self, data: Any) -> int:
        """The items of all sequences."""
        x = self.examples(data).x  # type: ignore[attr-defined]
        return len(x.values) if isinstance(x, Ragged) else x.shape[0] * x.shape[1]

    def draw_lengths(self, n: int) -> Tensor:
        """(n,) lengths: those of the training data as often as they are, or the one length of the space."""
        length = self.fitted_space.length  # type: ignore[attr-defined]
        if length is not None:
            return torch.full((n,), length, device=self.lengths.device)
        return self.lengths[torch.multinomial(self.lengths[:, 1].double(), n, replacement=True), 0]

    def flaw(self) -> str | None:
        sound = bool(((self.lengths >= 0) & (self.lengths < MOST)).all()) and bool(self.lengths[:, 1].any())
        if self.fitted_space.ragged and not sound:
            return f"lengths must hold at least one length below {MOST:,}, and how often it is"
        return super().flaw()

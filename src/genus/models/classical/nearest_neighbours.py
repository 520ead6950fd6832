"""Nearest neighbours: a point is typical if the data have others close to it."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.fields import Count
from genus.learning import LearnsByMemory
from genus.model import HasScore
from genus.spaces import Binary, Images, Reals, Sequence, Space, Table, Tokens


class NearestNeighbours(LearnsByMemory, HasScore):
    """Nearest-neighbour score: minus the distance to the k-th nearest point of the data, for finding outliers.

        score(x) = -|x - x_(k)|

    The "density" k / (n V_d |x - x_(k)|^d) that goes with it has the same order and an infinite integral, so this is a
    score and no log-probability. Distances are Euclidean between features as networks read them: numbers standardised,
    categories one-hot, a missing number at the mean. A constant column is in its own units: any other value is far.
    Points of the data itself count among their own neighbours, at distance 0.

    Loftsgaarden & Quesenberry 1965; as an outlier score: Ramaswamy, Rastogi & Shim 2000.
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Tokens, Sequence)
    takes_missing: ClassVar[bool] = True
    data_sized: ClassVar[tuple[str, ...]] = ("points",)

    n_neighbors: Count = 5  # k: which neighbour's distance is the score

    _grown: tuple[Tensor, int, Any] | None = None  # points, their version, and the tree over them

    def refuses(self, space: Space) -> str | None:
        if space.ragged:
            return "its points have different lengths, and no distance; cut them to one length, or use Empirical"
        return super().refuses(space)

    def build(self, space: Space) -> None:
        self.register_buffer("points", torch.zeros(0, math.prod(space.feature_shape)))

    def coordinates(self, x: Tensor, g: Tensor | None, dtype: torch.dtype) -> Tensor:
        return self.fitted_space.features(x).reshape(len(x), -1)

    def remember(self, kept: Tensor) -> None:
        if len(kept) < self.n_neighbors:
            raise ValueError(f"n_neighbors={self.n_neighbors}, but the data have {len(kept)} rows; use fewer neighbours")
        self.points = kept

    def score_of(self, x: Tensor) -> Tensor:
        distances, _ = self._tree().kneighbors(self.coordinates(x, None, self.points.dtype).cpu().numpy())
        return -torch.from_numpy(distances[:, -1])

    def flaw(self) -> str | None:
        return super().flaw() or (None if len(self.points) >= self.n_neighbors else "points are fewer than n_neighbors")

    def _tree(self) -> Any:
        """scikit-learn's search tree over the points; grown when first asked for, and again when they change."""
        from sklearn.neighbors import NearestNeighbors

        if self._grown is None or self._grown[0] is not self.points or self._grown[1] != self.points._version:
            tree = NearestNeighbors(n_neighbors=self.n_neighbors).fit(self.points.cpu().numpy())
            self._grown = (self.points, self.points._version, tree)
        return self._grown[2]

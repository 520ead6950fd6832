"""Memorisation: does a model give back what it was shown?

A model that copies its training data passes every test of likeness and is of no use. Two looks at it: exact copies, and
how near generated points lie to the nearest real one, next to how near real points lie to each other.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genus.evaluation.features import endless, features_of_both, pieces
from genus.spaces import Encoded, Ragged, Space

ROWS = 4000  # of a side, at most, where distances are taken


@dataclass(frozen=True)
class Memorisation:
    """copies: share of generated points that are a real one, exactly; real_copies: of real ones that are another real one.

    nearest_ratio: median distance of a generated point to the nearest real one, over that of a real point to the
    nearest other: about 1 for fresh data, towards 0 for copies, above 1 off the data (distance to the closest record).
    """

    copies: float
    real_copies: float
    nearest_ratio: float


def memorisation(space: Space, real: Encoded, generated: Encoded) -> Memorisation:
    """Copies and near-copies of real points among generated ones; near by their features, which round, but copies exactly."""
    known = Counter(_rows(space, real))
    copies = np.mean([row in known for row in _rows(space, generated)])
    twins = sum(n for n in known.values() if n > 1) / known.total()
    a, b = (torch.from_numpy(features[:ROWS]) for features in features_of_both(space, real, generated))
    usual = _to_nearest(a, a) if len(a) > 1 else 0.0
    return Memorisation(float(copies), twins, _to_nearest(b, a) / usual if usual > 0 else math.nan)


def _rows(space: Space, x: Encoded) -> list[bytes]:
    """Encoded points, or the pieces of an endless text, as bytes that are equal where their numbers are."""
    values = x.values if isinstance(x, Ragged) else x
    if values.is_floating_point():
        values = torch.where(values.isnan(), math.nan, values.double() + 0.0)  # -0.0 + 0.0 is 0.0: one zero, and one NaN
        x = Ragged(values, x.offsets) if isinstance(x, Ragged) else values
    return [row.numpy().tobytes() for row in (pieces(x) if endless(space) else x)]


def _to_nearest(x: Tensor, y: Tensor) -> float:
    """Median distance of points x (n, d) to the nearest of y (m, d), to the nearest other where they are the same."""
    apart = torch.cdist(x, y)  # products are quick and find the nearest; how far it is, differences tell: of copies, nothing
    if x is y:
        apart.fill_diagonal_(math.inf)
    return float(np.median((x - y[apart.argmin(1)]).norm(dim=1)))

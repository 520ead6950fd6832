"""Memorisation: does a model give back what it was shown?

A model that copies its training data passes every test of likeness and is of no use. Two looks at it: exact copies, and
how near generated points lie to the nearest real one, next to how near real points lie to each other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

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


def memorisation(real: np.ndarray, generated: np.ndarray) -> Memorisation:
    """Copies and near-copies of real rows (n, features) among generated ones."""
    real, generated = np.ascontiguousarray(real, float), np.ascontiguousarray(generated, float)
    rows = [row.tobytes() for row in real + 0.0]  # -0.0 + 0.0 is 0.0: one zero
    known = set(rows)
    copies = np.mean([row.tobytes() in known for row in generated + 0.0])
    counts: dict[bytes, int] = {}
    for row in rows:
        counts[row] = counts.get(row, 0) + 1
    twins = np.mean([counts[row] > 1 for row in rows])
    a, b = torch.from_numpy(real[:ROWS]), torch.from_numpy(generated[:ROWS])
    if len(a) < 2:
        return Memorisation(float(copies), float(twins), float("nan"))
    usual = torch.cdist(a, a).fill_diagonal_(torch.inf).min(1).values.median()
    nearest = torch.cdist(b, a).min(1).values.median()
    return Memorisation(float(copies), float(twins), float(nearest / usual) if usual > 0 else float("nan"))

"""Fidelity and diversity apart: precision, recall, density, coverage, by balls around nearest neighbours.

The manifold of a set is the union of balls around its points, each reaching to its point's k-th neighbour.

    precision   share of generated points inside the manifold of the real ones        fidelity
    recall      share of real points inside the manifold of the generated ones        diversity
    density     balls of real points around a generated point, over k                 fidelity, outliers count less
    coverage    share of real points with a generated point inside their ball         diversity, outliers count less

Kynkaanniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genus.spaces.points import distances

NEIGHBOURS = 5


@dataclass(frozen=True)
class Coverage:
    """Precision, recall, density and coverage of generated points."""

    precision: float
    recall: float
    density: float
    coverage: float


def coverage(real: np.ndarray, generated: np.ndarray, neighbours: int = NEIGHBOURS) -> Coverage:
    """Precision, recall, density and coverage of rows (n, features); Euclidean distance."""
    if min(len(real), len(generated)) <= neighbours:
        raise ValueError(f"neighbours={neighbours} needs more points of a side than that; pass more data or fewer neighbours")
    a, b = torch.as_tensor(real), torch.as_tensor(generated).to(torch.as_tensor(real).dtype)
    between = distances(a, b)  # (real, generated)
    reach_real, reach_generated = _reach(a, neighbours), _reach(b, neighbours)
    inside_real = between <= reach_real[:, None]  # generated point j lies in the ball of real point i
    inside_generated = between <= reach_generated[None, :]
    return Coverage(
        float(inside_real.any(0).double().mean()),
        float(inside_generated.any(1).double().mean()),
        float(inside_real.double().sum(0).mean()) / neighbours,
        float((between.min(1).values <= reach_real).double().mean()),
    )


def _reach(points: Tensor, neighbours: int) -> Tensor:
    """Distance of each point to its k-th neighbour among the others."""
    return distances(points, points).kthvalue(neighbours + 1, dim=1).values  # itself is the first

"""Linear regression whose prior the data choose: no column of features is too many, none too few.

    y_n = b' f_n + e_n,    e_n ~ N(0, s),    b ~ N(0, t I):    E[b | y] = (sum f f' + l I)^-1 sum f y,    l = s / t

s and t are those under which the data are likeliest, b integrated out (the evidence). MacKay 1992, "Bayesian interpolation".
"""

from __future__ import annotations

import torch
from torch import Tensor

PASSES = 100  # of the fixed point of l, which settles in a few
NO_NOISE, NO_SIGNAL = 1e-12, 1e12  # ends of l, as shares of the largest eigenvalue


def coefficients(gram: Tensor, products: Tensor, square: float, count: int) -> Tensor:
    """E[b | y] (K,), float64, from sums over the points: gram = sum f f' (K, K), products = sum f y (K,), square = sum y^2."""
    strength, axes = torch.linalg.eigh(gram)
    strength, along = strength.clamp(min=0), axes.T @ products
    low, high = (float(strength.max()) * end for end in (NO_NOISE, NO_SIGNAL))
    if not (high > 0 and bool(products.any())):  # nothing to learn from, or nothing to learn
        return torch.zeros_like(products)
    ridge = float(strength.max()) / max(count, 1)
    for _ in range(PASSES):
        b = along / (strength + ridge)
        used = float((strength / (strength + ridge)).sum())  # numbers that the data determine, at most K
        left = max(square - float((2 * along - strength * b) @ b), 0.0)  # sum of the squared errors
        before, ridge = ridge, left * used / (max(count - used, 1.0) * max(float(b @ b), 1e-300))
        ridge = min(max(ridge, low), high)
        if abs(ridge - before) <= 1e-6 * ridge:
            break
    return axes @ (along / (strength + ridge))

"""What every way to draw asks of its arguments, and whose random numbers it uses."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor

from genus.randomness import check_seed, randomness
from genus.spaces.points import numbers


def seeded(seed: int | None, stream: str) -> AbstractContextManager[None]:
    """Draw from torch's default generator: keyed for the block by a seed, or, for None, going on from where it stands."""
    return nullcontext() if seed is None else randomness(check_seed(seed), f"sampling/{stream}")


def check_positive(name: str, value: Any) -> Tensor:
    """`value` as a tensor of positive finite numbers, or ValueError."""
    try:
        numbers = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError):
        raise TypeError(f"{name}={value!r} is of type {type(value).__name__}, but must be a positive number") from None
    if not (numbers.isfinite() & (numbers > 0)).all():
        raise ValueError(f"{name}={value!r} must be positive and finite")
    return numbers


def check_weights(name: str, weights: Any) -> Tensor:
    """Probabilities or unnormalised weights (..., V) in float64, or a sentence that says why they are none."""
    (weights,) = numbers(**{name: weights})
    weights = weights.double()
    if weights.dim() == 0 or weights.shape[-1] == 0:
        raise ValueError(f"{name}: has shape {tuple(weights.shape)}; pass one weight for each value, (V,), V at least 1")
    if not (weights.isfinite() & (weights >= 0)).all():
        worst = weights[~(weights.isfinite() & (weights >= 0))][0].item()
        raise ValueError(f"{name}: holds {worst:g}, but probabilities are finite and not negative; mask or clamp it")
    if (weights.sum(-1) == 0).any():
        raise ValueError(f"{name}: all are zero, so there is nothing to draw; at least one must be positive")
    return weights

"""Points, weights, costs and probabilities as tensors of one floating type: tensors, arrays, DataFrames and lists of any numbers."""

from __future__ import annotations

from functools import reduce
from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor


def numbers(**named: Any) -> list[Tensor]:
    """What is named, as tensors of the widest of their floating types; whole numbers count as float64, halves as float32.

    Tensors keep their gradient. Raises TypeError for what is no array of real numbers.
    """
    tensors = []
    for name, raw in named.items():
        try:
            read = as_tensor(raw, name)
        except (TypeError, ValueError, RuntimeError) as error:
            raise TypeError(
                f"{name}: is of type {type(raw).__name__}, which holds no array of real numbers; pass a tensor, an array or a list of them"
            ) from error
        tensors.append(raw if isinstance(raw, Tensor) else read)  # what was read has lost its gradient
    types = (x.dtype if x.is_floating_point() else torch.float64 for x in tensors)
    dtype = reduce(torch.promote_types, types, torch.float32)
    return [x.to(dtype) for x in tensors]


def points(x: Any, y: Any, least: int = 1) -> tuple[Tensor, Tensor]:
    """Two samples x (n, d) and y (m, d), at least so many points a side. Raises TypeError, ValueError for other shapes."""
    x, y = numbers(x=x, y=y)
    if x.dim() != 2 or y.dim() != 2 or x.shape[1] != y.shape[1] or min(len(x), len(y)) < least:
        raise ValueError(
            f"x, y: have shapes {tuple(x.shape)} and {tuple(y.shape)}, but must be points (n, d) and (m, d), at least {least} a side"
        )
    return x, y


def distances(x: Tensor, y: Tensor) -> Tensor:
    """|x - y| of all pairs (n, m), from differences: by products those short beside the points themselves would be lost."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")

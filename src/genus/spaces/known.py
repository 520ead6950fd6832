"""Known cells: a point of which some cells are known, the rest NaN; what completing and conditioning start from."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, refuse_infinity, refuse_shape
from genus.spaces.space import Space
from genus.spaces.table import Table


def space_row(space: Space, known: Any) -> Tensor:
    """One point (1, *shape), NaN but for the known cells: {column: value}, or an array with NaN."""
    if isinstance(known, dict):
        row = torch.full((1, space.dims), torch.nan, dtype=torch.float64)
        for name, value in known.items():
            if isinstance(space, Table):
                row[0, space.position(name)] = space.encode_value(name, value)
            elif isinstance(name, int) and -space.dims <= name < space.dims:
                if not isinstance(value, Real):
                    raise TypeError(f"given: {value!r} in column {name} is of type {type(value).__name__}, but it must be a number")
                row[0, name] = float(value)
            else:
                raise ValueError(f"given: {name!r} is no column; columns are numbered 0 to {space.dims - 1}")
        row = row.reshape(1, *space.shape)
    else:
        row = as_tensor(known, "given")
        row = row[None] if tuple(row.shape) == tuple(space.shape) else row
        refuse_shape(row, space.shape, "given")
        row = row[:1].double()
    refuse_infinity(row, "given")
    if not isinstance(space, Table):
        space.encode(row.nan_to_num(0.0))  # raises where a known cell is no value of the space
    return row

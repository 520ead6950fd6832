"""Known cells: a point of which some cells are known, the rest NaN; what completing and conditioning start from."""

from __future__ import annotations

from numbers import Real
from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, holds_missing, refuse_infinity, refuse_shape, said_of, scalar
from genus.spaces.binary import Binary
from genus.spaces.images import Images
from genus.spaces.reals import Reals
from genus.spaces.space import Encoded, Space
from genus.spaces.table import Table


def encode_known(space: Space, raw: Any) -> Encoded:
    """`space.encode`, where NaN is a missing cell also in an array of whole numbers, which is then float64."""
    if not isinstance(space, Binary | Images | Reals) or not space.discrete:
        return space.encode(raw)
    x = as_tensor(raw)
    if not holds_missing(x):
        return space.encode(x)
    holes = torch.isnan(x)
    # the holes are encoded as well, to lie as the points do
    known, missing = space.encode(x.masked_fill(holes, 0)), space.encode(holes.byte())
    return known.double().masked_fill(missing == 1, torch.nan)  # type: ignore[union-attr,arg-type]


def space_row(space: Space, known: Any) -> Tensor:
    """One point (1, *shape), NaN but for the known cells: {column: value}, or an array with NaN."""
    if space.ragged:
        raise ValueError(f"given: known cells are those of points of one length, but this model is of {space!r}; drop it")
    if isinstance(known, str):
        raise TypeError(f"given={known!r}: known cells are named; pass {{column: value}}")
    if hasattr(known, "to_dict"):  # of pandas
        rows = known.to_dict("records") if hasattr(known, "columns") else [known.to_dict()]
        known = rows[0] if len(rows) == 1 else known
    if isinstance(known, dict):
        row = torch.full((1, space.dims), torch.nan, dtype=torch.float64)
        for name, value in ((scalar(name), value) for name, value in known.items()):
            if isinstance(space, Table):
                with said_of("given"):
                    row[0, space.position(name)] = space.encode_value(name, value)
            elif isinstance(name, int) and -space.dims <= name < space.dims:
                if not isinstance(value, Real):
                    raise TypeError(f"given: {value!r} in column {name} is of type {type(value).__name__}, but it must be a number")
                try:
                    row[0, name] = float(value)
                except OverflowError as error:  # of Python's whole numbers
                    raise ValueError(f"given: column {name} holds a number too large for float64; divide it") from error
            else:
                raise ValueError(f"given: {name!r} is no column; columns are numbered 0 to {space.dims - 1}")
        row = row.reshape(1, *space.shape)
    else:
        row, raw_shape = as_tensor(known, "given"), space.raw_shape if isinstance(space, Images) else space.shape
        row = row[None] if tuple(row.shape) in (space.shape, raw_shape) else row
        if row.dim() > len(raw_shape) and len(row) != 1:
            raise ValueError(f"given: has {len(row)} rows, but one row of known cells serves for all; pass one, or use complete")
        if isinstance(space, Images):  # encoded, they lie otherwise
            with said_of("given"):
                row = encode_known(space, row)  # type: ignore[assignment]
        refuse_shape(row, space.shape, "given")
        row = row.double()
    refuse_infinity(row, "given")
    whole = row if isinstance(space, Table) else row.nan_to_num(0.0)
    with said_of("given"):  # raises where a cell is no value of the space
        space.encode(whole.long() if bool((whole == whole.long()).all()) else whole)  # beyond int64 long() is another number
    return row

"""Raw arrays: anything array-like as one tensor, or a sentence that says why not."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

_DTYPES = {
    name: getattr(torch, name)
    for name in ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
}
_WIDER = {"uint16": np.int32, "uint32": np.int64, "longdouble": np.float64}


def as_tensor(raw: Any, name: str = "data") -> Tensor:
    """`raw` as a tensor that shares its memory where it can; raises TypeError or ValueError with the remedy."""
    if isinstance(raw, Tensor):
        tensor = raw.detach()
    else:
        try:
            array = np.asarray(raw)
        except ValueError as error:  # rows of unequal length
            raise ValueError(
                f"{name}: rows have different lengths, so they are no array; pass sequences as a list of arrays"
            ) from error
        if array.dtype.kind in "OUSMm":
            raise TypeError(
                f"{name}: an array of {_element(array)} is not numeric; pass a DataFrame for mixed columns, a list of strings for text"
            )
        if array.dtype.kind == "c":
            raise TypeError(f"{name}: complex numbers have no space here; pass real and imaginary parts as columns")
        if array.dtype.name in _WIDER:
            array = array.astype(_WIDER[array.dtype.name])
        if array.dtype.name not in _DTYPES:
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
        # torch refuses negative strides and read-only memory (it could be written through)
        if any(stride < 0 for stride in array.strides) or not array.flags.writeable or not array.dtype.isnative:
            array = np.array(array, dtype=array.dtype.newbyteorder("="))
        tensor = torch.from_numpy(array)
    if tensor.is_sparse or tensor.layout is not torch.strided:
        raise TypeError(f"{name}: sparse tensors are not taken; pass {name}.to_dense()")
    if tensor.is_complex():
        raise TypeError(f"{name}: complex numbers have no space here; pass real and imaginary parts as columns")
    if tensor.dim() == 0:
        raise ValueError(f"{name}: a single number is no data set; pass an array with one row per example")
    return tensor


def refuse_infinity(x: Tensor, name: str) -> None:
    if x.is_floating_point() and torch.isinf(x).any():
        row = int(torch.isinf(x).reshape(len(x), -1).any(1).nonzero()[0])
        raise ValueError(f"{name}: row {row} holds infinity; remove the row, or write NaN if the value is missing")


def refuse_shape(x: Tensor, shape: tuple[int, ...], name: str = "data") -> None:
    if tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(
            f"{name}: has shape {tuple(x.shape)}, but this space holds points of shape {tuple(shape)}: expected (n, {', '.join(map(str, shape))})"
        )


def dtype_named(name: str) -> torch.dtype:
    if name not in _DTYPES:
        raise ValueError(f"dtype {name!r} is not known: choose one of {', '.join(_DTYPES)}")
    return _DTYPES[name]


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _element(array: np.ndarray) -> str:
    if array.dtype.kind == "O" and array.size:
        return f"{type(array.flat[0]).__name__} objects"
    return {"U": "strings", "S": "bytes", "M": "dates", "m": "durations"}.get(array.dtype.kind, "objects")

"""Raw arrays: anything array-like as one tensor, or a sentence that says why not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

_DTYPES = {
    name: getattr(torch, name)
    for name in ("float16", "bfloat16", "float32", "float64", "uint8", "int8", "int16", "int32", "int64", "bool")
}
_WIDER = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}  # torch hardly computes with these


def as_tensor(raw: Any, name: str = "data") -> Tensor:
    """`raw` as a tensor that shares its memory where it can; raises TypeError or ValueError with the remedy."""
    if isinstance(raw, Tensor):
        tensor = raw.detach()
    else:
        raw = plain(raw, name)
        try:
            array = np.asarray(raw)
        except ValueError as error:  # rows of unequal length
            raise ValueError(
                f"{name}: rows have different lengths, so they are no array; pass sequences as a list of arrays"
            ) from error
        if array.dtype.kind == "O":
            array = _numbers(array)
        if array.dtype.kind in "OUSTMm":
            raise TypeError(
                f"{name}: an array of {_element(array)} is not numeric; pass a DataFrame for mixed columns, a list of strings for text"
            )
        if array.dtype.names:
            raise TypeError(f"{name}: a structured array is a table; pass pandas.DataFrame({name})")
        if array.dtype.kind == "c":
            raise TypeError(f"{name}: complex numbers have no space here; pass real and imaginary parts as columns")
        if array.dtype.name not in _DTYPES and array.dtype.kind != "u":
            array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64)
        # torch refuses negative strides and read-only memory (it could be written through)
        if any(stride < 0 for stride in array.strides) or not array.flags.writeable or not array.dtype.isnative:
            array = np.array(array, dtype=array.dtype.newbyteorder("="))
        tensor = torch.from_numpy(array)
    if tensor.is_complex():
        raise TypeError(f"{name}: complex numbers have no space here; pass real and imaginary parts as columns")
    refuse_rowless(tensor, name)
    if (wider := _WIDER.get(tensor.dtype)) is None:
        return tensor
    tensor = tensor.to(wider)
    if wider is torch.int64 and bool((tensor < 0).any()):
        raise ValueError(f"{name}: holds whole numbers beyond 2**63; pass them as floats")
    return tensor


def plain(raw: Any, name: str = "data") -> Any:
    """Texts, or arrays, in a Series or an array as the list that they stand for; an array with NaN where it is masked;
    anything else as it is. Raises TypeError or ValueError for a dict, and for what holds no rows."""
    if isinstance(raw, dict):
        raise TypeError(f"{name}: is a dict; pass pandas.DataFrame({name}) for columns")
    refuse_rowless(raw, name)
    if isinstance(raw, list | tuple) and any(isinstance(item, np.ma.MaskedArray) for item in raw):
        return [plain(item, name) for item in raw]
    if isinstance(raw, np.ma.MaskedArray) and not raw.dtype.names:
        values = raw.data if raw.dtype.kind in "biuf" else raw.data.astype(object)
        raw = np.where(np.ma.getmaskarray(raw), np.nan, values) if np.ma.is_masked(raw) else raw.data
    if getattr(raw, "ndim", 0) == 1 and getattr(getattr(raw, "dtype", None), "kind", None) in ("O", "U", "T"):
        return np.asarray(raw).tolist()
    return raw


def only_texts(raw: Any) -> Any:
    """The column of a DataFrame that has no other and holds texts; anything else as it is."""
    alone = hasattr(raw, "columns") and raw.shape[1] == 1 and len(raw)
    return raw.iloc[:, 0] if alone and isinstance(raw.iat[0, 0], str) else raw


def refuse_rowless(raw: Any, name: str) -> None:
    """Raise TypeError or ValueError for an array whose rows are not there to be read."""
    if hasattr(raw, "toarray"):  # of scipy
        raise TypeError(f"{name}: is sparse; pass {name}.toarray()")
    if isinstance(raw, Tensor) and raw.is_nested:
        raise TypeError(f"{name}: nested tensors are not taken; pass list({name}.unbind())")
    if isinstance(raw, Tensor) and raw.is_quantized:
        raise TypeError(f"{name}: quantised tensors are not taken; pass {name}.dequantize()")
    if isinstance(raw, Tensor) and raw.layout is not torch.strided:
        raise TypeError(f"{name}: sparse tensors are not taken; pass {name}.to_dense()")
    if isinstance(raw, Tensor) and raw.is_meta:
        raise TypeError(f"{name}: is on the meta device, where tensors have a shape but no numbers; pass one of another device")
    if isinstance(raw, Tensor | np.ndarray) and raw.ndim == 0:
        raise ValueError(f"{name}: a single number is no data set; pass an array with one row per example")


def scalar(raw: Any) -> Any:
    """What an array of no axes holds, and numpy's numbers as Python's; anything else as it is."""
    return raw.item() if isinstance(raw, Tensor | np.ndarray | np.number) and raw.ndim == 0 else raw


def _numbers(array: np.ndarray) -> np.ndarray:
    """Python's numbers as an array of their own type, NaN where one is None; of other objects the array itself."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(array, skipna=True)
    if kind not in ("boolean", "integer", "floating", "mixed-integer-float", "decimal"):
        return array
    known = np.where(pd.isna(array), np.nan, array)
    return np.array(known.tolist()) if kind in ("boolean", "integer") else known.astype(np.float64)


def holds_missing(x: Tensor) -> bool:
    """Whether any value is missing (NaN). A sum is NaN if a term is: a pass ten times quicker than a look at each."""
    return x.is_floating_point() and bool(x.detach().sum().isnan()) and bool(torch.isnan(x).any())


@contextmanager
def said_of(argument: str) -> Iterator[None]:
    """Errors of an encoding, which name data, as errors of the argument that was encoded."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = f"{argument}: {str(error).removeprefix('data: ').removeprefix(f'{argument}: ')}"
        raise (TypeError if isinstance(error, TypeError) else ValueError)(text) from error


def refuse_infinity(x: Tensor, name: str) -> None:
    if x.is_floating_point() and not x.detach().sum().isfinite() and torch.isinf(x).any():
        row = int(torch.isinf(x).reshape(len(x), -1).any(1).nonzero()[0])
        raise ValueError(f"{name}: row {row} holds infinity; remove the row, or write NaN if the value is missing")


def ends_of(info: Any) -> tuple[float, float]:
    """The least and the greatest number that a dtype holds (its iinfo or finfo), of those that float64 does: beyond them a cast
    wraps round."""
    return float(info.min), float(info.max) if info.bits < 64 else math.nextafter(float(info.max), 0)


def refuse_alone(x: Tensor, shape: tuple[int, ...], name: str = "data") -> None:
    """Raise ValueError for one point of this shape where several belong."""
    if tuple(x.shape) == tuple(shape):
        raise ValueError(
            f"{name}: has shape {tuple(shape)}, that of one point alone: expected {_batch_of(shape)}; pass {name}[None], a batch of one"
        )


def refuse_shape(x: Tensor, shape: tuple[int, ...], name: str = "data") -> None:
    refuse_alone(x, shape, name)
    if tuple(x.shape[1:]) != tuple(shape):
        raise ValueError(
            f"{name}: has shape {tuple(x.shape)}, but this space holds points of shape {tuple(shape)}: expected {_batch_of(shape)}"
        )


def _batch_of(shape: tuple[int, ...]) -> str:
    return f"(n{''.join(f', {size}' for size in shape)})"


def probability_flaw(name: str, p: Tensor) -> str | None:
    """What is wrong with rows p (..., k) read from a file that should be distributions; None if nothing."""
    sound = bool((p >= 0).all() and ((p.sum(-1) - 1).abs() < 1e-6).all())
    return None if sound else f"{name} must be probabilities that add up to one"


def dtype_named(name: str) -> torch.dtype:
    if name not in _DTYPES:
        raise ValueError(f"dtype {name!r} is not known: choose one of {', '.join(_DTYPES)}")
    return _DTYPES[name]


def dtype_name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _element(array: np.ndarray) -> str:
    if array.dtype.kind == "O" and array.size:
        return f"{type(array.flat[0]).__name__} objects"
    return {"U": "strings", "T": "strings", "S": "bytes", "M": "dates", "m": "durations"}.get(array.dtype.kind, "objects")

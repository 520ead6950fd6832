"""Which space raw data is in, when nobody says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, dtype_name, only_texts, plain
from genus.spaces.binary import Binary
from genus.spaces.images import Images
from genus.spaces.ragged import Ragged
from genus.spaces.reals import Reals
from genus.spaces.sequence import Sequence
from genus.spaces.space import Space
from genus.spaces.table import Table
from genus.spaces.tokenizers import texts_of, tokenizer_of
from genus.spaces.tokens import Tokens


def infer_space(raw: Any, accepts: tuple[type[Space], ...] | None = None, tokenizer: str = "characters") -> Space:
    """The space of raw data, the likeliest first among those `accepts` names.

    DataFrame: Table; to a model of texts, one column of them: Tokens. Strings: Tokens. Floats: Reals. Booleans, or only
    0 and 1: Binary. uint8 of 3 or 4 axes, or PIL images: Images. Other whole numbers: Reals of whole numbers, or Tokens to
    a model of tokens. A list of arrays of different lengths: Tokens for whole numbers of one axis, else Sequence. To a
    model of sequences, a list of arrays or of DataFrames is a ragged Sequence, and one array (n, length, ...) a Sequence.
    Masked numbers, and None among numbers, are missing: NaN. Raises TypeError or ValueError otherwise.
    """
    if accepts is not None and Tokens in accepts and Table not in accepts:
        raw = only_texts(raw)
    first = None
    for candidate in _candidates(raw, tokenizer):
        if isinstance(candidate, accepts or Space):
            return candidate
        first = first or candidate
    assert first is not None
    return first


def _candidates(raw: Any, tokenizer: str) -> Iterable[Space]:
    if _is_pandas(raw, "DataFrame"):
        if not len(raw):
            raise ValueError("data: the DataFrame has no rows; pass at least one")
        yield Table.of(raw)
        return
    raw = plain(raw)
    if _is_pandas(raw, "Series"):
        raw = raw.to_numpy()
    if isinstance(raw, str | bytes):
        raise TypeError("data: is one string; pass a list of strings, or a path to load_dataset")
    if raw is None or not hasattr(raw, "__len__"):
        raise TypeError(f"data: {type(raw).__name__} is no data; pass an array, a tensor, a DataFrame or a list")
    if len(raw) == 0:
        raise ValueError("data: is empty; pass at least one example")
    if isinstance(raw, Ragged):
        raw = list(raw)
    if isinstance(raw, list | tuple):
        if isinstance(raw[0], str):
            yield Tokens(ends=True, tokenizer=tokenizer_of(texts_of(raw), tokenizer))
            return
        if hasattr(raw[0], "getbands"):  # PIL images
            yield _images(as_tensor(raw))
            return
        if _is_pandas(raw[0], "DataFrame"):
            yield Sequence(_shared_table(raw))
            return
        if _is_ragged(raw):
            yield from _ragged_candidates([as_tensor(item) if len(item) else torch.zeros(0) for item in raw])
            return
        x = as_tensor(torch.stack(list(raw)) if isinstance(raw[0], Tensor) else raw)
        yield from _array_candidates(x)
        if x.dim() > 1:
            yield Sequence(_item(x))
        return
    x = as_tensor(raw)
    yield from _array_candidates(x)
    if x.dim() in (2, 3):
        yield Sequence(_item(x), length=x.shape[1])


def _array_candidates(x: Tensor) -> Iterable[Space]:
    shape = tuple(x.shape[1:])
    if x.numel() == 0:
        raise ValueError(f"data: has shape {tuple(x.shape)}, which holds no numbers; pass at least one column")
    if x.dtype is torch.uint8 and x.dim() in (3, 4) and int(x.max()) > 1:
        yield _images(x)
    elif x.dtype is torch.bool or (len(x) > 1 and _is_binary(x)):
        yield Binary(shape, dtype_name(x.dtype))
        if x.dim() == 2:
            # Tokens say themselves that they take no floats
            yield Tokens(2, length=shape[0], dtype="int64" if x.is_floating_point() else dtype_name(x.dtype))
        if x.is_floating_point():
            yield Reals(shape, dtype_name(x.dtype))
    elif x.is_floating_point():
        yield Reals(shape, dtype_name(x.dtype) if x.dtype in (torch.float32, torch.float64) else "float32")
    else:
        yield Reals(shape, dtype_name(x.dtype))
        if x.dim() == 2 and int(x.min()) >= 0:
            yield Tokens(int(x.max()) + 1, length=shape[0], dtype=dtype_name(x.dtype))


def _ragged_candidates(sequences: list[Tensor]) -> Iterable[Space]:
    full = [s for s in sequences if len(s)]
    if not full:
        raise ValueError("data: every sequence is empty; pass at least one item")
    if len({(s.dim(), *s.shape[1:]) for s in full}) > 1:
        raise ValueError("data: the sequences have items of different shapes; make every item alike")
    values = torch.cat(full)
    codes = values.dim() == 1 and not values.is_floating_point()
    if codes and int(values.min()) >= 0:
        yield Tokens(int(values.max()) + 1, ends=True, dtype=dtype_name(values.dtype))
    yield Sequence(next(iter(_array_candidates(values))))
    if codes and int(values.min()) < 0:
        raise ValueError(f"data: tokens are whole numbers from 0, but {int(values.min())} is among them; shift them")


def _is_binary(x: Tensor) -> bool:
    """Whether x holds zeros and ones, both of them. The first point tells most other data apart, else the ends do."""
    if not bool(((x[0] == 0) | (x[0] == 1)).all()):
        return False
    low, high = x.aminmax()
    return bool(low == 0) and bool(high == 1) and (not x.is_floating_point() or bool(((x == 0) | (x == 1)).all()))


def _item(x: Tensor) -> Space:
    """The space of the items of sequences (n, length, *item)."""
    return next(iter(_array_candidates(x.flatten(0, 1))))


def _shared_table(frames: Any) -> Table:
    """The table that all of these DataFrames are rows of; its categories are those of any."""
    import pandas as pd

    wrong = next((frame for frame in frames if not _is_pandas(frame, "DataFrame")), None)
    if wrong is not None:
        raise TypeError(f"data: a list of DataFrames also holds {type(wrong).__name__}; make every item a DataFrame")
    odd = next((i for i, frame in enumerate(frames) if set(frame.columns) != set(frames[0].columns)), None)
    if odd is not None:
        raise ValueError(f"data: DataFrame {odd} has other columns than the first; give every sequence the same columns")
    return Table.of(pd.concat([frame for frame in frames if len(frame)] or list(frames), ignore_index=True))


def _images(x: Any) -> Images:
    if x.ndim == 3:
        return Images(1, x.shape[1], x.shape[2], layout="nhw")
    if x.shape[1] in (1, 3, 4) and x.shape[3] not in (1, 3, 4):
        return Images(*x.shape[1:])
    if x.shape[3] in (1, 3, 4):
        return Images(x.shape[3], x.shape[1], x.shape[2], layout="nhwc")
    return Images(*x.shape[1:])


def _is_ragged(raw: Any) -> bool:
    return all(hasattr(item, "__len__") for item in raw) and len({len(item) for item in raw}) > 1


def _is_pandas(raw: Any, name: str) -> bool:
    return type(raw).__name__ == name and type(raw).__module__.startswith("pandas")

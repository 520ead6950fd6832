"""Binary: points of zeros and ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, dtype_name, dtype_named, refuse_shape
from genus.spaces.space import Space


class Binary(Space):
    """Arrays of 0 and 1 of one shape, kept as uint8; `dtype` is that of the raw data."""

    heads = ("bernoulli",)
    discrete = True
    levels = 2

    def __init__(self, shape: Sequence[int] | int, dtype: str = "uint8") -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.dtype = dtype_named(dtype)

    def encode(self, raw: Any) -> Tensor:
        x = as_tensor(raw)
        refuse_shape(x, self.shape)
        low, high = x.aminmax() if x.numel() else (0, 1)
        if x.is_floating_point() or low < 0 or high > 1:  # else whole numbers between the two: no need to look at each
            self._refuse_others(x)
        return x.to(torch.uint8)

    def _refuse_others(self, x: Tensor) -> None:
        wrong = (x != 0) & (x != 1)
        if wrong.any():
            row = int(wrong.reshape(len(x), -1).any(1).nonzero()[0])
            value = x[row][wrong[row]].flatten()[0].item()
            raise ValueError(f"data: row {row} holds {value:g}, but binary points hold only 0 and 1; threshold it first")

    def decode(self, x: Tensor) -> Tensor:
        return x.to(self.dtype)

    @property
    def encoded_dtype(self) -> torch.dtype:
        return torch.uint8

    def features(self, x: Tensor) -> Tensor:
        return x.float() * 2 - 1

    @property
    def continuous(self) -> bool:
        return True

    @property
    def location_scale(self) -> tuple[Tensor, Tensor]:
        ones = torch.ones(self.dims, dtype=torch.float64)
        return ones, ones

    def from_standardised(self, z: Tensor) -> Tensor:
        return (z + 1).floor().clamp(0, 1).reshape(len(z), *self.shape).to(torch.uint8)

    def config(self) -> dict[str, Any]:
        return {"shape": list(self.shape), "dtype": dtype_name(self.dtype)}

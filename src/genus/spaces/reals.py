"""Reals: points of real numbers, NaN where one is missing; with an integer dtype, points of whole numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, dtype_name, dtype_named, ends_of, holds_missing, refuse_infinity, refuse_shape
from genus.spaces.space import Space, Standardisation, flat_tensor, names_of, no_spread


class Reals(Space):
    """Real arrays of one shape. `location` and `scale` (one number a coordinate) are learned by `fit`.

    Whole numbers (dtype "int64" and its kin) have probabilities: a density sees them dequantised.
    """

    def __init__(
        self,
        shape: Sequence[int] | int,
        dtype: str = "float32",
        location: Sequence[float] | None = None,
        scale: Sequence[float] | None = None,
    ) -> None:
        self.shape = (shape,) if isinstance(shape, int) else tuple(shape)
        self.dtype = dtype_named(dtype)
        self.discrete = not self.dtype.is_floating_point
        self.heads = ("discretised_logistic",) if self.discrete else ("gaussian",)
        self._location = flat_tensor(location, self.dims, 0.0)
        self._scale = flat_tensor(scale, self.dims, 1.0)
        if scale is not None and (self._scale < 0).any():
            raise ValueError("Reals: scale must be at least 0")

    def encode(self, raw: Any) -> Tensor:
        x = as_tensor(raw)
        refuse_shape(x, self.shape)
        refuse_infinity(x, "data")
        if self.discrete and holds_missing(x):
            raise ValueError(
                "data: holds missing values, but this model learned from whole numbers alone; fit it on data that miss some"
            )
        if self.discrete and x.is_floating_point() and (x != x.round()).any():
            raise ValueError("data: holds fractions, but this space holds whole numbers; pass the data as floats when fitting")
        least, most = self.ends
        if x.dtype is not self.dtype and bool(((x < least) | (x > most)).any()):
            raise ValueError(
                f"data: holds a number too large for {dtype_name(self.dtype)}, of which the data were in fitting; "
                "fit the model on data of a wider dtype"
            )
        return x.to(self.dtype)

    def decode(self, x: Tensor) -> Tensor:
        return x.to(self.dtype)

    @property
    def encoded_dtype(self) -> torch.dtype:
        return self.dtype

    def features(self, x: Tensor) -> Tensor:
        flat = x.reshape(len(x), -1)
        z, _ = self.standardise(flat + 0.5 if self.discrete else flat)
        return z.nan_to_num(0.0).reshape(len(x), *self.shape).float()  # a missing value reads as the mean

    @property
    def continuous(self) -> bool:
        return True

    @property
    def location_scale(self) -> tuple[Tensor, Tensor]:
        # A constant coordinate has no spread to divide by; `complaint` tells those who would learn a density on it.
        return self._location, torch.where(self._scale == 0, 1.0, self._scale)

    @property
    def ends(self) -> tuple[float, float]:
        """The least and the greatest number that the dtype holds."""
        return ends_of(torch.finfo(self.dtype) if self.dtype.is_floating_point else torch.iinfo(self.dtype))

    def from_standardised(self, z: Tensor) -> Tensor:
        location, scale = (t.to(z.device) for t in self.location_scale)
        real = z * scale + location  # float64: far from 0 a network's float32 would round its draws to a few values
        real = real.floor().clamp(*self.ends) if self.discrete else real
        return real.reshape(len(z), *self.shape).to(self.dtype)

    def fit(self, batches: Iterable[Any]) -> Reals:
        moments = Standardisation(range(self.dims))
        for x in batches:
            moments.update(x.reshape(len(x), -1))
        location, scale = moments.location_scale()
        if self.discrete:  # x + u, u ~ U[0, 1), has mean m + 1/2 and variance v + 1/12
            location, scale = [m + 0.5 for m in location], [(s * s + 1 / 12) ** 0.5 for s in scale]
        return Reals(self.shape, dtype_name(self.dtype), location, scale)

    def complaint(self) -> str | None:
        constant = self._scale == 0
        if not constant.any():
            return None
        first = int(constant.nonzero()[0])
        mean = f"{float(self._location[first]):g}" + f" in column {first}" * (int(constant.sum()) > 1)
        return f"column {names_of(constant)} of the data {no_spread(mean)}"

    def __repr__(self) -> str:
        return super().__repr__() + (f" of {dtype_name(self.dtype)}" if self.discrete else "")

    def config(self) -> dict[str, Any]:
        return {
            "shape": list(self.shape),
            "dtype": dtype_name(self.dtype),
            "location": self._location.tolist(),
            "scale": self._scale.tolist(),
        }

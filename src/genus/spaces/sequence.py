"""Sequence: points that are sequences of points of another space, of one length or ragged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import Tensor

from genus.spaces.arrays import as_tensor
from genus.spaces.ragged import Ragged
from genus.spaces.space import Encoded, Space


class Sequence(Space):
    """Sequences of `item`: tensors (n, length, *item.shape) where `length` is given, else Ragged."""

    def __init__(self, item: Space, length: int | None = None) -> None:
        if item.ragged:
            raise ValueError("Sequence: its items must have one shape; a sequence of ragged sequences has no space yet")
        self.item, self.length = item, length
        self.ragged = length is None
        self.shape = item.shape if length is None else (length, *item.shape)
        self.discrete = item.discrete
        self.heads = () if self.ragged else item.heads

    def encode(self, raw: Any) -> Encoded:
        if isinstance(raw, Ragged):
            return raw
        if self.ragged:
            if len(raw) == 0:
                raise ValueError("data: is empty; pass at least one sequence")
            sequences = [self.item.encode(sequence) for sequence in raw]
            return Ragged.of(sequences)  # type: ignore[arg-type]
        x = as_tensor(raw)
        if x.dim() < 2 or x.shape[1] != self.length:
            raise ValueError(f"data: has shape {tuple(x.shape)}, but every sequence must have {self.length} steps")
        return self.item.encode(x.flatten(0, 1)).reshape(len(x), *self.shape)  # type: ignore[union-attr]

    def decode(self, x: Encoded) -> Any:
        if isinstance(x, Ragged):
            return [self.item.decode(sequence) for sequence in x]
        return self.item.decode(x.flatten(0, 1)).reshape(x.shape)

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return self.item.feature_shape if self.ragged else (self.length, *self.item.feature_shape)  # type: ignore[arg-type,return-value]

    def features(self, x: Tensor) -> Tensor:
        return self.item.features(x.flatten(0, 1)).reshape(len(x), *self.feature_shape)

    @property
    def continuous(self) -> bool:
        return not self.ragged and self.item.continuous

    @property
    def location_scale(self) -> tuple[Tensor, Tensor]:
        location, scale = self.item.location_scale
        return location.repeat(self.length or 1), scale.repeat(self.length or 1)

    @property
    def integer_coordinates(self) -> Tensor:
        return self.item.integer_coordinates.repeat(self.length or 1)

    def from_standardised(self, z: Tensor) -> Tensor:
        flat = z.reshape(len(z) * (self.length or 1), -1)
        return self.item.from_standardised(flat).reshape(len(z), *self.shape)

    def fit(self, batches: Iterable[Encoded]) -> Sequence:
        items = (x.values if isinstance(x, Ragged) else x.flatten(0, 1) for x in batches)
        return Sequence(self.item.fit(items), self.length)

    def complaint(self) -> str | None:
        return self.item.complaint()

    def count_dims(self, x: Encoded) -> int | Tensor:
        return x.lengths * self.item.dims if isinstance(x, Ragged) else self.dims

    def encodes_like(self, other: Space) -> bool:
        return super().encodes_like(other) and self.item.encodes_like(other.item)  # type: ignore[attr-defined]

    def config(self) -> dict[str, Any]:
        return {"item": {"kind": type(self.item).__name__, **self.item.config()}, "length": self.length}

    def __repr__(self) -> str:
        return f"Sequence({self.item!r}, length={self.length})"

"""Sequence: points that are sequences of points of another space, of one length or ragged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, plain
from genus.spaces.ragged import Ragged
from genus.spaces.space import Encoded, Space
from genus.spaces.table import Table


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
        raw = plain(raw)
        if not hasattr(raw, "__len__") or self._is_one(raw):
            raise ValueError("data: is no list of sequences; pass [data], if it is one sequence")
        if not len(raw):
            raise ValueError("data: is empty; pass at least one sequence")
        items = self._encode_arrays(raw)
        if items is None:  # no arrays, or something is wrong, and is said of the sequence that it is in
            items = Ragged.of([self.encode_one(sequence, f"data: sequence {index}") for index, sequence in enumerate(raw)])
        if self.ragged:
            return items
        wrong = (items.lengths != self.length).nonzero()
        if len(wrong):
            steps = int(items.lengths[wrong[0]])
            raise ValueError(f"data: sequence {int(wrong[0])} has {steps} steps, but every one must have {self.length}")
        return items.values.reshape(len(items), *self.shape)

    def _encode_arrays(self, raw: Any) -> Ragged | None:
        """Sequences that are arrays of one type, looked at as one; None where they are not, or hold what they must not."""
        if isinstance(self.item, Table):
            return None
        try:
            parts = [as_tensor(sequence) for sequence in raw]
            if len({part.dtype for part in parts}) > 1:
                return None
            whole = Ragged.of(parts)
            return Ragged(self.item.encode(whole.values), whole.offsets)  # type: ignore[arg-type]
        except (RuntimeError, TypeError, ValueError):
            return None

    def encode_one(self, sequence: Any, called: str) -> Tensor:
        """One sequence as a tensor (t, *item.shape); `called` names it in what is raised."""
        try:
            return self.item.encode(sequence)  # type: ignore[return-value]
        except (TypeError, ValueError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"{called}: {str(error).removeprefix('data: ')}") from error

    def _is_one(self, raw: Any) -> bool:
        """Whether raw is one sequence, by its axes."""
        if hasattr(raw, "ndim"):
            return hasattr(raw, "columns") or raw.ndim == 1 + len(self.item.shape)
        return not self.item.shape and bool(len(raw)) and not hasattr(raw[0], "__len__")

    def decode(self, x: Encoded) -> Any:
        if isinstance(x, Ragged) or isinstance(self.item, Table):
            return [self.item.decode(sequence) for sequence in x]
        return self.item.decode(x.flatten(0, 1)).reshape(x.shape)

    @property
    def encoded_dtype(self) -> torch.dtype:
        return self.item.encoded_dtype

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
        if not isinstance(x, Ragged):
            return super().count_dims(x)
        known = self.item.count_dims(x.values)
        if isinstance(known, int):
            return x.lengths * known
        return torch.zeros_like(x.lengths).index_add(0, x.owners.cpu(), known.cpu())

    def encodes_like(self, other: Space) -> bool:
        return super().encodes_like(other) and self.item.encodes_like(other.item)  # type: ignore[attr-defined]

    def config(self) -> dict[str, Any]:
        return {"item": {"kind": type(self.item).__name__, **self.item.config()}, "length": self.length}

    def __repr__(self) -> str:
        return f"Sequence({self.item!r}, length={self.length})"

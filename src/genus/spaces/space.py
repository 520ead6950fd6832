"""Space: what one data point is.

A space knows three things and nothing of any model:

    raw <-> x       `encode` checks raw data (array, DataFrame, strings, images) and makes it a tensor of exact values;
                    `decode` gives back the same kind of thing. The round trip is exact.
    x -> features   what a network reads: floats of order one.
    x <-> z         the coordinates of a density: z = (x - location) / scale, with log|dz/dx|, so that every likelihood
                    is in the data's own units. Integers become real by x + u, u ~ U[0, 1) (dequantisation: Theis et
                    al. 2016, arXiv:1511.01844), which bounds their log-probability from below.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from genus.spaces.arrays import holds_missing
from genus.spaces.ragged import Ragged

Encoded: TypeAlias = Tensor | Ragged


class Space:
    """What one data point is: shape, support, encoding and standardisation."""

    shape: tuple[int, ...]  # of one encoded point
    heads: tuple[str, ...] = ()  # observation heads that can sit on a decoder, the default first
    discrete: bool = False  # points have probabilities rather than densities
    ragged: bool = False  # encoded points are Ragged

    # -- raw data ------------------------------------------------------------------------------------------------

    def encode(self, raw: Any) -> Encoded:
        """Raw data of n points as an encoded x (n, *shape). Raises ValueError or TypeError with what to do instead."""
        raise NotImplementedError

    def decode(self, x: Encoded) -> Any:
        """Encoded points as the kind of thing that went in."""
        raise NotImplementedError

    @property
    def encoded_dtype(self) -> torch.dtype:
        """Of encoded points."""
        raise NotImplementedError

    # -- networks ------------------------------------------------------------------------------------------------

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return self.shape

    def features(self, x: Tensor) -> Tensor:
        """What a network reads: float32 (n, *feature_shape), of order one."""
        raise NotImplementedError

    # -- densities -----------------------------------------------------------------------------------------------

    @property
    def dims(self) -> int:
        """Numbers in one point."""
        return math.prod(self.shape)

    def count_dims(self, x: Encoded) -> int | Tensor:
        """Numbers known of each point of x, what bits per dimension divides by: one int, or (n,) where points differ."""
        return (~torch.isnan(x)).reshape(len(x), -1).sum(1) if holds_missing(x) else self.dims  # type: ignore[arg-type,union-attr]

    @property
    def continuous(self) -> bool:
        """Whether points have the coordinates z of a density."""
        return False

    @property
    def location_scale(self) -> tuple[Tensor, Tensor]:
        """location and scale (dims,), float64, of z = (x - location) / scale."""
        raise NotImplementedError

    @property
    def integer_coordinates(self) -> Tensor:
        """(dims,) True where a coordinate is an integer and a density sees it through x + u."""
        return torch.full((self.dims,), self.discrete)

    def dequantise(self, x: Tensor) -> Tensor:
        """Real coordinates (n, dims) of encoded points: flat, floating, with u ~ U[0, 1) added to integers."""
        flat = x.reshape(len(x), -1)
        flat = flat if flat.is_floating_point() else flat.to(torch.float32 if flat.dtype is torch.uint8 else torch.float64)
        integer = self.integer_coordinates.to(flat.device)
        return flat + torch.rand_like(flat) * integer if integer.any() else flat

    def middles(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """Real coordinates (n, dims) of encoded points, as `dequantise` gives them, but whole numbers at the middle of [x, x + 1)."""
        flat = x.reshape(len(x), -1).to(dtype)
        return flat + self.integer_coordinates.to(flat) / 2

    def standardise(self, real: Tensor) -> tuple[Tensor, Tensor]:
        """z (n, dims) of real coordinates and log|dz/dx| (n,), counted over what is not missing."""
        location, scale = (t.to(real) for t in self.location_scale)
        z = (real - location).div_(scale)
        if holds_missing(real):
            return z, -(scale.log() * ~torch.isnan(real)).sum(-1)
        return z, -scale.log().sum().expand(real.shape[:-1])

    def from_standardised(self, z: Tensor) -> Tensor:
        """Encoded points (n, *shape) of z (n, dims): integers by floor, kept inside their range."""
        raise NotImplementedError

    def fit(self, batches: Iterable[Encoded]) -> Space:
        """The same space with its standardisation learned from training batches, streamed once."""
        return self

    def complaint(self) -> str | None:
        """Why a density cannot be learned on this fitted space (a constant column), or None."""
        return None

    def encodes_like(self, other: Space) -> bool:
        """Whether the same raw data become the same x in both, whatever their standardisation."""
        return type(self) is type(other) and self.shape == other.shape and self.discrete == other.discrete

    # -- files ---------------------------------------------------------------------------------------------------

    def config(self) -> dict[str, Any]:
        """The arguments of the constructor, as JSON values."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.config() == other.config()  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash(repr(self.config()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}{tuple(self.shape)}"


TINY = 1e-300  # below it a number is on its way to losing its digits
TILE = 2**16  # numbers whose moments are taken at once: they stay in the cache


class Standardisation:
    """Mean and standard deviation of each coordinate, streamed in float64 (Chan et al. 1979), ignoring NaN."""

    def __init__(self, names: Sequence[Any]) -> None:
        dims, self.names = len(names), names
        self.count = torch.zeros(dims, dtype=torch.float64)
        self.mean = torch.zeros(dims, dtype=torch.float64)
        # the unit of what is squared, as large as it must be for squares in range: 1e-160 has no square, nor has 1e160
        self.unit = torch.full((dims,), TINY, dtype=torch.float64)
        self.sum_of_squares = torch.zeros(dims, dtype=torch.float64)

    def update(self, flat: Tensor) -> None:
        for rows in flat.detach().split(max(1, TILE // max(1, flat.shape[1]))):
            self._add(rows.cpu().double())

    def _add(self, rows: Tensor) -> None:
        count, sum_of, summed = torch.full_like(self.count, len(rows)), torch.sum, rows.sum(0)
        if summed.isnan().any():
            count, sum_of, summed = (~torch.isnan(rows)).sum(0).double(), torch.nansum, rows.nansum(0)
        mean = summed / count.clamp_min(1)
        total = (self.count + count).clamp_min(1)
        delta = mean - self.mean

        def grown() -> Tensor:
            squares = sum_of((rows - mean).mul_(1 / self.unit).square_(), 0)
            return self.sum_of_squares + squares + (delta / self.unit).square() * self.count * count / total

        if not (squares := grown()).isfinite().all():  # as at the first rows
            unit = self.unit.maximum(sum_of((rows - mean).abs_(), 0) / count.clamp_min(1)).maximum(delta.abs())
            self.sum_of_squares *= (self.unit / unit).square()
            self.unit = unit
            squares = grown()
        self.sum_of_squares = squares
        self.mean += delta * count / total
        self.count += count

    def location_scale(self) -> tuple[list[float], list[float]]:
        if not self.count.any():
            raise ValueError("data: every value is missing (NaN), so there is nothing to learn from; pass some that are known")
        deviation = (self.sum_of_squares / self.count.clamp_min(1)).sqrt() * self.unit
        if not deviation.isfinite().all():
            name = self.names[int((~deviation.isfinite()).nonzero()[0])]
            raise ValueError(f"data: the column {name!r} holds numbers whose sum overflows; divide it by a power of ten")
        # A spread at the rounding error of its own mean is no spread: a constant column.
        constant = deviation <= 1e-14 * self.mean.abs().clamp_min(1e-290)
        return self.mean.tolist(), torch.where(constant, 0.0, deviation).tolist()


def no_spread(mean: str) -> str:
    """What `complaint` says of a coordinate with no spread, or one that is lost in the rounding of its size."""
    return (
        f"is constant (always {mean} or missing, as far as float64 can tell): its density would be infinite; "
        "drop it, or shift and rescale what does vary"
    )


def flat_tensor(values: Iterable[float] | None, dims: int, default: float) -> Tensor:
    """One finite number a coordinate; where none are given, the same one many times over, which takes no memory."""
    if values is None:
        return torch.tensor(default, dtype=torch.float64).expand(dims)
    flat = torch.tensor(list(values), dtype=torch.float64)
    if flat.shape != (dims,) or not flat.isfinite().all():
        raise ValueError(f"space: location and scale must be {dims} finite numbers each")
    return flat


def names_of(where: Tensor, limit: int = 5) -> str:
    """'0, 3, 7 and 4 more' for the True positions of a flat mask."""
    found = where.nonzero().flatten().tolist()
    shown = ", ".join(map(str, found[:limit]))
    return shown if len(found) <= limit else f"{shown} and {len(found) - limit} more"

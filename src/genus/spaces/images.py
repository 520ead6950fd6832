"""Images: pixels of whole-numbered brightness."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, refuse_alone
from genus.spaces.space import Space

LAYOUTS = ("nchw", "nhwc", "nhw")


class Images(Space):
    """Images (channels, height, width) of integers 0 .. levels - 1, kept as uint8 (int32 beyond 256 levels).

    `layout` is how the raw arrays lay: "nchw", "nhwc" or "nhw" (one channel, no axis for it). Lists of PIL images and
    of arrays are taken too.
    """

    heads = ("discretised_logistic", "categorical")
    discrete = True

    def __init__(self, channels: int, height: int, width: int, levels: int = 256, layout: str = "nchw") -> None:
        if layout not in LAYOUTS:
            raise ValueError(f"layout={layout!r} is not known: choose one of {', '.join(LAYOUTS)}")
        if layout == "nhw" and channels != 1:
            raise ValueError(f"layout='nhw' holds one channel, but channels={channels}; use 'nhwc' or 'nchw'")
        if min(channels, height, width) < 1 or levels < 2:
            raise ValueError(
                f"Images({channels}, {height}, {width}, levels={levels}): sizes must be at least 1 and levels at least 2"
            )
        self.channels, self.height, self.width, self.levels, self.layout = channels, height, width, levels, layout
        self.shape = (channels, height, width)

    @property
    def raw_shape(self) -> tuple[int, ...]:
        """Of one image as the layout has it."""
        height, width = self.height, self.width
        return {"nchw": self.shape, "nhwc": (height, width, self.channels), "nhw": (height, width)}[self.layout]

    def encode(self, raw: Any) -> Tensor:
        x, expected = as_tensor(raw), self.raw_shape
        if tuple(x.shape[1:]) == self.shape:  # encoded points are taken as they are
            pass
        elif tuple(x.shape[1:]) == expected:
            x = x.unsqueeze(1) if self.layout == "nhw" else x.permute(0, 3, 1, 2)
        else:
            refuse_alone(x, expected)
            raise ValueError(
                f"data: has shape {tuple(x.shape)}, but these images are (n, {', '.join(map(str, expected))}); crop or resize them"
            )
        if x.dtype is not torch.uint8 or self.levels < 256:
            wrong = (
                (x < 0) | (x >= self.levels) | (x != x.round() if x.is_floating_point() else torch.zeros_like(x, dtype=torch.bool))
            )
            if wrong.any():
                image = int(wrong.reshape(len(x), -1).any(1).nonzero()[0])
                value = x[image][wrong[image]].flatten()[0].item()
                raise ValueError(
                    f"data: image {image} holds {value:g}, but pixels are whole numbers from 0 to {self.levels - 1}; "
                    "rescale and round them, or pass space=genus.Reals(...)"
                )
        return x.to(self.encoded_dtype).contiguous()

    def decode(self, x: Tensor) -> Tensor:
        if self.layout == "nhw":
            return x.squeeze(1)
        return x.permute(0, 2, 3, 1).contiguous() if self.layout == "nhwc" else x

    @property
    def encoded_dtype(self) -> torch.dtype:
        return torch.uint8 if self.levels <= 256 else torch.int32

    def features(self, x: Tensor) -> Tensor:
        return x.float() * (2 / (self.levels - 1)) - 1

    @property
    def continuous(self) -> bool:
        return True

    @property
    def location_scale(self) -> tuple[Tensor, Tensor]:
        # x + u fills [0, levels); one scale for all pixels keeps black borders black
        half = self.levels / 2
        return torch.full((self.dims,), half, dtype=torch.float64), torch.full((self.dims,), half, dtype=torch.float64)

    def from_standardised(self, z: Tensor) -> Tensor:
        half = self.levels / 2
        x = (z * half + half).floor().clamp(0, self.levels - 1).reshape(len(z), *self.shape)
        return x.to(self.encoded_dtype)

    def encodes_like(self, other: Space) -> bool:
        return super().encodes_like(other) and self.levels == other.levels  # type: ignore[attr-defined]

    def config(self) -> dict[str, Any]:
        return {
            "channels": self.channels,
            "height": self.height,
            "width": self.width,
            "levels": self.levels,
            "layout": self.layout,
        }

    def __repr__(self) -> str:
        return f"Images({self.channels}, {self.height}, {self.width}, levels={self.levels})"

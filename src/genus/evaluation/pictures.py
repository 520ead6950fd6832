"""Pictures of points: sheets of images and scatters as PNG, in numpy alone, so that they need no extra."""

from __future__ import annotations

import math
import struct
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genus.spaces import Binary, Images, Reals, Space

SHEET = 640  # pixels a sheet is about wide


def png(pixels: np.ndarray) -> bytes:
    """A PNG file of uint8 pixels (height, width, channels): 1 grey, 2 grey and alpha, 3 colour, 4 colour and alpha."""
    height, width, channels = pixels.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = pixels.reshape(height, -1).astype(np.uint8)
    rows[1:] -= rows[:-1].copy()  # filter 2, "up": each row as its difference to the one above, which packs well
    rows = np.concatenate([np.full((height, 1), 2, np.uint8), rows], 1)

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b"")


def is_image(space: Space) -> bool:
    """Whether points are pictures: (channels, height, width) of 1, 3 or 4 channels, or (height, width)."""
    shape = space.shape
    if isinstance(space, Images):
        return space.channels in (1, 3, 4)
    return (
        isinstance(space, Binary | Reals) and (len(shape) == 2 or (len(shape) == 3 and shape[0] in (1, 3))) and min(shape[-2:]) > 3
    )


def is_plane(space: Space) -> bool:
    """Whether points are pairs of numbers."""
    return isinstance(space, Reals) and space.dims == 2


def brightness(space: Space, raw: Any) -> np.ndarray:
    """Images as uint8 (n, height, width, channels). Real ones are scaled by their own extremes."""
    x = space.encode(raw)
    assert isinstance(x, Tensor)
    shape = (1, *space.shape) if len(space.shape) == 2 else space.shape
    x = x.reshape(len(x), *shape).double().cpu()
    if isinstance(space, Images | Binary):
        x = x / (space.levels - 1)
    else:
        low, high = torch.quantile(x.flatten()[:100_000], torch.tensor([0.001, 0.999], dtype=torch.float64))
        x = (x - low) / (high - low).clamp_min(1e-12)
    return (x.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def sheet(images: np.ndarray, columns: int | None = None, width: int = SHEET, gap: bool = True, smooth: bool = False) -> bytes:
    """Images (n, height, width, channels) side by side in rows, as a PNG; gaps are clear.

    Enlarged pixel by pixel, or smoothly (bicubic), which is how the eye sees a tiny image from afar.
    """
    n, height, breadth, channels = images.shape
    columns = columns or max(1, min(n, math.ceil(math.sqrt(n * height / breadth))))
    rows = -(-n // columns)
    scale = max(1, width // (columns * (breadth + 1)))
    between = max(1, scale // 2) if gap else 0
    if smooth:
        planes = torch.from_numpy(images).permute(0, 3, 1, 2).float()
        big = torch.nn.functional.interpolate(planes, scale_factor=scale, mode="bicubic").clamp(0, 255)
        big = big.round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
    else:
        big = images.repeat(scale, 1).repeat(scale, 2)
    if channels in (1, 3):
        big = np.concatenate([big, np.full((*big.shape[:3], 1), 255, np.uint8)], 3)
    h, w = height * scale + between, breadth * scale + between
    canvas = np.zeros((rows * h - between, columns * w - between, big.shape[3]), np.uint8)
    for i, image in enumerate(big):
        top, left = (i // columns) * h, (i % columns) * w
        canvas[top : top + height * scale, left : left + breadth * scale] = image
    return png(canvas)


def scatter(points: np.ndarray, size: int = SHEET) -> bytes:
    """Points (n, 2) as soft dots on white, equal scales, as a PNG."""
    points = points[np.isfinite(points).all(1)]
    low, high = points.min(0), points.max(0)
    reach = float((high - low).max()) or 1.0
    at = ((points - (low + high) / 2) / reach * 0.9 + 0.5) * size
    radius = 3.0
    ink = np.zeros((size, size))
    grid = np.arange(-4, 5)
    for x, y in at:
        column, row = round(x), round(size - y)
        distance = np.hypot(column + grid[None, :] - x, row + grid[:, None] - (size - y))
        dot = np.clip(radius - distance + 0.5, 0, 1) * 0.6
        rows, columns = np.clip(row + grid, 0, size - 1), np.clip(column + grid, 0, size - 1)
        patch = ink[np.ix_(rows, columns)]
        ink[np.ix_(rows, columns)] = patch + dot * (1 - patch)
    colour = np.array([31, 95, 160])
    return png((255 - ink[..., None] * (255 - colour)).round().astype(np.uint8))


def sample_sheet(space: Space, raw: Any) -> bytes:
    """A picture of points as a PNG file: a sheet of images, or a scatter of pairs of numbers.

    Raises ValueError for points that have no picture.
    """
    if is_image(space):
        return sheet(brightness(space, raw))
    if is_plane(space):
        return scatter(space.encode(raw).reshape(-1, 2).double().numpy())  # type: ignore[union-attr]
    raise ValueError(f"{space!r} has no picture; images and pairs of numbers have one: write a .csv, .npz or .txt instead")

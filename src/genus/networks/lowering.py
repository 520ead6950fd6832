"""Convolutions that halve an image's sides, and their mirrors that double them, lowered to matrix products.

A 4x4 kernel k of stride 2 and padding 1 makes a pixel of g from rows 2y - 1 .. 2y + 2 and columns 2z - 1 .. 2z + 2 of x:

    g[y, z] = sum_i k[i] x[2y - 1 + i, 2z - 1 .. 2z + 2]          i = 0 .. 3, within the image

With rows ahead of images in memory, and odd rows apart from even ones, a term is a product of two matrices for all y and
all images at once; for each z and i it is one slice of x, of k and of g, and no number is copied or multiplied by a zero
of the padding. The form sum g k x is linear in each of the three. Its derivatives are the convolution (in g), its
mirror (in x) and the gradient of both (in k): one loop over the slices for each of them, and for their own gradients.

A processor's convolution goes along rows, and is slow where rows are short and channels many: for 128 channels of 4x4
pixels it takes twice as long as this, for the gradient in k three times. Where there are more pixels than channels, it is
the faster one and used. Lowering: Chellapilla, Puri & Simard 2006.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional as F

FEWEST_IMAGES = 32  # of fewer, products are too short to be fast
LANES = 8  # numbers a processor works on at once: of fewer channels, its own mirrored convolution leaves most idle
WRITTEN_OUT = 2**20  # numbers of few channels written out at once: more leave the cache


class Halving(nn.Conv2d):
    """(n, inputs, 2h, 2w) -> (n, outputs, h, w): a convolution with a 4x4 kernel, stride 2, padding 1."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2:]
        if rows % 2 or columns % 2 or not _lowers(x, self.weight, rows * columns):
            return super().forward(x)
        g = _Convolve.apply(x, self.weight)
        return g if self.bias is None else g + self.bias[:, None, None]


class Doubling(nn.ConvTranspose2d):
    """(n, inputs, h, w) -> (n, outputs, 2h, 2w): the mirror of `Halving`."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 4, stride=2, padding=1, bias=bias)

    def forward(self, g: Tensor, output_size: list[int] | None = None) -> Tensor:
        if output_size is not None or not _lowers(g, self.weight, 4 * g.shape[2:].numel()):
            return super().forward(g, output_size)
        x = _Spread.apply(g, self.weight)
        return x if self.bias is None else x + self.bias[:, None, None]


def _lowers(x: Tensor, k: Tensor, pixels: int) -> bool:
    return (
        len(x) >= FEWEST_IMAGES
        and (_deep(k, pixels) or k.shape[1] < LANES)
        and x.device.type == k.device.type == "cpu"
        and x.dtype == k.dtype
        and not torch.is_autocast_enabled("cpu")
    )


def _deep(k: Tensor, pixels: int) -> bool:
    """Whether each of the three maps is faster lowered; of few channels only the mirror is."""
    return pixels <= k.shape[1]


class _Map(Function):
    """A map that is linear in either of its arguments: both are kept, for the gradient in one is a map of the other."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)


class _Convolve(_Map):
    """x (n, c, 2h, 2w), k (o, c, 4, 4) -> g (n, o, h, w)."""

    @staticmethod
    def forward(x: Tensor, k: Tensor) -> Tensor:
        n, _, rows, columns = x.shape
        if not _deep(k, rows * columns):
            return F.conv2d(x, k, None, 2, 1)
        g = x.new_zeros(rows // 2, n, columns // 2, len(k))
        for of_x, of_k, of_g in _products(_in_pairs(x), _in_rows(k), g):
            of_g.addmm_(of_x, of_k.t())
        return g.transpose(0, 1).contiguous().permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (x, k), (x_moves, k_moves) = ctx.saved_tensors, ctx.needs_input_grad
        return _Spread.apply(g, k) if x_moves else None, _Correlate.apply(x, g) if k_moves else None


class _Spread(_Map):
    """g (n, o, h, w), k (o, c, 4, 4) -> x (n, c, 2h, 2w)."""

    @staticmethod
    def forward(g: Tensor, k: Tensor) -> Tensor:
        (n, _, h, w), c = g.shape, k.shape[1]
        if not _deep(k, 4 * h * w):  # few channels: the 16 c numbers of each pixel of g in one product, then added up
            some = g.split(max(1, WRITTEN_OUT // (16 * c * h * w)))
            return torch.cat([F.fold(k.flatten(1).t() @ part.flatten(2), (2 * h, 2 * w), 4, padding=1, stride=2) for part in some])
        x = g.new_zeros(2, h, n, 2 * w, c)
        for of_x, of_k, of_g in _products(x, _in_rows(k), _rows_first(g)):
            of_x.addmm_(of_g, of_k)
        return x.permute(2, 1, 0, 3, 4).reshape(n, 2 * h, 2 * w, c).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor | None, ...]:
        (g, k), (g_moves, k_moves) = ctx.saved_tensors, ctx.needs_input_grad
        return _Convolve.apply(x, k) if g_moves else None, _Correlate.apply(x, g) if k_moves else None


class _Correlate(_Map):
    """x (n, c, 2h, 2w), g (n, o, h, w) -> k (o, c, 4, 4)."""

    @staticmethod
    def forward(x: Tensor, g: Tensor) -> Tensor:
        k = x.new_zeros(g.shape[1], 4, 4, x.shape[1]).permute(0, 3, 1, 2)
        if not _deep(k, x.shape[2:].numel()):
            return torch.ops.aten.convolution_backward(
                g, x, k, None, [2, 2], [1, 1], [1, 1], False, [0, 0], 1, [False, True, False]
            )[1]
        for of_x, of_k, of_g in _products(_in_pairs(x), _in_rows(k), _rows_first(g)):
            of_k.addmm_(of_g.t(), of_x)
        return k

    @staticmethod
    def backward(ctx: Any, k: Tensor) -> tuple[Tensor | None, ...]:
        (x, g), (x_moves, g_moves) = ctx.saved_tensors, ctx.needs_input_grad
        return _Spread.apply(g, k) if x_moves else None, _Convolve.apply(x, k) if g_moves else None


def _products(x: Tensor, k: Tensor, g: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """The terms x k' = g as views of x (2, h, n, 2w, c), k (o, 4, 4 c) and g (h, n, w, o): a row of k and a column of g each."""
    c = x.shape[4]
    x = x.flatten(3)  # (2, h, n, 2w c): the columns a pixel of g sees are beside each other
    for i, half, of_x, of_g in (
        (0, 1, slice(None, -1), slice(1, None)),
        (1, 0, slice(None), slice(None)),
        (2, 1, slice(None), slice(None)),
        (3, 0, slice(1, None), slice(None, -1)),
    ):
        rows, seen_by = x[half, of_x].flatten(0, 1), g[of_g].flatten(0, 1)  # (h n, 2w c), (h n, w, o)
        for j in range(g.shape[2]):
            start = (2 * j - 1) * c
            low, high = max(start, 0), min(start + 4 * c, x.shape[3])  # what of the kernel lies inside the image
            yield rows[:, low:high], k[:, i, low - start : high - start], seen_by[:, j]


def _in_pairs(x: Tensor) -> Tensor:
    return x.unflatten(2, (-1, 2)).permute(3, 2, 0, 4, 1).contiguous()  # (2, h, n, 2w, c)


def _rows_first(g: Tensor) -> Tensor:
    return g.permute(2, 0, 3, 1).contiguous()  # (h, n, w, o)


def _in_rows(k: Tensor) -> Tensor:
    return k.permute(0, 2, 3, 1).flatten(2)  # (o, 4, 4 c): no copy of a kernel that is channels_last

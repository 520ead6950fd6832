"""Convolutions that halve an image's sides, and their mirrors that double them, lowered to matrix products.

A 4x4 kernel k of stride 2 and padding 1 makes a pixel of g from rows 2y - 1 .. 2y + 2 and columns 2z - 1 .. 2z + 2 of x:

    g[y, z] = sum_i k[i] x[2y - 1 + i, 2z - 1 .. 2z + 2]          i = 0 .. 3, within the image

With rows ahead of images in memory, and odd rows apart from even ones, a term is a product of two matrices for all y and
all images at once; for each z and i it is one slice of x, of k and of g, and no number is copied or multiplied by a zero
of the padding. The form sum g k x is linear in each of the three. Its derivatives are the convolution (in g), its
mirror (in x) and the gradient of both (in k): one loop over the slices for each of them, and for their own gradients.

A processor's convolution goes along rows, and is slow where rows are short and channels many: for 128 channels of 4x4
pixels it takes twice as long as this, for the gradient in k three times. Where there are more pixels than channels, it is
the faster one and used; but a mirror with few channels leaves most of a processor's lanes idle, and is one product and a
few sums here. Lowering: Chellapilla, Puri & Simard 2006.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

FEWEST_IMAGES = 32  # of fewer, products are too short to be fast
LANES = 8  # numbers a processor works on at once
WRITTEN_OUT = 2**20  # numbers of few channels written out at once: more leave the cache


class Halving(nn.Conv2d):
    """(n, inputs, 2h, 2w) -> (n, outputs, h, w): a convolution with a 4x4 kernel, stride 2, padding 1."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 4, stride=2, padding=1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        rows, columns = x.shape[2:]
        if rows % 2 or columns % 2 or rows * columns > self.in_channels or not _lowers(x, self.weight):
            return super().forward(x)
        in_pairs = x.permute(0, 2, 3, 1).unflatten(1, (-1, 2)).permute(2, 1, 0, 3, 4)  # (2, h, n, 2w, c)
        g = _Convolve.apply(in_pairs.contiguous(), _in_rows(self.weight))
        return _with(self.bias, g.transpose(0, 1).contiguous().permute(0, 3, 1, 2))


class Doubling(nn.ConvTranspose2d):
    """(n, inputs, h, w) -> (n, outputs, 2h, 2w): the mirror of `Halving`."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 4, stride=2, padding=1, bias=bias)

    def forward(self, g: Tensor, output_size: list[int] | None = None) -> Tensor:
        deep = 4 * g.shape[2:].numel() <= self.out_channels
        if output_size is not None or not (deep or self.out_channels < LANES) or not _lowers(g, self.weight):
            return super().forward(g, output_size)
        if not deep:
            return _with(self.bias, _SpreadFew.apply(g, self.weight))
        x = _Spread.apply(g.permute(2, 0, 3, 1).contiguous(), _in_rows(self.weight))
        return _with(self.bias, x.permute(2, 1, 0, 3, 4).flatten(1, 2).permute(0, 3, 1, 2))


def _lowers(x: Tensor, k: Tensor) -> bool:
    return (
        len(x) >= FEWEST_IMAGES
        and x.device.type == k.device.type == "cpu"
        and x.dtype == k.dtype
        and not torch.is_autocast_enabled("cpu")
    )


def _in_rows(k: Tensor) -> Tensor:
    return k.permute(0, 2, 3, 1).flatten(2)  # (o, 4, 4 c): no copy of a kernel that is channels_last


def _with(bias: Tensor | None, planes: Tensor) -> Tensor:
    return planes if bias is None else planes + bias[:, None, None]


class _Map(Function):
    """A map that is linear in either of its arguments: both are kept, for the gradient in one is a map of the other."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)


class _Convolve(_Map):
    """x (2, h, n, 2w, c), k (o, 4, 4 c) -> g (h, n, w, o)."""

    @staticmethod
    def forward(x: Tensor, k: Tensor) -> Tensor:
        _, h, n, columns, _ = x.shape
        g = x.new_empty(h, n, columns // 2, len(k))
        for first, of_x, of_k, of_g in _products(x, k, g):
            of_g.addmm_(of_x, of_k.t(), beta=0 if first else 1)
        return g

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> tuple[Tensor | None, ...]:
        (x, k), (x_moves, k_moves), g = ctx.saved_tensors, ctx.needs_input_grad, g.contiguous()
        return _Spread.apply(g, k) if x_moves else None, _Correlate.apply(x, g) if k_moves else None


class _Spread(_Map):
    """g (h, n, w, o), k (o, 4, 4 c) -> x (2, h, n, 2w, c)."""

    @staticmethod
    def forward(g: Tensor, k: Tensor) -> Tensor:
        h, n, w, _ = g.shape
        x = g.new_zeros(2, h, n, 2 * w, k.shape[2] // 4)
        for _, of_x, of_k, of_g in _products(x, k, g):
            of_x.addmm_(of_g, of_k)
        return x

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor | None, ...]:
        (g, k), (g_moves, k_moves), x = ctx.saved_tensors, ctx.needs_input_grad, x.contiguous()
        return _Convolve.apply(x, k) if g_moves else None, _Correlate.apply(x, g) if k_moves else None


class _Correlate(_Map):
    """x (2, h, n, 2w, c), g (h, n, w, o) -> k (o, 4, 4 c)."""

    @staticmethod
    def forward(x: Tensor, g: Tensor) -> Tensor:
        k = x.new_zeros(g.shape[3], 4, 4 * x.shape[4])
        for _, of_x, of_k, of_g in _products(x, k, g):
            of_k.addmm_(of_g.t(), of_x)
        return k

    @staticmethod
    def backward(ctx: Any, k: Tensor) -> tuple[Tensor | None, ...]:
        (x, g), (x_moves, g_moves), k = ctx.saved_tensors, ctx.needs_input_grad, k.contiguous()
        return _Spread.apply(g, k) if x_moves else None, _Convolve.apply(x, k) if g_moves else None


def _products(x: Tensor, k: Tensor, g: Tensor) -> Iterator[tuple[bool, Tensor, Tensor, Tensor]]:
    """The terms x k' = g as views of x, k and g: a row of k and a column of g each. Ahead: whether it is the first into its g."""
    h, c = x.shape[1], x.shape[4]
    x, width = x.flatten(3), x.shape[3] * c  # (2, h, n, 2w c): the columns a pixel of g sees are beside each other
    for i, half, of_x, of_g in ((1, 0, 0, 0), (2, 1, 0, 0), (0, 1, 0, 1), (3, 0, 1, 0)):
        if max(of_x, of_g) == h:  # of a single row, the padding is all that the outer rows of k see
            continue
        rows, of_k = x[half, of_x : h - of_g].flatten(0, 1), k[:, i]  # (h n, 2w c), (o, 4 c)
        for j, seen_by in enumerate(g[of_g : h - of_x].flatten(0, 1).unbind(1)):
            start = (2 * j - 1) * c
            low, high = max(start, 0), min(start + 4 * c, width)  # what of the kernel lies inside the image
            yield i == 1, rows[:, low:high], of_k[:, low - start : high - start], seen_by


class _SpreadFew(_Map):
    """g (n, o, h, w), k (o, c, 4, 4) -> x (n, c, 2h, 2w) for few c: what each pixel of g gives to 4x4 of x, added up."""

    @staticmethod
    def forward(g: Tensor, k: Tensor) -> Tensor:
        (n, o, h, w), c = g.shape, k.shape[1]
        x = g.new_empty(n, c, h, 2, w, 2)
        for of_g, of_x in zip(*(t.split(max(1, WRITTEN_OUT // (16 * c * h * w))) for t in (g, x)), strict=True):
            given = k.flatten(1).t() @ of_g.permute(0, 2, 3, 1).reshape(-1, o).t()
            given = given.unflatten(0, (c, 4, 4)).unflatten(3, (-1, h, w))  # (c, 4, 4, n, h, w)
            # to row 2y from rows 1 of y and 3 of y - 1, to row 2y + 1 from rows 2 of y and 0 of y + 1
            rows = given[:, 1:3]
            rows[:, 0, ..., 1:, :] += given[:, 3, ..., :-1, :]
            rows[:, 1, ..., :-1, :] += given[:, 0, ..., 1:, :]
            both = rows[:, :, 1:3]
            both[:, :, 0, ..., 1:] += rows[:, :, 3, ..., :-1]
            both[:, :, 1, ..., :-1] += rows[:, :, 0, ..., 1:]
            of_x.copy_(both.permute(3, 0, 4, 1, 5, 2))
        return x.flatten(4).flatten(2, 3)

    @staticmethod
    def backward(ctx: Any, x: Tensor) -> tuple[Tensor | None, ...]:
        (g, k), moves = ctx.saved_tensors, [*ctx.needs_input_grad, False]
        return torch.ops.aten.convolution_backward(x, g, k, None, [2, 2], [1, 1], [1, 1], True, [0, 0], 1, moves)[:2]

"""Convolutional coders: an image halved until it is a point and its neighbours, and a code doubled back into an image.

A stage halves both sides with a 4x4 kernel of stride 2 and doubles the channels, so that every stage costs the same;
the decoder is its mirror (DCGAN: Radford et al. 2016, arXiv:1511.06434). The kernel is a multiple of the stride, which
leaves no chequerboard (Odena et al. 2016). Sides need not be even: 28 goes 14, 7, 4, 2, and the way back cuts what is
to spare.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from genus.networks.lowering import Doubling, Halving

SMALLEST = 2  # a longer side of this many pixels is halved no more
WIDEST = 512  # channels stop doubling here


def group_norm(channels: int) -> nn.Module:
    """Groups of up to 16 channels share mean and variance (Wu & He 2018, arXiv:1803.08494).

    Each image for itself: the same answer whatever else is in the batch and on however many processes it is spread,
    which batch normalisation cannot promise.
    """
    groups = max(1, channels // 16)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


def stages(height: int, width: int, hidden: int) -> list[tuple[int, int, int]]:
    """What each halving leaves: (channels, height, width), finest first; at least one."""
    left: list[tuple[int, int, int]] = []
    while not left or max(height, width) > SMALLEST:
        height, width = (height + 1) // 2, (width + 1) // 2
        left.append((min(hidden * 2 ** len(left), max(hidden, WIDEST)), height, width))
    return left


class Cut(nn.Module):
    """The first rows and columns of an image: doubling 4 to reach 7 leaves one to spare."""

    def __init__(self, rows: int, columns: int) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, : self.rows, : self.columns]


class ConvolutionalEncoder(nn.Module):
    """Images (n, channels, height, width) -> (n, outputs). hidden is the channels of the first stage."""

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        outputs: int,
        *,
        hidden: int = 32,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for wider, rows, columns in stages(height, width, hidden):
            # an odd side gets a spare row or column at its end, so that halving rounds up and drops no pixel
            if height % 2 or width % 2:
                layers.append(nn.ZeroPad2d((0, width % 2, 0, height % 2)))
            # a norm brings a shift of its own
            layers += [Halving(channels, wider, bias=False), group_norm(wider), activation()]
            channels, height, width = wider, rows, columns
        self.stages = nn.Sequential(*layers)
        self.head = nn.Linear(channels * height * width, outputs)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)  # a tenth faster through every convolution
        return self.head(self.stages(x).flatten(1))  # (n, outputs)


class ConvolutionalDecoder(nn.Module):
    """Codes (n, inputs) -> planes (n, channels, height, width), unbounded. hidden: channels of the finest stage."""

    def __init__(
        self,
        inputs: int,
        channels: int,
        height: int,
        width: int,
        *,
        hidden: int = 32,
        activation: Callable[[], nn.Module] = nn.SiLU,
    ) -> None:
        super().__init__()
        *finer, self.start = stages(height, width, hidden)  # start: (channels, height, width) of the coarsest stage
        wide = self.start[0]
        self.foot = nn.Linear(inputs, math.prod(self.start))
        layers: list[nn.Module] = []
        for narrow, rows, columns in reversed(finer):
            layers += [Doubling(wide, narrow, bias=False), Cut(rows, columns), group_norm(narrow), activation()]
            wide = narrow
        layers += [Doubling(wide, channels), Cut(height, width)]
        self.stages = nn.Sequential(*layers)
        self.to(memory_format=torch.channels_last)

    def forward(self, z: Tensor) -> Tensor:
        x = self.foot(z).unflatten(1, self.start).contiguous(memory_format=torch.channels_last)
        return self.stages(x)  # (n, channels, height, width)

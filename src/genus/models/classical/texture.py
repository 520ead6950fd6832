"""Texture by example: more of a texture, grown from photographs of it, without parameters.

What a pixel is depends on the pixels around it. So look for the places in the exemplars whose surroundings are like
those that are there already, and copy what stands in one of them:

    d(w) = sum_q m_q |w_q - x_q|^2 / sum_q m_q        every window w of the exemplars, over the pixels q that are known
    copy from any w with d(w) <= (1 + tolerance) d*   d*: the least d; where one window is the very same, the next

One window that is the very same may be copied, but does not set the measure: alone, it would lead through its exemplar to
the edge. Where several are the same, as in a regular texture, nothing else will do.
All distances at once are a correlation, |w|^2 - 2 w x + |x|^2: a convolution, by Fourier transform where it is large.
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool1d, max_pool2d, pad

from genus.fields import Count, NonNegative, check_count
from genus.learning import LearnsByMemory
from genus.model import CanSample
from genus.spaces import Images, Space
from genus.spaces.arrays import as_tensor

SAME = 1e-5  # d, black to white being 1, below which no eye tells two windows apart
SMALLEST = 3  # pixels a side: below it a pixel has no surroundings
FOURIER = 200  # pixels of a window from which Fourier transforms are faster
TILE = 1 << 21  # distances at a time: they are read a few times while they are in the cache


class _FromExemplars(LearnsByMemory, CanSample):
    """Keeps images of a texture, and makes others of it, of any size. A model writes `grow`."""

    spaces: ClassVar = (Images,)
    data_sized: ClassVar[tuple[str, ...]] = ("exemplars",)
    sample_chunk: ClassVar[int] = 64

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        if isinstance(space, Images) and min(space.height, space.width) < SMALLEST:
            return f"its images are {space.height} x {space.width}, and texture needs {SMALLEST} pixels each way; pass larger ones"
        return None

    def build(self, space: Space) -> None:
        assert isinstance(space, Images)
        self.register_buffer("exemplars", torch.zeros(0, *space.shape, dtype=space.encoded_dtype))

    def remember(self, kept: Tensor) -> None:
        self.exemplars = kept

    def flaw(self) -> str | None:
        if not len(self.exemplars) or not 0 <= int(self.exemplars.min()) <= int(self.exemplars.max()) < self._images.levels:
            return f"exemplars must be at least one image of pixels from 0 to {self._images.levels - 1}"
        return None

    def synthesise(self, height: int, width: int, n: int = 1, *, seed: int = 0) -> Any:
        """n images of the texture, height by width pixels, laid out as the exemplars are. The same seed gives the same.

        Raises ValueError for sizes below 1, RuntimeError if not fitted.
        """
        space = self._images
        height, width, n = check_count("height", height, 1), check_count("width", width, 1), check_count("n", n, 1)
        with self.verb(seed, "synthesise"):
            x = self._pixels(self.grow(n, height, width))
        return Images(space.channels, height, width, space.levels, space.layout).decode(x.cpu())

    def draw(self, n: int, g: Tensor | None) -> Tensor:
        return self._pixels(self.grow(n, self._images.height, self._images.width))

    def grow(self, n: int, height: int, width: int) -> Tensor:
        """n images (n, channels, height, width) of values in [0, 1]."""
        raise NotImplementedError

    @property
    def _images(self) -> Images:
        space = self.fitted_space
        assert isinstance(space, Images)
        return space

    def _values(self, pixels: Tensor) -> Tensor:
        return pixels.to(torch.float32) / (self._images.levels - 1)

    def _pixels(self, values: Tensor) -> Tensor:
        return (values * (self._images.levels - 1)).round().to(self.exemplars.dtype)


class EfrosLeung(_FromExemplars):
    """Texture pixel by pixel: each is copied from where its surroundings look alike.

    A pixel's surroundings are a square window, weighed by a Gaussian of a 6.4th of its side. The order is from what is
    known outwards, or, filling a hole, inwards: the pixel with the most known surroundings first. Pixels outside each
    other's windows cannot tell who was first, so many are found at once, by one convolution.

    The window should hold the largest thing that repeats; a smaller one grows noise, a larger one copies.

    Efros & Leung 1999, Texture synthesis by non-parametric sampling.
    """

    window: Count = 11  # pixels on a side of the surroundings, an odd number; at most an exemplar's side
    tolerance: NonNegative = 0.1  # how much worse than the best a window may match, as a share of its distance

    def refuses(self, space: Space) -> str | None:
        if self.window % 2 == 0 or self.window < SMALLEST:
            return f"window={self.window} has no pixel in its middle, or nothing around it; pass an odd number, at least {SMALLEST}"
        return super().refuses(space)

    def grow(self, n: int, height: int, width: int) -> Tensor:
        x = torch.zeros(n, self._images.channels, height, width, device=self.device)
        known = torch.zeros(height, width, dtype=torch.bool, device=self.device)
        middle = (slice((height - 1) // 2, (height - 1) // 2 + SMALLEST), slice((width - 1) // 2, (width - 1) // 2 + SMALLEST))
        known[middle] = True
        exemplars = self._values(self.exemplars)
        some = torch.randint(_places(exemplars, SMALLEST), (n,), device=self.device)
        x[:, :, *middle] = _cut_out(exemplars, some, SMALLEST)[:, :, : known[middle].shape[0], : known[middle].shape[1]]
        return self._fill(x, known, [exemplars])

    def fill_hole(self, image: Any, mask: Any, *, seed: int = 0) -> Any:
        """The image with the pixels where mask (height, width) is true made anew, from its border inwards.

        image: one image of any size, laid out as the exemplars are. What is copied comes from the exemplars and from the
        image's own whole windows; an exemplar that is this very image, hole and all, is left out. Raises ValueError for a
        mask of another shape, or one that leaves nothing to go by.
        """
        layout, shape = self._images.layout, tuple(as_tensor(image, "image").shape)
        height, width = shape[:2] if layout in ("nhwc", "nhw") else shape[-2:]
        space = Images(self._images.channels, height, width, self._images.levels, layout)
        if (reason := self.refuses(space)) is not None:
            raise ValueError(f"image: {reason}")
        pixels = space.encode(as_tensor(image, "image")[None]).to(self.device)
        hole = as_tensor(mask, "mask").to(self.device).bool()
        if tuple(hole.shape) != (height, width) or bool(hole.all()):
            raise ValueError(
                f"mask: has shape {tuple(hole.shape)} and {int(hole.sum())} true pixels, but must be {height} x {width} and leave some false"
            )
        others = self.exemplars[[not torch.equal(exemplar, pixels[0]) for exemplar in self.exemplars]]
        x = self._values(pixels)
        with self.verb(seed, "fill"):
            filled = self._fill(x, ~hole, [x.masked_fill(hole, torch.nan), *([self._values(others)] if len(others) else [])])
        return space.decode(self._pixels(filled).cpu())[0]

    def _fill(self, x: Tensor, known: Tensor, sources: list[Tensor]) -> Tensor:
        """x (n, c, h, w) with the pixels that are not known (h, w) copied from the sources; their NaN are never copied."""
        side = min(self.window, *(min(source.shape[-2:]) for source in sources))
        side -= 1 - side % 2
        r = side // 2
        weight = _gaussian(side).to(x)
        centres = torch.cat([source[:, :, r:-r, r:-r].transpose(0, 1).flatten(1) for source in sources], 1)  # (c, windows)
        library = _Library(sources, side)
        offsets = torch.arange(-r, r + 1, device=x.device)
        x, known, waiting = (pad(image, (r, r, r, r)) for image in (x, known, ~known))  # beyond the edge neither known nor waiting
        while bool(waiting.any()):
            there = known.to(x)[None]
            border = waiting & (max_pool2d(there, 3, 1, 1)[0] > 0)
            urgency = side**2 * avg_pool2d(there, side, 1, r)[0] + torch.rand_like(there[0])  # how many are known; ties by lot
            urgency = torch.where(border, urgency, 0.0)
            rows, columns = (border & (urgency == max_pool2d(urgency[None], side, 1, r)[0])).nonzero(as_tuple=True)
            at = (rows[:, None] + offsets)[:, :, None], (columns[:, None] + offsets)[:, None]  # (pixels, side, side)
            around = x[:, :, *at].transpose(1, 2).flatten(0, 1)  # (n pixels, c, side, side)
            found = library.choose(around, (known[at] * weight).repeat(len(x), 1, 1), self.tolerance)
            x[:, :, rows, columns] = centres[:, found.reshape(len(x), -1)].transpose(0, 1)
            known[rows, columns], waiting[rows, columns] = True, False
        return x[:, :, r:-r, r:-r]


class Quilting(_FromExemplars):
    """Texture block by block: each is laid over its neighbours and cut along the line where they differ least.

    Blocks are laid row by row, each overlapping what is there on the left and above, and chosen so that the overlaps
    agree. The cut is the path of least squared error through an overlap, by dynamic programming:

        E_ij = e_ij + min(E_i-1,j-1, E_i-1,j, E_i-1,j+1)

    A hundred times faster than pixel by pixel. A block should hold the largest thing that repeats.

    Efros & Freeman 2001, Image quilting for texture synthesis and transfer.
    """

    block: Count | None = None  # pixels on a side of a block; None is a sixth of an exemplar's shorter side
    overlap: Count | None = None  # pixels by which blocks overlap; None is a sixth of a block
    tolerance: NonNegative = 0.1  # how much worse than the best a block may match, as a share of its distance

    def refuses(self, space: Space) -> str | None:
        if self.block is not None and (self.overlap or 1) >= self.block:
            return f"overlap={self.overlap or 1} must be less than block={self.block}; pass a larger block"
        return super().refuses(space)

    def grow(self, n: int, height: int, width: int) -> Tensor:
        exemplars = self._values(self.exemplars)
        shorter = min(exemplars.shape[-2:])
        block = min(self.block or max(SMALLEST, shorter // 6), shorter)
        overlap = min(self.overlap or max(1, block // 6), block - 1)
        step = block - overlap
        down, across = (max(1, -(-(size - overlap) // step)) for size in (height, width))
        x = torch.zeros(n, exemplars.shape[1], down * step + overlap, across * step + overlap, device=self.device)
        library = _Library([exemplars], block)
        for top in range(0, down * step, step):
            for left in range(0, across * step, step):
                under = x[:, :, top : top + block, left : left + block]
                mask = torch.zeros(n, block, block, device=self.device)
                mask[:, : overlap if top else 0] = 1
                mask[:, :, : overlap if left else 0] = 1
                over = _cut_out(exemplars, library.choose(under, mask, self.tolerance), block)
                error, columns = (over - under).square().sum(1), torch.arange(block, device=self.device)
                taken = torch.ones_like(error, dtype=torch.bool)
                if left:
                    taken &= columns >= least_cut(error[:, :, :overlap])[:, :, None]
                if top:
                    taken &= (columns >= least_cut(error[:, :overlap].mT)[:, :, None]).mT
                under.copy_(torch.where(taken[:, None], over, under))
        return x[:, :, :height, :width]


def least_cut(error: Tensor) -> Tensor:
    """The columns (n, length) of the path of least total error down (n, length, width), one column aside a row at most."""
    totals = [error[:, 0]]
    for row in error.unbind(1)[1:]:
        totals.append(row - max_pool1d(-totals[-1], 3, 1, 1))
    path = [totals[-1].argmin(1)]
    columns = torch.arange(error.shape[2], device=error.device)
    for total in totals[-2::-1]:
        path.append(total.masked_fill((columns - path[-1][:, None]).abs() > 1, torch.inf).argmin(1))
    return torch.stack(path[::-1], 1)


class _Library:
    """All square windows of some images (m, c, h, w); those with NaN are never chosen."""

    def __init__(self, images: list[Tensor], side: int) -> None:
        holes = [image.isnan().any(1).to(image) for image in images]  # (m, h, w)
        self.lost: Tensor | None = None
        if any(bool(hole.any()) for hole in holes):
            self.lost = torch.cat([max_pool2d(hole, side, 1).bool().flatten() for hole in holes])
            if bool(self.lost.all()):
                raise ValueError(f"mask: leaves no whole window of {side} x {side} pixels to copy from; use a smaller window")
        images = [image.nan_to_num(0.0) for image in images]
        self.images = [torch.cat([image, image.square().sum(1, keepdim=True)], 1) for image in images]  # w and |w|^2

    def choose(self, x: Tensor, mask: Tensor, tolerance: float) -> Tensor:
        """For each x (b, c, side, side), of which `mask` (b, side, side) counts, one of the windows most like it, (b,)."""
        mask = (mask / mask.sum((1, 2), keepdim=True).clamp_min(SAME))[:, None]
        filters = torch.cat([-2 * mask * x, mask], 1)
        own = (mask * x.square()).sum((1, 2, 3))
        windows = sum(_places(image, x.shape[-1]) for image in self.images)
        tiles = zip(filters.split(max(1, TILE // windows)), own.split(max(1, TILE // windows)), strict=True)
        return torch.cat([self._choose(tile, part, tolerance) for tile, part in tiles])

    def _choose(self, filters: Tensor, own: Tensor, tolerance: float) -> Tensor:
        distance = torch.cat([_correlate(image, filters) for image in self.images], 1).add_(own[:, None])
        if self.lost is not None:
            distance = distance.masked_fill(self.lost, torch.inf)
        nearest = distance.topk(min(2, distance.shape[1]), 1, largest=False).values
        measure = torch.where(nearest[:, :1] > SAME, nearest[:, :1], nearest[:, -1:])
        measure = torch.where(measure.isinf(), 0.0, measure * (1 + tolerance)).clamp_min(SAME)
        near = distance <= measure
        rows, columns = near.nonzero(as_tuple=True)
        count = torch.bincount(rows, minlength=len(filters))
        first = count.cumsum(0) - count
        return columns[first + (torch.rand(len(count), dtype=torch.float64, device=count.device) * count).long()]


def _correlate(images: Tensor, filters: Tensor) -> Tensor:
    """sum_q f_q w_q for filters (b, c, side, side) and all windows w of images (m, c, h, w): (b, windows)."""
    height, width = images.shape[-2:]
    side = filters.shape[-1]
    if side * side <= FOURIER:
        return conv2d(images, filters).transpose(0, 1).flatten(1)
    product = torch.einsum("mchw,bchw->bmhw", torch.fft.rfft2(images), torch.fft.rfft2(filters, (height, width)).conj())
    return torch.fft.irfft2(product, (height, width))[:, :, : height - side + 1, : width - side + 1].flatten(1)


def _places(images: Tensor, side: int) -> int:
    """How many windows images (m, c, h, w) have."""
    return len(images) * (images.shape[2] - side + 1) * (images.shape[3] - side + 1)


def _cut_out(images: Tensor, which: Tensor, side: int) -> Tensor:
    """The windows of those numbers (b,), as (b, c, side, side)."""
    down, across = images.shape[2] - side + 1, images.shape[3] - side + 1
    image, top, left = which // (down * across), which // across % down, which % across
    offsets = torch.arange(side, device=which.device)
    rows, columns = (top[:, None] + offsets)[:, :, None], (left[:, None] + offsets)[:, None]
    return images[image[:, None, None], :, rows, columns].permute(0, 3, 1, 2)


def _gaussian(side: int) -> Tensor:
    """Weights (side, side) of standard deviation side / 6.4."""
    bell = (-(torch.arange(side) - side // 2).square() / (2 * (side / 6.4) ** 2)).exp()
    return bell[:, None] * bell

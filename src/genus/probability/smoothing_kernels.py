"""Smoothing kernels: the bumps that a kernel density is a sum of, in units of their own width.

    gaussian       K(u) ~ exp(-|u|^2 / 2)
    epanechnikov   K(u) ~ (1 - |u|^2)+^s with s = 1          tophat   the same with s = 0

All of them are closed under marginals and conditionals. For the second kind, with a of d coordinates known and b = d - a,

    K(u_a) ~ (1 - |u_a|^2)+^(s + b/2)          u_b | u_a  ~  sqrt(1 - |u_a|^2) v,   v ~ K on b coordinates, the same s

(Pearson type II: Johnson 1987). A `product` kernel is K(u) = prod_j K(u_j); of the Gaussian that is the kernel itself.
Sums over points run tile by tile with the largest exponent so far taken out (Milakov & Gimelshein 2018, arXiv:1805.02867).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

Name = Literal["gaussian", "epanechnikov", "tophat"]

POINTS, QUERIES = 1024, 512  # of a tile: it stays in the cache of one core
IN_MEMORY = 2**22  # kernel values held at once where they cannot be summed tile by tile
LEAST = -124.0  # 2 to less is denormal in float32, 17 times slower, and adds nothing
MOST = 80.0  # 2 to it, times as many points as there may be, is a float32
EXACT_IN_SINGLE = 800.0  # |u|^2 up to which float32 distances keep 1e-4 of a kernel's value
EXACT_IN_DOUBLE = 1e9  # the same of float64, to 1e-6; beyond it each coordinate's differences are taken, ten times slower
MANY = 2**14  # points from which kernels of float64 distances are float32: 4e-6 of the sum at most, for a third of the time


@dataclass(frozen=True)
class SmoothingKernel:
    """A kernel on `dims` coordinates; `power` is s, None for the Gaussian."""

    dims: int
    power: float | None
    product: bool = False

    @classmethod
    def named(cls, name: Name, dims: int, product: bool = False) -> SmoothingKernel:
        """The kernel of a name; a product of Gaussians is the round one."""
        power = {"gaussian": None, "epanechnikov": 1.0, "tophat": 0.0}[name]
        return cls(dims, power, product and power is not None)

    @property
    def log_constant(self) -> float:
        """log of what makes the kernel integrate to one."""
        if self.power is None:
            return -self.dims / 2 * math.log(2 * math.pi)
        if self.product:
            return self.dims * SmoothingKernel(1, self.power).log_constant
        return math.lgamma(self.power + 1 + self.dims / 2) - math.lgamma(self.power + 1) - self.dims / 2 * math.log(math.pi)

    @property
    def variance(self) -> float:
        """Of each coordinate."""
        if self.power is None:
            return 1.0
        return 1 / ((1 if self.product else self.dims) + 2 * self.power + 2)

    def marginal(self, dims: int) -> SmoothingKernel:
        """The kernel of `dims` of the coordinates."""
        if self.power is None or self.product:
            return replace(self, dims=dims)
        return SmoothingKernel(dims, self.power + (self.dims - dims) / 2)

    def draw(self, n: int, like: Tensor) -> Tensor:
        """n draws (n, dims), by torch's default generator."""
        u = torch.randn(n, self.dims, dtype=like.dtype, device=like.device)
        if self.power is None:
            return u
        across = 1 if self.product else self.dims  # coordinates that share a radius: |u|^2 ~ Beta(across / 2, s + 1)
        u = u.reshape(-1, across)
        square = torch.distributions.Beta(across / 2, self.power + 1).sample((len(u), 1)).to(u)
        return (u / u.norm(dim=1, keepdim=True) * square.sqrt()).reshape(n, self.dims)

    def shrink(self, u: Tensor) -> Tensor | float:
        """How far the other coordinates spread where these (n, a) are known: (n, 1)."""
        if self.power is None or self.product:
            return 1.0
        return (1 - u.square().sum(1, keepdim=True)).clamp_min(0).sqrt()

    def log_values(self, points: Tensor, u: Tensor) -> Tensor:
        """log K(u_j - points_i) but for its constant, (N, m): all at once, differentiable."""
        if self.product and self.dims > 1:
            kernel = SmoothingKernel(1, self.power)
            return torch.stack([kernel.log_values(p[:, None], v[:, None]) for p, v in zip(points.T, u.T)]).sum(0)
        if _largest_square(points.detach(), u.detach()) > EXACT_IN_DOUBLE:
            square = sum((v - p[:, None]).square() for p, v in zip(points.T, u.T))
            values = -square / 2 if self.power is None else 1 - square
        else:
            values = self._left(points) @ self._right(u).T
        return values if self.power is None else _log_power(values, self.power)

    def log_sum(self, points: Tensor, u: Tensor, own: Tensor | None = None) -> Tensor:
        """log sum_i K(u_j - points_i), (m,): -inf where no kernel reaches.

        points (N, dims), u (m, dims); own (m,): the number of a point that each u leaves out, because it is that point.
        """
        if not len(u):
            return u.new_zeros(0)
        asked = u.dtype
        if points.dtype == torch.float32 and (self.power is not None or _largest_square(points, u.detach()) > EXACT_IN_SINGLE):
            points, u = points.double(), u.double()
        if torch.is_grad_enabled() and u.requires_grad:
            return self._differentiable_log_sum(points, u).to(asked)
        prepared, summed = points, self._far_sum
        if self.power is not None:
            summed = self._power_sum
        elif _largest_square(points, u) <= EXACT_IN_DOUBLE:
            prepared, summed = self._left(points), self._exponential_sum  # type: ignore[assignment]
        parts = [
            summed(prepared, u[start : start + QUERIES], None if own is None else own[start : start + QUERIES])
            for start in range(0, len(u), QUERIES)
        ]
        return (torch.cat(parts) + self.log_constant).to(asked)

    def _exponential_sum(self, left: Tensor, u: Tensor, own: Tensor | None) -> Tensor:
        """In powers of two, which take half the time of exp."""
        right = self._right(u) / math.log(2)
        room = left.new_empty(min(POINTS, len(left)), len(u))  # one for all tiles: fresh memory costs as much as the product
        values = room if len(left) < MANY else room.to(torch.float32)

        def exponents(start: int) -> Tensor:
            some = left[start : start + POINTS]
            tile = _leave_out(torch.mm(some, right.T, out=room[: len(some)]), own, start, -math.inf)
            return tile if values is room else values[: len(tile)].copy_(tile)

        shift = exponents(0).amax(0).to(right)  # near the largest of all
        right[:, -1] -= shift
        total = torch.zeros_like(shift, dtype=torch.float64)
        for start in range(0, len(left), POINTS):
            tile = exponents(start)
            if not float(shift.amin()) > -MOST:  # else no exponent, at most 0 before the shift, can be too large
                rise = tile.amax(0).clamp_min_(0).to(right)
                if float(rise.amax()) > MOST:
                    shift, total = shift + rise, total * (-rise).double().exp2()
                    right[:, -1] -= rise
                    tile = exponents(start)  # anew: the difference of large numbers in float32 has few digits
            total += tile.clamp_(min=LEAST).exp2_().sum(0)
        return (shift + total.log2().to(shift)) * math.log(2)

    def _far_sum(self, points: Tensor, u: Tensor, own: Tensor | None) -> Tensor:
        total = torch.full_like(u[:, 0], -math.inf)
        for start in range(0, len(points), POINTS):
            values = self.log_values(points[start : start + POINTS], u)
            total = torch.logaddexp(total, _leave_out(values, own, start, -math.inf).logsumexp(0))
        return total

    def _power_sum(self, points: Tensor, u: Tensor, own: Tensor | None) -> Tensor:
        total = u.new_zeros(len(u))
        for start in range(0, len(points), POINTS):
            values = self.log_values(points[start : start + POINTS], u).exp_()
            total += _leave_out(values, own, start, 0.0).sum(0)
        return total.log()

    def _differentiable_log_sum(self, points: Tensor, u: Tensor) -> Tensor:
        """The same in plain operations; what a tile holds is computed again on the way back instead of kept."""

        def of(some: Tensor) -> Tensor:
            return self.log_values(points, some).logsumexp(0)

        tiles = u.split(max(1, IN_MEMORY // len(points)))
        sums = [checkpoint(of, tile, use_reentrant=False, preserve_rng_state=False) for tile in tiles]
        return torch.cat(sums) + self.log_constant

    def _left(self, points: Tensor) -> Tensor:
        """(N, dims + 2), whose product with `_right`, (m, dims + 2), is -|u - p|^2 / 2 of the Gaussian, else 1 - |u - p|^2."""
        scale = 0.5 if self.power is None else 1.0
        return torch.cat([2 * scale * points, -scale * points.square().sum(1, keepdim=True), points.new_ones(len(points), 1)], 1)

    def _right(self, u: Tensor) -> Tensor:
        scale, centre = (0.5, 0.0) if self.power is None else (1.0, 1.0)
        return torch.cat([u, u.new_ones(len(u), 1), centre - scale * u.square().sum(1, keepdim=True)], 1)


def _log_power(base: Tensor, power: float) -> Tensor:
    """log of base+^power: -inf where base is not above 0."""
    inside = base > 0
    return torch.where(inside, power * torch.where(inside, base, 1.0).log(), -math.inf)


def _leave_out(values: Tensor, own: Tensor | None, start: int, nothing: float) -> Tensor:
    """In place, `nothing` where the point of a row (from number `start`) is the column's own."""
    if own is not None:
        here = ((own >= start) & (own < start + len(values))).nonzero()[:, 0]
        values[own[here] - start, here] = nothing
    return values


def _largest_square(*points: Tensor) -> float:
    return max(float(p.square().sum(1).amax()) for p in points)

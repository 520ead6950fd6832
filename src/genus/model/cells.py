"""Cells: to a density a whole number x is anywhere in [x, x + 1), and what else is known says where.

    p(missing | x) = E[p(missing | x + u)],   u ~ p(u | x) = p(x + u) / int_[0, 1)^k p(x + u) du

A straight line through log p at the middle of the cells gives independent u_j, near p however many there are,

    q(u) = prod_j s_j exp(s_j u_j) / (exp(s_j) - 1),   s = d log p(x + u) / du at u = 1/2

and Metropolis's algorithm leads from q to p. Its proposals renew all u of a row, from q or, should no line fit, from U[0, 1)^k.
Where k is large few would be accepted, and what q leaves is small: there q stands for p.

Metropolis et al. 1953; proposals that do not look at u: Hastings 1970, Tierney 1994.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEPS = 12  # of Metropolis's algorithm: after as many, cells drawn from small tables were within 0.01 of total variation
FEW = 16  # known whole numbers of a row, up to which they are made
ROWS = 512  # whose slopes are taken at once: a gradient keeps every number on its way

LogDensity = Callable[[Tensor], Tensor]


def place_in_cells(x: Tensor, whole: Tensor, log_density: LogDensity) -> Tensor:
    """x (n, d) with its known whole numbers (n, d bool) somewhere in their cells, by torch's default generator.

    log_density: of real coordinates (m, d) -> (m,), differentiable, with what is missing (NaN) integrated out.
    """
    parts = zip(x.split(ROWS), whole.split(ROWS), strict=True)
    slope = torch.cat([_slope(some + 0.5 * known, log_density) * known for some, known in parts])
    placed = x + _tilted(slope) * whole
    few = (whole.sum(1) <= FEW).nonzero()[:, 0]
    if len(few):
        placed[few] = _metropolis(placed[few], x[few], whole[few], slope[few], log_density)
    return placed


@torch.enable_grad()
def _slope(x: Tensor, log_density: LogDensity) -> Tensor:
    """d log p / dx (n, d); 0 where there is none: of what is missing, and where the density is 0."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(log_density(x).sum(), x)[0].nan_to_num(0.0)


def _tilted(slope: Tensor) -> Tensor:
    """u in [0, 1] of density ~ exp(slope u): its distribution inverted, from the end at which it is largest."""
    steep = slope.abs().clamp(min=1e-6)  # at 0 the formula is 0 / 0; its limit is U[0, 1)
    off = -torch.log1p(torch.rand_like(slope) * torch.expm1(-steep)) / steep
    return torch.where(slope < 0, off, 1 - off)


def _metropolis(placed: Tensor, x: Tensor, whole: Tensor, slope: Tensor, log_density: LogDensity) -> Tensor:
    """`placed` (n, d) after STEPS proposals from q and from U[0, 1)^k by turns."""
    log_p = log_density(placed)
    for step in range(STEPS):
        s = slope * (step % 2)
        proposal = x + _tilted(s) * whole
        log_new = log_density(proposal)
        log_ratio = log_new - log_p - torch.where(whole, s * (proposal - placed), 0.0).sum(1)  # of p / q, new to old
        accepted = torch.rand_like(log_ratio).log() < log_ratio
        placed, log_p = torch.where(accepted[:, None], proposal, placed), torch.where(accepted, log_new, log_p)
    return placed

"""Rejection: draw under a curve that lies above the density, keep what falls below the density.

    p~(x) <= M q(x)  for all x;      x ~ q is kept with probability  p~(x) / (M q(x))

What is kept is an exact, independent draw of p = p~ / Z. A share Z / M of the draws is kept, which falls exponentially with
the dimension: the method is for few dimensions and good envelopes. von Neumann 1951.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.arguments import seeded
from genus.sampling.density import LogDensity, Proposal, log_ratios

LARGEST, PATIENCE = 2**18, 10**7  # draws at once; draws of which at least one must be kept
ROUNDING = 1e-5  # nats by which a bound that is met exactly may seem broken


class Accepted(NamedTuple):
    """Exact draws (n, *shape), and the share of proposals that was kept: an estimate of Z / M."""

    draws: Tensor
    rate: float


def rejection(log_density: LogDensity, proposal: Proposal, n: int, *, log_bound: float, seed: int | None = None) -> Accepted:
    """n exact, independent draws of a density known up to its constant.

    log_density: x (m, *shape) -> log p~ (m,). proposal: q, of torch.distributions. log_bound: log M with p~ <= M q.
    Raises ValueError for a bound that is not finite or that a draw breaks, RuntimeError where of ten million proposals none was kept.
    """
    n = check_count("n", n)
    if not math.isfinite(log_bound):
        raise ValueError(f"log_bound={log_bound!r} must be a finite number of nats, nowhere below log p~ - log q")
    kept: list[Tensor] = []
    tried = accepted = 0
    with torch.no_grad(), seeded(seed, "rejection"):
        while accepted < n or not tried:
            rate = (accepted + 1) / (tried + 1)  # of what to expect; the first time all
            x = proposal.sample((max(16, min(LARGEST, math.ceil(1.1 * (n - accepted) / rate))),))
            excess = log_ratios(log_density, proposal, x) - log_bound
            if (excess > ROUNDING).any():
                worst = int(excess.argmax())
                raise ValueError(
                    f"log_bound={log_bound!r} is too low: log p~ - log q is {float(excess[worst]) + log_bound:.6g} "
                    f"at x={x[worst].tolist()}; pass a bound that holds everywhere"
                )
            keep = torch.rand_like(excess) < excess.exp()
            kept.append(x[keep])
            tried, accepted = tried + len(x), accepted + len(kept[-1])
            if not accepted and tried > PATIENCE:
                raise RuntimeError(
                    f"none of {tried} proposals was accepted: log_bound={log_bound!r} is far too high, or the proposal far from "
                    "the density; use Markov chains, such as hamiltonian"
                )
    return Accepted(torch.cat(kept)[:n], accepted / tried)

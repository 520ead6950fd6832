"""Annealed importance sampling: walk from a density that is easy to one that is not, and weigh the walk.

    p~_beta,  0 = beta_0 < ... < beta_K = 1:      x_0 ~ p_0,   x_k ~ T_k(. | x_{k-1}),  T_k leaves p_{beta_k} as it is
    log w = sum_k log p~_{beta_k}(x_{k-1}) - log p~_{beta_{k-1}}(x_{k-1})         E[w] = Z_1 / Z_0,  whatever the T_k

It is importance sampling of walks, so what comes of it is `Weighted`. The log of the mean weight is too low on average. A walk
back from exact draws of p_1 estimates Z_0 / Z_1 in the same way, and minus its log is too high: log Z_1 lies between the two,
and where they are far apart neither is to be believed. Neal 2001; both bounds together: Grosse, Ghahramani & Adams 2015; back
from data, as a lower bound on their likelihood: Burda, Grosse & Salakhutdinov 2015.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeAlias

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.arguments import seeded
from genus.sampling.chains import TransitionKernel, start
from genus.sampling.density import LogDensity
from genus.sampling.importance import Weighted

Path: TypeAlias = Callable[[Tensor, float], Tensor]  # x (chains, *shape), beta -> log p~_beta(x) (chains,)


def geometric_path(first: LogDensity, last: LogDensity) -> Path:
    """The path log p~_beta = (1 - beta) log p~_0 + beta log p~_1 between two log-densities."""

    def path(x: Tensor, beta: float) -> Tensor:
        if beta in (0, 1):  # where the other is -inf it must not count
            return last(x) if beta else first(x)
        return (1 - beta) * first(x) + beta * last(x)

    return path


def annealed_importance(
    path: Path,
    x: Tensor,
    kernel: TransitionKernel,
    betas: int | Sequence[float] | Tensor,
    *,
    log_normaliser: float = 0.0,
    seed: int | None = None,
) -> Weighted:
    """Walk from x, exact draws (chains, *shape) of the path's first density, to its last; weighted draws of that.

    kernel: (x, log_density, beta) -> x, which leaves p_beta as it is: of `random_walk_kernel`, `langevin_kernel` and
    `hamiltonian_kernel`, or a sweep of Gibbs. betas: from 0 to 1, or from 1 to 0 to walk back; an int for so many equal
    steps. log_normaliser: log Z of the first density, so that `.log_normaliser` estimates that of the last. The weights
    are those of whole walks, `.ess` of them of `len(x)`. Raises ValueError, TypeError.
    """
    steps = _schedule(betas)
    with torch.no_grad(), seeded(seed, "annealed"):
        log_prob = start(lambda x: path(x, steps[0]), x).log_prob
        log_weights = torch.full((len(x),), float(log_normaliser), dtype=torch.float64, device=x.device)
        for before, beta in pairwise(steps):
            if before != steps[0]:
                log_prob = path(x, before)
            gained = path(x, beta) - log_prob
            log_weights = torch.where(log_weights.isneginf(), log_weights, log_weights + gained)  # a lost walk stays lost
            x = kernel(x, lambda x, beta=beta: path(x, beta), beta)  # type: ignore[misc]
    return Weighted(x, log_weights)


@dataclass(frozen=True)
class Sandwich:
    """log Z of a path's last density from below and from above, each a bound on average.

    forward, backward: the walks, whose weights estimate Z and 1 / Z, with their `ess` and `log_normaliser_error`.
    """

    forward: Weighted
    backward: Weighted

    @property
    def lower(self) -> float:
        """Nats."""
        return self.forward.log_normaliser

    @property
    def upper(self) -> float:
        """Nats; a bound only as far as the draws it walked back from were exact."""
        return -self.backward.log_normaliser


def sandwich(
    path: Path,
    first: Tensor,
    last: Tensor,
    kernel: TransitionKernel,
    betas: int | Sequence[float] | Tensor,
    *,
    log_normaliser: float = 0.0,
    seed: int | None = None,
) -> Sandwich:
    """log Z_1 by walks there from exact draws `first` of p_0, and back from exact draws `last` of p_1; (chains, *shape) each.

    log_normaliser: log Z_0. The rest as in `annealed_importance`. Raises ValueError, TypeError.
    """
    steps = _schedule(betas)
    with seeded(seed, "sandwich"):
        forward = annealed_importance(path, first, kernel, steps, log_normaliser=log_normaliser)
        backward = annealed_importance(path, last, kernel, steps[::-1], log_normaliser=-log_normaliser)
    return Sandwich(forward, backward)


def _schedule(betas: int | Sequence[float] | Tensor) -> list[float]:
    if isinstance(betas, int):
        steps = check_count("betas", betas, 1)
        return [k / steps for k in range(steps + 1)]
    schedule = torch.as_tensor(betas, dtype=torch.float64).flatten()
    rising, falling = (schedule.diff() > 0).all(), (schedule.diff() < 0).all()
    if len(schedule) < 2 or not (rising or falling) or {float(schedule[0]), float(schedule[-1])} != {0.0, 1.0}:
        raise ValueError("betas: must rise from 0 to 1, or fall from 1 to 0; pass torch.linspace(0, 1, 1001), or a number of steps")
    return schedule.tolist()

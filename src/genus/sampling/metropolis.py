"""Metropolis-Hastings: propose a move, and accept it just often enough that the density stays as it is.

    x' ~ q(. | x),    accepted with probability  min(1, p~(x') q(x | x') / (p~(x) q(x' | x)))

This is detailed balance, p(x) T(x' | x) = p(x') T(x | x'): what flows from x to x' flows back. Only ratios of p~ are needed.
Metropolis, Rosenbluth, Rosenbluth, Teller & Teller 1953; Hastings 1970. A random walk x' = x + step * N(0, 1) does best where
it accepts 0.234 of its moves in many dimensions, 0.44 in one (Roberts, Gelman & Gilks 1997).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from genus.sampling.adaptation import Tuning
from genus.sampling.arguments import seeded
from genus.sampling.chains import Chains, State, TransitionKernel, check_points, run_chains, start
from genus.sampling.density import LogDensity, over

Move: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor | float]]  # x -> x', log q(x | x') - log q(x' | x)


def metropolis(
    log_density: LogDensity,
    x: Tensor,
    num_samples: int,
    *,
    num_warmup: int = 500,
    thinning: int = 1,
    step_size: float | Tensor | None = None,
    target_acceptance: float | None = None,
    seed: int | None = None,
) -> Chains:
    """Random-walk Metropolis from x (chains, *shape), real numbers.

    num_samples draws are kept, each after `thinning` steps more. step_size: a number, or one for each coordinate; None
    finds them in warm-up, so that a share target_acceptance of the moves (0.44 of one coordinate, else 0.234) is accepted.
    Raises ValueError, TypeError.
    """
    check_points(x, real=True)
    dims = x[0].numel()
    target = (0.44 if dims == 1 else 0.234) if target_acceptance is None else target_acceptance
    with seeded(seed, "metropolis"):
        tuning = Tuning(x, step_size, 2.38 / dims**0.5, target, num_warmup)
        return run_chains(
            lambda state: walk(log_density, state, tuning.step), start(log_density, x),
            num_samples=num_samples, num_warmup=num_warmup, thinning=thinning, tuning=tuning,
        )  # fmt: skip


def metropolis_hastings(
    log_density: LogDensity,
    x: Tensor,
    num_samples: int,
    *,
    propose: Move,
    num_warmup: int = 500,
    thinning: int = 1,
    seed: int | None = None,
) -> Chains:
    """Metropolis-Hastings from x (chains, *shape), real or discrete, with moves of one's own.

    propose: x -> (x', log q(x | x') - log q(x' | x) (chains,)), the latter 0.0 where the proposal is symmetric; x itself
    must stay as it is. Raises ValueError, TypeError.
    """

    def transition(state: State) -> tuple[State, Tensor]:
        x, correction = propose(state.x)
        return accept(State(x, log_density(x)), state, correction)

    with seeded(seed, "metropolis-hastings"):
        return run_chains(transition, start(log_density, x), num_samples=num_samples, num_warmup=num_warmup, thinning=thinning)


def random_walk_kernel(step_size: float | Tensor) -> TransitionKernel:
    """Of `annealed_importance`: a step of the random walk, (x, log_density, beta) -> x."""

    def kernel(x: Tensor, log_density: LogDensity, beta: float) -> Tensor:
        return walk(log_density, State(x, log_density(x)), step_size)[0].x

    return kernel


def walk(log_density: LogDensity, state: State, step: Tensor | float) -> tuple[State, Tensor]:
    """One step of the random walk: the next state, and the probability with which each chain's was accepted."""
    x = state.x + step * torch.randn_like(state.x)
    return accept(State(x, log_density(x)), state)


def accept(proposed: State, current: State, correction: Tensor | float = 0.0) -> tuple[State, Tensor]:
    """Each chain moves with probability min(1, exp(difference of log_prob + correction)), which is returned, (chains,).

    What is NaN is refused.
    """
    log_ratio = proposed.log_prob - current.log_prob + correction  # type: ignore[operator]
    probability = log_ratio.clamp(max=0).exp().nan_to_num(0.0)
    moves = torch.rand_like(probability) < probability
    kept = (torch.where(over(moves, new), new, old) for new, old in zip(proposed, current) if new is not None)
    return State(*kept), probability

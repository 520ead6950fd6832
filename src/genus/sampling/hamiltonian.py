"""Hamiltonian Monte Carlo: let x roll over the surface -log p~ with a random momentum, and it goes far without being refused.

    H(x, r) = -log p~(x) + |r|^2 / 2,   r ~ N(0, 1)          dx/dt = r,   dr/dt = d log p~ / dx

The leapfrog keeps volume, runs backwards when r is turned round, and keeps H up to O(step^2); Metropolis corrects for the rest:

    r += step/2 grad;    x += step r;  r += step grad   (times L);    r -= step/2 grad

A step size for each coordinate is a diagonal mass matrix, 1 / step^2. A trajectory that comes back to where it began goes
nowhere, so that the number of steps is drawn anew each time. Duane, Kennedy, Pendleton & Roweth 1987; Neal 2011.
"""

from __future__ import annotations

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.adaptation import Tuning
from genus.sampling.arguments import seeded
from genus.sampling.chains import Chains, State, TransitionKernel, check_points, run_chains, start
from genus.sampling.density import LogDensity, ValueAndGradient, inner, value_and_gradient
from genus.sampling.metropolis import accept


def hamiltonian(
    log_density: LogDensity,
    x: Tensor,
    num_samples: int,
    *,
    num_warmup: int = 500,
    thinning: int = 1,
    step_size: float | Tensor | None = None,
    leapfrog_steps: int = 10,
    target_acceptance: float = 0.8,
    seed: int | None = None,
) -> Chains:
    """Hamiltonian Monte Carlo from x (chains, *shape), real numbers.

    log_density must be differentiable by torch. num_samples draws are kept, each after `thinning` trajectories of
    leapfrog_steps on average, half to one and a half times as many. step_size: a number, or one for each coordinate; None
    finds them in warm-up, so that a share target_acceptance of the trajectories is accepted. Raises ValueError, TypeError.
    """
    check_points(x, real=True)
    leapfrog_steps = check_count("leapfrog_steps", leapfrog_steps, 1)
    with seeded(seed, "hamiltonian"):
        tuning = Tuning(x, step_size, x[0].numel() ** -0.25, target_acceptance, num_warmup)
        state, both = start(log_density, x), value_and_gradient(log_density)
        return run_chains(
            lambda state: trajectory(both, state, tuning.step, leapfrog_steps), State(x, *both(state.x)),
            num_samples=num_samples, num_warmup=num_warmup, thinning=thinning, tuning=tuning, trajectories=True,
        )  # fmt: skip


def hamiltonian_kernel(step_size: float | Tensor, leapfrog_steps: int = 10) -> TransitionKernel:
    """Of `annealed_importance`: a trajectory, (x, log_density, beta) -> x."""

    def kernel(x: Tensor, log_density: LogDensity, beta: float) -> Tensor:
        both = value_and_gradient(log_density)
        return trajectory(both, State(x, *both(x)), step_size, leapfrog_steps)[0].x

    return kernel


def trajectory(both: ValueAndGradient, state: State, step: Tensor | float, leapfrog_steps: int) -> tuple[State, Tensor]:
    """One trajectory: the next state, and the probability with which each chain's was accepted."""
    momentum = torch.randn_like(state.x)
    steps = int(torch.randint((leapfrog_steps + 1) // 2, leapfrog_steps + leapfrog_steps // 2 + 1, ()))
    proposed, after = leapfrog(both, state, momentum, step, steps)
    return accept(proposed, state, (inner(momentum, momentum) - inner(after, after)) / 2)


def leapfrog(both: ValueAndGradient, state: State, momentum: Tensor, step: Tensor | float, steps: int) -> tuple[State, Tensor]:
    """The state and the momentum after so many leapfrog steps from a state with its gradient."""
    x, log_prob, gradient = state
    assert gradient is not None
    momentum = momentum + step / 2 * gradient
    for _ in range(steps):
        x = x + step * momentum
        log_prob, gradient = both(x)
        momentum = momentum + step * gradient
    return State(x, log_prob, gradient), momentum - step / 2 * gradient

"""Langevin: walk uphill on the log-density, with as much noise as keeps the chain from standing on the hilltop.

    x' = x + step^2/2 d log p(x)/dx + step * xi,   xi ~ N(0, 1)

a step of Euler's along dx = 1/2 grad log p dt + dW, which leaves p as it is. Unadjusted, p is met up to an error that falls with
the step (Parisi 1981; of energy-based models, Welling & Teh 2011). Taken as a proposal to Metropolis it is met exactly:
MALA, with noise back xi' = xi + step/2 (grad + grad') and acceptance min(1, p'/p exp((|xi|^2 - |xi'|^2)/2)). Besag 1994; Roberts
& Tweedie 1996; best at an acceptance of 0.574 (Roberts & Rosenthal 1998).
"""

from __future__ import annotations

import torch
from torch import Tensor

from genus.sampling.adaptation import Tuning
from genus.sampling.arguments import check_positive, seeded
from genus.sampling.chains import Chains, State, TransitionKernel, check_points, run_chains, start
from genus.sampling.density import LogDensity, Score, ValueAndGradient, inner, value_and_gradient
from genus.sampling.metropolis import accept


def langevin(
    log_density: LogDensity,
    x: Tensor,
    num_samples: int,
    *,
    num_warmup: int = 500,
    thinning: int = 1,
    step_size: float | Tensor | None = None,
    target_acceptance: float = 0.574,
    seed: int | None = None,
) -> Chains:
    """Metropolis-adjusted Langevin (MALA) from x (chains, *shape), real numbers.

    log_density must be differentiable by torch. num_samples draws are kept, each after `thinning` steps more. step_size: a
    number, or one for each coordinate; None finds them in warm-up, so that a share target_acceptance of the moves is
    accepted. Raises ValueError, TypeError.
    """
    check_points(x, real=True)
    with seeded(seed, "langevin"):
        tuning = Tuning(x, step_size, 1.65 / x[0].numel() ** (1 / 6), target_acceptance, num_warmup)
        state, both = start(log_density, x), value_and_gradient(log_density)
        return run_chains(
            lambda state: adjusted(both, state, tuning.step), State(x, *both(state.x)),
            num_samples=num_samples, num_warmup=num_warmup, thinning=thinning, tuning=tuning,
        )  # fmt: skip


def unadjusted_langevin(
    score: Score,
    x: Tensor,
    num_samples: int = 1,
    *,
    step_size: float | Tensor,
    noise: float | Tensor | None = None,
    num_warmup: int = 0,
    thinning: int = 1,
    seed: int | None = None,
) -> Chains:
    """Langevin steps without correction from x (chains, *shape), real numbers.

    score: x -> d log p / dx like x: a network's, or `score(log_density)`. noise: its standard deviation, step_size if None,
    which alone makes it Langevin; less of it is a colder density. After n steps: `num_samples=1, thinning=n`, and
    `.draws[-1]`. Raises ValueError, TypeError.
    """
    check_points(x, real=True)
    step = check_positive("step_size", step_size).to(x)
    noise = step if noise is None else torch.as_tensor(noise).to(x)

    def transition(state: State) -> tuple[State, None]:
        x = state.x
        return State(x + step.square() / 2 * score(x) + noise * torch.randn_like(x)), None

    with seeded(seed, "unadjusted langevin"):
        return run_chains(transition, State(x), num_samples=num_samples, num_warmup=num_warmup, thinning=thinning)


def langevin_kernel(step_size: float | Tensor) -> TransitionKernel:
    """Of `annealed_importance`: a step of MALA, (x, log_density, beta) -> x."""

    def kernel(x: Tensor, log_density: LogDensity, beta: float) -> Tensor:
        both = value_and_gradient(log_density)
        return adjusted(both, State(x, *both(x)), step_size)[0].x

    return kernel


def adjusted(both: ValueAndGradient, state: State, step: Tensor | float) -> tuple[State, Tensor]:
    """One step of MALA: the next state, and the probability with which each chain's was accepted."""
    noise = torch.randn_like(state.x)
    x = state.x + step * (noise + step / 2 * state.gradient)  # type: ignore[operator]
    proposed = State(x, *both(x))
    back = noise + step / 2 * (state.gradient + proposed.gradient)  # type: ignore[operator]
    return accept(proposed, state, (inner(noise, noise) - inner(back, back)) / 2)

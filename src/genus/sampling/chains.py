"""Markov chains that run side by side: what a run is made of, and what comes of it.

    x_{t+1} ~ T(. | x_t)  with  p = p T:      T leaves p as it is, and whatever x_0 was, x_t becomes a draw of p

A method is a *transition*: state -> next state and the probability with which each chain's move was accepted. The run, the
warm-up and what is kept are the same for all. Chains lie on the first axis and never wait for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling import diagnostics
from genus.sampling.adaptation import Tuning
from genus.sampling.density import LogDensity
from genus.sampling.monte_carlo import Estimate

if TYPE_CHECKING:
    import pandas as pd


class State(NamedTuple):
    """Where the chains are: x (chains, *shape); log p~ (chains,) and its gradient like x, for methods that look at them."""

    x: Tensor
    log_prob: Tensor | None = None
    gradient: Tensor | None = None


Transition: TypeAlias = Callable[[State], tuple[State, Tensor | None]]  # the next state, the acceptance (chains,)
# x, log p~_beta, beta -> x: one or more steps that leave p_beta as it is
TransitionKernel: TypeAlias = Callable[[Tensor, LogDensity, float], Tensor]


@dataclass(frozen=True)
class Chains:
    """A run of Markov chains: draws (steps, chains, *shape), and what is known of them.

    log_prob (steps, chains): log p~ of the draws, of methods that look at it. acceptance (chains,): mean probability that a
    move was accepted after warm-up. divergences (chains,), of Hamiltonian chains: trajectories of probability zero, which left
    the surface of constant energy: where there are any, regions may be missing. step_size: as it was after warm-up, of the
    shape of a point (or of none); pass it on to go on without warm-up.
    """

    draws: Tensor
    log_prob: Tensor | None = None
    acceptance: Tensor | None = None
    divergences: Tensor | None = None
    step_size: Tensor | None = None

    def __repr__(self) -> str:
        steps, chains, *shape = self.draws.shape
        accepted = "" if self.acceptance is None else f", {float(self.acceptance.mean()):.0%} accepted"
        return f"Chains({steps} draws of {chains} chains, points of shape {tuple(shape)}{accepted})"

    @property
    def flat(self) -> Tensor:
        """All draws, (steps * chains, *shape)."""
        return self.draws.flatten(0, 1)

    @property
    def mean(self) -> Tensor:
        """Of all draws, (*shape)."""
        return self.flat.double().mean(0)

    @property
    def standard_error(self) -> Tensor:
        """Of `mean`, (*shape): sd / sqrt(effective sample size)."""
        return diagnostics.standard_error(self.draws)

    @property
    def rhat(self) -> Tensor:
        """Rank-normalised split R-hat, (*shape): above 1.01 the chains have not met."""
        return diagnostics.rhat(self.draws)

    @property
    def ess(self) -> Tensor:
        """Bulk effective sample size, (*shape)."""
        return diagnostics.ess(self.draws)

    @property
    def tail_ess(self) -> Tensor:
        """Effective sample size of the 5 % and 95 % quantiles, (*shape)."""
        return diagnostics.tail_ess(self.draws)

    def autocorrelation(self, max_lag: int | None = None) -> Tensor:
        """(lags + 1, chains, *shape)."""
        return diagnostics.autocorrelation(self.draws, max_lag)

    def expectation(self, f: Callable[[Tensor], Tensor]) -> Estimate:
        """E_p[f(x)] with the standard error that correlated draws leave. f: x (n, *shape) -> (n, *k)."""
        values = f(self.flat).double().unflatten(0, self.draws.shape[:2])
        return Estimate(values.flatten(0, 1).mean(0), diagnostics.standard_error(values), diagnostics.mean_ess(values))

    def summary(self) -> pd.DataFrame:
        """A row for each coordinate: mean, sd, its Monte Carlo standard error, quantiles, effective sample sizes, R-hat."""
        import numpy as np
        import pandas as pd

        shape = self.draws.shape[2:]
        flat = self.flat.double().reshape(len(self.flat), -1)
        low, median, high = np.quantile(flat.cpu().numpy(), (0.05, 0.5, 0.95), axis=0)
        columns = {
            "mean": flat.mean(0), "sd": flat.std(0), "mcse": self.standard_error, "5%": low, "50%": median, "95%": high,
            "ess_bulk": self.ess, "ess_tail": self.tail_ess, "rhat": self.rhat,
        }  # fmt: skip
        names = [f"x[{', '.join(map(str, index))}]" if index else "x" for index in np.ndindex(*shape)]
        return pd.DataFrame({name: np.asarray(torch.as_tensor(c).cpu()).reshape(-1) for name, c in columns.items()}, index=names)


@torch.no_grad()
def start(log_density: LogDensity, x: Tensor) -> State:
    """The state of chains at x (chains, *shape); TypeError or ValueError where it is no place to start."""
    check_points(x)
    log_prob = log_density(x)
    if not isinstance(log_prob, Tensor) or log_prob.shape != x.shape[:1]:
        shape = tuple(log_prob.shape) if isinstance(log_prob, Tensor) else type(log_prob).__name__
        raise ValueError(
            f"log_density: gave {shape} for x of shape {tuple(x.shape)}, but must give one number a chain, ({len(x)},); "
            "sum over all axes but the first"
        )
    if not log_prob.isfinite().all():
        chain = int((~log_prob.isfinite()).nonzero()[0])
        raise ValueError(
            f"x: chain {chain} starts where log_density is {float(log_prob[chain])}; start every chain where the density is positive"
        )
    return State(x, log_prob)


def check_points(x: Tensor, *, real: bool = False) -> None:
    """x is a tensor (chains, *shape) of at least one chain, of real numbers where a method asks for them, or it raises."""
    if not isinstance(x, Tensor):
        raise TypeError(f"x: is of type {type(x).__name__}; pass a tensor (chains, *shape), where the chains start")
    if x.dim() == 0 or x.numel() == 0:
        raise ValueError(f"x: has shape {tuple(x.shape)}; pass a tensor (chains, *shape) with at least one chain and one number")
    if real and not x.is_floating_point():
        raise TypeError(f"x: is {x.dtype}, but this method moves through real numbers; pass x.float(), or use metropolis_hastings")


@torch.no_grad()
def run_chains(
    transition: Transition, state: State, *,
    num_samples: int, num_warmup: int, thinning: int, tuning: Tuning | None = None, trajectories: bool = False,
) -> Chains:  # fmt: skip
    """num_warmup steps that are thrown away and tuned in, then num_samples draws, each after `thinning` steps more.

    trajectories: whether a move of probability zero is a divergence; that of any other method may just have left the support.
    """
    num_samples = check_count("num_samples", num_samples, 1)
    num_warmup, thinning = check_count("num_warmup", num_warmup), check_count("thinning", thinning, 1)
    for _ in range(num_warmup):
        state, acceptance = transition(state)
        if tuning is not None and acceptance is not None:
            tuning.update(state.x, acceptance)
    if tuning is not None:
        tuning.finish()
    chains = len(state.x)
    draws = state.x.new_empty(num_samples, *state.x.shape)
    log_prob = None if state.log_prob is None else state.log_prob.new_empty(num_samples, chains)
    accepted = divergences = torch.zeros(chains, device=state.x.device)
    for t in range(num_samples):
        for _ in range(thinning):
            state, acceptance = transition(state)
            if acceptance is not None:
                accepted, divergences = accepted + acceptance, divergences + (acceptance == 0)
        draws[t] = state.x
        if log_prob is not None:
            log_prob[t] = state.log_prob
    if log_prob is None:  # nothing is ever refused
        return Chains(draws)
    step_size = None if tuning is None else tuning.step
    return Chains(draws, log_prob, accepted / (num_samples * thinning), divergences.long() if trajectories else None, step_size)

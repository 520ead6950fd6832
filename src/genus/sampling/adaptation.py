"""Finding the step size of a Markov chain while it warms up.

    log eps_{t+1} = mu - sqrt(t)/gamma mean_{s <= t} (target - acceptance_s)          dual averaging
    step = eps * sd of each coordinate                                                from windows of growing length

The step size is drawn to where moves are accepted at the target rate, and its running mean is what is kept. The coordinates'
standard deviations turn a long thin density into a round one; each window forgets the one before, and with it where the chains
came from. All chains are tuned together, on their mean acceptance and their pooled variance, without a word to the host.

Hoffman & Gelman 2014, arXiv:1111.4246, section 3.2; the windows are Stan's. Accumulated variance: Welford 1962.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genus.fields import check_count
from genus.sampling.arguments import check_positive

GAMMA, DELAY, KAPPA = 0.2, 10, 0.75  # Hoffman & Gelman's, but for gamma, theirs 0.05: calmer, as the search begins near its end


class Tuning:
    """The step of a transition, `step`: fixed where step_size was given, else found in warm-up.

    x (chains, *shape): where the chains start. natural: a good step size for a density that is one wide everywhere.
    step_size: a number, or one for each coordinate. Raises ValueError, TypeError.
    """

    def __init__(self, x: Tensor, step_size: float | Tensor | None, natural: float, target: float, num_warmup: int) -> None:
        num_warmup = check_count("num_warmup", num_warmup)
        if not 0 < target < 1:
            raise ValueError(f"target_acceptance={target!r} must be between 0 and 1")
        if step_size is None and num_warmup == 0:
            raise ValueError("step_size=None is found in warm-up, but num_warmup=0; pass num_warmup=500, or a step_size")
        self.adapts = step_size is None
        self.natural, self.target, self.ends = natural, target, _window_ends(num_warmup)
        self.steps = 0
        self.scale = torch.ones_like(x[0])
        if step_size is None:
            self._restart()
        else:
            self.step = check_positive("step_size", step_size).to(x)
            if self.step.dim() and self.step.shape != x.shape[1:]:
                raise ValueError(
                    f"step_size: has shape {tuple(self.step.shape)}; pass a number, or one for each coordinate, {tuple(x.shape[1:])}"
                )

    def _restart(self) -> None:
        """Search the step size anew, the coordinates having another scale."""
        self.t, self.mu = 0, math.log(2 * self.natural)  # begin a little boldly: a refused move costs no more than another
        self.error = torch.zeros_like(self.scale.sum())
        self.log_mean = self.error + math.log(self.natural)
        self.count, self.mean, self.squares = 0, torch.zeros_like(self.scale), torch.zeros_like(self.scale)
        self.step = self.natural * self.scale

    def update(self, x: Tensor, acceptance: Tensor) -> None:
        """Learn from a step of warm-up: where the chains are, (chains, *shape), and their acceptance (chains,)."""
        if not self.adapts:
            return
        self.steps += 1
        self.t += 1
        weight = 1 / (self.t + DELAY)
        self.error = (1 - weight) * self.error + weight * (self.target - acceptance.mean().to(self.error))
        log_step = self.mu - math.sqrt(self.t) / GAMMA * self.error
        self.log_mean = torch.lerp(self.log_mean, log_step, self.t**-KAPPA)
        self.step = log_step.exp() * self.scale
        first, *ends = self.ends
        if first < self.steps <= ends[-1]:
            self._accumulate(x)
        if self.steps in ends:
            variance = self.squares / self.count
            self.scale = torch.where(variance > 0, variance.sqrt(), self.scale)  # a coordinate that never moved says nothing
            self._restart()

    def _accumulate(self, x: Tensor) -> None:
        here, size = x.mean(0), len(x)
        away = here - self.mean
        self.squares += (x - here).square().sum(0) + away.square() * (self.count * size / (self.count + size))
        self.count += size
        self.mean += away * (size / self.count)

    def finish(self) -> None:
        """From here on the step stays as it is: the mean of those tried."""
        if self.adapts:
            self.step = self.log_mean.exp() * self.scale


def _window_ends(num_warmup: int) -> list[int]:
    """Where the windows of a warm-up begin, and where each ends: [75, 100, 150, 250, 450, 950] of 1000.

    Each is twice as long as the one before. A beginning finds the bulk, an end settles the step size. Short ones have one.
    """
    begin, window, settle = (75, 25, 50) if num_warmup >= 150 else (int(0.15 * num_warmup), num_warmup, int(0.1 * num_warmup))
    ends, last = [begin], num_warmup - settle
    while ends[-1] < last:
        end = ends[-1] + window
        ends.append(last if end + 2 * window > last else end)  # the next would not fit: this one takes its place
        window *= 2
    return ends

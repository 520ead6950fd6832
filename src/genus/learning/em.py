"""Learning by expectation-maximisation (Dempster, Laird & Rubin 1977), written once.

    E   expect(batch) -> statistics that add up, among them log_likelihood = sum log p(x) and count (K,), which sums to the points
    M   maximise(statistics) sets the parameters; log p(data), with the log-prior where there is one, never falls

A prior that moves with the statistics is none: with Gaussians held up by `support` log p(data) may fall for a while
(`gaussians.maximise`; with support=0 it does not), and a mixture with a `concentration` climbs what it says itself. So a
start is left at its best, and has converged when a step changes next to nothing or ten steps have found nothing better.
Restarts keep the best. Because the statistics add up, data larger than memory and many processes need no second version.
"""

from __future__ import annotations

import copy
from typing import ClassVar

import torch
from torch import Tensor

from genus.data import Examples
from genus.fields import Count, NonNegative
from genus.learning.history import History, Progress
from genus.learning.learns import Settings
from genus.learning.passes import LearnsInPasses, Passes
from genus.probability.statistics import Statistics
from genus.randomness import key, randomness
from genus.warn import warn

START_ROWS = 20_000  # points a start is chosen from
PATIENCE = 10  # steps that find nothing better, after which a start has converged


class LearnsByEM(LearnsInPasses):
    """A model writes `initialise`, `expect` and `maximise`."""

    way: ClassVar[str] = "by EM (as long as max_iter and tol say)"

    n_init: Count = 1  # starts; the one that ends with the highest likelihood is kept
    max_iter: Count = 200  # EM iterations of a start
    tol: NonNegative = 1e-6  # a start has converged when an iteration gains less, nats per point

    def initialise(self, some: Tensor) -> None:
        """Set the parameters for a start, from some of the points; randomness is keyed by the start."""
        raise NotImplementedError

    def expect(self, batch: Tensor) -> Statistics:
        """Expected statistics of a batch under the present parameters; with log_likelihood and count."""
        raise NotImplementedError

    def maximise(self, statistics: Statistics) -> None:
        """Set the parameters to what makes the expected statistics most likely."""
        raise NotImplementedError

    def conclude(self, some: Tensor) -> None:
        """What is left to learn, from some of the points, when EM has ended; for most models, nothing."""

    def log_prior(self) -> float:
        """log of the prior that `maximise` multiplies the likelihood by, up to a constant: EM climbs the product."""
        return 0.0

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        passes = self.begin(train, settings)
        some = passes.some(START_ROWS, key(settings.seed, "start"))
        best, best_state, converged = -torch.inf, None, False
        with torch.no_grad(), History(settings) as history, Progress(settings, self.n_init * self.max_iter, "it") as bar:
            for start in range(self.n_init):
                with randomness(settings.seed, "initialise", start):
                    self.initialise(some)
                value, done = self._climb(passes, history, bar, start)
                if value > best:
                    best, best_state, converged = value, copy.deepcopy(self.state_dict()), done
        if best_state is None:
            raise FloatingPointError(
                f"{type(self).__name__}: the log-likelihood was not a number in any of {self.n_init} starts; the data may hold extreme values"
            )
        self.load_state_dict(best_state)
        with torch.no_grad():
            self.conclude(some)
        if not converged:
            warn(
                f"{type(self).__name__} stopped after max_iter={self.max_iter} before gains fell below tol={self.tol:g}; "
                "raise max_iter for a better fit"
            )

    def _climb(self, passes: Passes, history: History, bar: Progress, start: int) -> tuple[float, bool]:
        """EM from the present parameters to the best it comes by: (the objective there, whether it converged)."""
        best, best_state, before, idle, converged = -torch.inf, {}, -torch.inf, 0, False
        for iteration in range(self.max_iter + 1):  # the last time only to see where it stands
            statistics = passes.sum(self.expect)
            value = self._objective(statistics)
            if value != value:
                break
            if iteration < self.max_iter:
                history.write({"start": start, "iteration": iteration, "log_likelihood": value})
                bar.advance(1, {"start": start + 1, "log p": f"{value:.4f}"})
            idle = 0 if value > best else idle + 1
            if value > best:
                best, best_state = value, copy.deepcopy(self.state_dict())
            converged = abs(value - before) < self.tol or idle == PATIENCE
            if converged or iteration == self.max_iter:
                break
            before = value
            self.maximise(statistics)
        if best_state:
            self.load_state_dict(best_state)
        return best, converged

    def _objective(self, statistics: Statistics) -> float:
        """What EM climbs, nats per point: the log-likelihood, and the log-prior where there is one."""
        return (float(statistics["log_likelihood"]) + self.log_prior()) / float(statistics["count"].sum())

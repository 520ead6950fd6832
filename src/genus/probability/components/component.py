"""Components: K distributions p_k over one point of a space, with statistics that add up.

    log p_k(x_n)    the E step asks for it
    sum_n r_kn T(x_n)    the M step asks for nothing else: the weighted sufficient statistics of an exponential family

A mixture hides which k a point came from, a classifier was told, a hidden Markov model knows how k moves: all three need
the same four things, so they stand on the same room. Components come first and points last, (K, n): a softmax over a
short contiguous last axis is twenty times slower.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from genus.probability.statistics import Statistics
from genus.spaces import Encoded, Space


def posterior(log_joint: Tensor, log_weights: Tensor) -> Tensor:
    """p(k | x_n) of log w_k p_k(x_n), both (..., K, n): the weights (..., K) where no component could have made the point."""
    impossible = log_joint.amax(-2, keepdim=True).isneginf()
    return torch.where(impossible, log_weights[..., None].to(log_joint), log_joint).softmax(-2)


class Components(nn.Module):
    """K distributions over the points of a space. Parameters are float64 buffers; z are coordinates (n, D), NaN where missing."""

    def __init__(self, space: Space, n_components: int) -> None:
        super().__init__()
        self.space, self.n_components = space, n_components

    def coordinates(self, x: Tensor) -> Tensor:
        """z (n, D) of encoded points (n, *shape): what the other methods read. NaN stays NaN."""
        raise NotImplementedError

    def initialise(self, z: Tensor) -> None:
        """Set the parameters to start EM from, by some points (n, D); the draws are from torch's default generator."""
        raise NotImplementedError

    def log_prob(self, z: Tensor) -> Tensor:
        """log p_k(x_n) (K, n), nats in the data's own units; what is missing is integrated out."""
        raise NotImplementedError

    def statistics(self, z: Tensor, responsibilities: Tensor) -> Statistics:
        """Weighted sums (K, ...) over the points, float64, by name; responsibilities (K, n). Those of two batches add up."""
        raise NotImplementedError

    def maximise(self, statistics: Statistics) -> None:
        """Set the parameters to what makes the statistics most likely (or most probable, where there is a prior)."""
        raise NotImplementedError

    def with_prior(self, statistics: Statistics) -> Statistics:
        """The statistics with a few points of the data's own mean and spread added to every component: a conjugate prior
        that keeps what explains few points from being narrow."""
        return statistics

    def log_prior(self) -> Tensor:
        """log of the prior that `maximise` multiplies the likelihood by, up to a constant, (); 0 where there is none."""
        return torch.zeros(())

    def draw(self, which: Tensor) -> Encoded:
        """One encoded point (n, *shape) from component which_n (n,) each."""
        raise NotImplementedError

    def fill(self, x: Tensor, which: Tensor) -> Encoded:
        """Encoded points with what is missing (NaN) drawn from component which_n given what is there."""
        raise NotImplementedError

    @property
    def n_guesses(self) -> int:
        """Columns whose best guess is learned beside the parameters."""
        return 0

    def guesses(self, z: Tensor, log_weights: Tensor) -> Tensor:
        """What `best` has to learn of some points (n, D) beside the parameters, (K, n_guesses)."""
        return z.new_zeros(self.n_components, 0, dtype=torch.float64)

    def best(self, x: Tensor, log_weights: Tensor, guesses: Tensor) -> Encoded:
        """Encoded points with what is missing (NaN) at its best guess under the mixture of these weights (K,)."""
        raise NotImplementedError

    def flaw(self) -> str | None:
        """What is wrong with parameters read from a file, all of them finite numbers; None if nothing."""
        return None

    @property
    def degrees_of_freedom(self) -> int:
        """Free parameters of all K."""
        raise NotImplementedError

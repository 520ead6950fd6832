"""Log-densities as functions, their gradients, and the distributions that proposals are drawn from.

    log_density : x (chains, *shape) -> log p~(x) (chains,)        p = p~ / Z, and nobody need know Z
    score       : x (chains, *shape) -> d log p~(x) / dx, of the shape of x

Row i of what they return depends on row i of x alone, so that chains run side by side. Where p~ is zero a log-density
is -inf; it must not raise there (torch.distributions: pass validate_args=False).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

import torch
from torch import Tensor

LogDensity: TypeAlias = Callable[[Tensor], Tensor]
Score: TypeAlias = Callable[[Tensor], Tensor]
ValueAndGradient: TypeAlias = Callable[[Tensor], tuple[Tensor, Tensor]]


class Proposal(Protocol):
    """A normalised distribution that can be drawn from: any of torch.distributions is one."""

    def sample(self, sample_shape: Any) -> Tensor: ...

    def log_prob(self, value: Tensor) -> Tensor: ...


def value_and_gradient(log_density: LogDensity) -> ValueAndGradient:
    """x -> (log p~(x) (chains,), its gradient like x) by automatic differentiation, also where gradients are off."""

    def both(x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode(False), torch.enable_grad():
            x = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
            log_prob = log_density(x)
            total = log_prob.sum()  # rows are independent: the sum separates them
            (gradient,) = torch.autograd.grad(total, x, allow_unused=True) if total.requires_grad else (None,)
        if gradient is None:
            raise ValueError(
                "log_density: has no gradient, as torch sees no way from x to it; write it in torch's functions of x, or, "
                "where it is flat, use metropolis"
            )
        return log_prob.detach(), gradient

    return both


def score(log_density: LogDensity) -> Score:
    """The score of a log-density: x -> d log p~(x) / dx."""
    both = value_and_gradient(log_density)
    return lambda x: both(x)[1]


def over(values: Tensor, x: Tensor) -> Tensor:
    """Values (n,) with axes of length one, so that each meets its row of x (n, *shape)."""
    return values.reshape(-1, *(1,) * (x.dim() - 1))


def inner(x: Tensor, y: Tensor) -> Tensor:
    """Row by row the inner product of x and y (n, *shape): (n,)."""
    return (x * y).reshape(len(x), -1).sum(1)


def log_ratios(log_density: LogDensity, proposal: Proposal, x: Tensor) -> Tensor:
    """log p~(x) - log q(x) of n draws from the proposal q, (n,); ValueError where either is not one number a draw."""
    target, proposed = log_density(x), proposal.log_prob(x)
    for name, values in (("log_density", target), ("proposal.log_prob", proposed)):
        if values.shape != x.shape[:1]:
            raise ValueError(
                f"{name}: gave shape {tuple(values.shape)} for x of shape {tuple(x.shape)}, but must give ({len(x)},); "
                "sum over all axes but the first, or wrap the distribution in torch.distributions.Independent"
            )
    ratios = target - proposed
    if ratios.isnan().any():
        raise ValueError("log_density: is NaN at a draw from the proposal; let it be -inf where the density is zero")
    return ratios

"""f-divergences: how far p is from q, as the mean of a convex function of their ratio.

    D_f(p || q) = E_q f(p / q),     f convex, f(1) = 0          Csiszar 1967; Ali & Silvey 1966

The other way round its generator is f~(u) = u f(1 / u): D_f(p || q) = D_f~(q || p), as q f(p / q) = p f~(q / p). So no ratio
need be above 1: f takes the points where q is the larger, f~ those where p is.

Every convex f is the upper envelope of its tangents, f(u) = sup_t [t u - f*(t)], so any critic T bounds the divergence
from samples alone, and T = f'(p / q) makes the bound tight:

    D_f(p || q) >= E_p T(x) - E_q f*(T(x))                      Nguyen, Wainwright & Jordan 2010

An f-GAN (Nowozin, Cseke & Tomioka 2016, arXiv:1606.00709) trains T = g(v) on a network's output v, where g, increasing,
keeps T in the domain of f*. The optimal v, where g(v) = f'(p / q), is the log-ratio log p/q itself for KL (up to a constant),
reverse KL, Jensen-Shannon, GAN and alpha; of the others it only grows with it. f*(g(v)) is written out beside f* and g,
because composed they overflow.

GAN stands among them for its bound, though it is no divergence: f(1) = -log 4, so D_f = 2 JS - log 4 is negative where p = q.
Pearson's chi-square divides by q, int (p - q)^2 / q, and Neyman's by p.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import softplus

from genus.spaces.points import numbers

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FDivergence:
    """One member of the family; its functions are differentiable, of tensors of any shape."""

    name: str
    f: Function  # the generator, of u >= 0
    critic: Function  # f'(e^v), the optimal T at the log-ratio v = log p/q
    conjugate: Function  # f*(t) = sup_u [t u - f(u)] over u >= 0, of t up to `limit`; -f(0) below f'(0)
    activation: Function  # g(v): any number to the domain of f*
    penalty: Function  # f*(g(v))
    mirror: Function | None = None  # f~(u) = u f(1 / u), where it is not f itself

    @property
    def reverse(self) -> Function:
        """f~, the generator of D_f(q || p)."""
        return self.mirror or self.f

    @property
    def limit(self) -> float:
        """f'(infinity) = f~(0), the end of the domain of f*: the price of p where q has nothing."""
        return float(self.reverse(torch.zeros((), dtype=torch.float64)))

    def between(self, p: Any, q: Any) -> Tensor:
        """D_f(p || q) of probabilities (..., k), over the last axis. Where q = 0 it is p f'(infinity).

        Quadrature is the same sum: pass densities times the width of a cell; a tail that is rounded to 0 is nothing. Raises
        TypeError for what is no array of numbers, ValueError for what is no distribution.
        """
        p, q = numbers(p=p, q=q)
        for name, probabilities in (("p", p), ("q", q)):
            if not bool((probabilities >= 0).all()) or not torch.allclose(
                total := probabilities.sum(-1), torch.ones_like(total), atol=1e-3
            ):
                raise ValueError(
                    f"{name}: probabilities must be at least 0 and add up to 1 along the last axis; divide by their sum"
                )
        if p.shape[-1] != q.shape[-1]:
            raise ValueError(f"p, q: have {p.shape[-1]} and {q.shape[-1]} outcomes along the last axis, but must have equally many")
        return (_perspective(self.f, p, q, (p <= q) & (q > 0)) + _perspective(self.reverse, q, p, p > q)).sum(-1)

    def slope(self, u: Tensor) -> Tensor:
        """f'(u), of u = p / q."""
        return self.critic(u.log())

    def bound(self, real: Tensor, fake: Tensor) -> Tensor:
        """E_p g(v) - E_q f*(g(v)), a lower bound on D_f(p || q), of a network's outputs v at draws of p and of q."""
        return self.activation(real).mean() - self.penalty(fake).mean()


def _perspective(f: Function, p: Tensor, q: Tensor, here: Tensor) -> Tensor:
    """q f(p / q) where it is asked for, else 0."""
    p, q = torch.where(here, p, 1.0), torch.where(here, q, 1.0)
    ratio = p / torch.where(p > 0, q, q.detach())  # 0 / q does not change with q, even where f'(0) is infinite
    return torch.where(here, q * f(ratio), 0.0)


def alpha(a: float) -> FDivergence:
    """The alpha-divergence, f(u) = (u^a - 1 - a (u - 1)) / (a (a - 1)). Cressie & Read 1984; Amari 1985.

    a = 2 and -1 are half Pearson's and Neyman's chi-square, a = 1/2 is twice the squared Hellinger distance; at a = 1
    and 0, its limits, it is KL and reverse KL. Raises ValueError for numbers that are not finite.
    """
    if not math.isfinite(a):
        raise ValueError(f"a={a!r} must be a finite number")
    if a in (0, 1):
        return KL if a == 1 else REVERSE_KL
    generator = lambda a: lambda u: (u**a - 1 - a * (u - 1)) / (a * (a - 1))  # noqa: E731
    return FDivergence(
        f"alpha({a:g})",
        f=generator(a),
        critic=lambda v: torch.expm1((a - 1) * v) / (a - 1),
        conjugate=lambda t: ((1 + (a - 1) * t).clamp_min(0 if a > 1 else -math.inf) ** (a / (a - 1)) - 1) / a,
        activation=lambda v: torch.expm1((a - 1) * v) / (a - 1),
        penalty=lambda v: torch.expm1(a * v) / a,
        mirror=generator(1 - a),
    )


KL = FDivergence(
    "kl",
    f=lambda u: torch.xlogy(u, u),
    critic=lambda v: 1 + v,
    conjugate=lambda t: (t - 1).exp(),
    activation=lambda v: v,
    penalty=lambda v: (v - 1).exp(),
    mirror=lambda u: -u.log(),
)
REVERSE_KL = FDivergence(
    "reverse-kl",
    f=KL.reverse,
    critic=lambda v: -(-v).exp(),
    conjugate=lambda t: -1 - (-t).log(),
    activation=lambda v: -(-v).exp(),
    penalty=lambda v: v - 1,
    mirror=KL.f,
)
PEARSON = FDivergence(  # chi-square, int (p - q)^2 / q
    "pearson",
    f=lambda u: (u - 1).square(),
    critic=lambda v: 2 * torch.expm1(v),
    conjugate=lambda t: (t := t.clamp_min(-2)) * (t / 4 + 1),
    activation=lambda v: v,
    penalty=lambda v: (v := v.clamp_min(-2)) * (v / 4 + 1),
    mirror=lambda u: (u - 1).square() / u,
)
NEYMAN = FDivergence(  # chi-square the other way, int (p - q)^2 / p
    "neyman",
    f=PEARSON.reverse,
    critic=lambda v: -torch.expm1(-2 * v),
    conjugate=lambda t: 2 - 2 * (1 - t).sqrt(),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: -2 * torch.expm1(-v / 2),
    mirror=PEARSON.f,
)
HELLINGER = FDivergence(  # the squared distance, int (sqrt p - sqrt q)^2, without the half that some write before it
    "squared-hellinger",
    f=lambda u: (u.sqrt() - 1).square(),
    critic=lambda v: -torch.expm1(-v / 2),
    conjugate=lambda t: t / (1 - t),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: torch.expm1(v),
)
JENSEN_SHANNON = FDivergence(  # KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2; Nowozin et al. print twice this generator
    "jensen-shannon",
    f=lambda u: (torch.xlogy(u, u) - (1 + u) * ((1 + u) / 2).log()) / 2,
    critic=lambda v: (math.log(2) - softplus(-v)) / 2,
    conjugate=lambda t: -(2 - (2 * t).exp()).log() / 2,
    activation=lambda v: (math.log(2) - softplus(-v)) / 2,
    penalty=lambda v: (softplus(v) - math.log(2)) / 2,
)
GAN = FDivergence(  # Goodfellow et al. 2014: 2 JS - log 4. No divergence, as f(1) = -log 4; exp(critic) is D* = p / (p + q)
    "gan",
    f=lambda u: torch.xlogy(u, u) - (1 + u) * (1 + u).log(),
    critic=lambda v: -softplus(-v),
    conjugate=lambda t: -(-torch.expm1(t)).log(),
    activation=lambda v: -softplus(-v),
    penalty=lambda v: softplus(v),
)
TOTAL_VARIATION = FDivergence(
    "total-variation",
    f=lambda u: (u - 1).abs() / 2,
    critic=lambda v: v.sign() / 2,
    conjugate=lambda t: t.clamp_min(-0.5),
    activation=lambda v: v.tanh() / 2,
    penalty=lambda v: v.tanh() / 2,
)
TRIANGULAR = FDivergence(  # int (p - q)^2 / (p + q); Vincze 1981, Le Cam 1986
    "triangular",
    f=lambda u: (u - 1).square() / (u + 1),
    critic=lambda v: 1 - 4 * (-v).sigmoid().square(),
    conjugate=lambda t: (1 - (s := (1 - t).sqrt().clamp_max(2))) * (3 - s),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: -torch.expm1(half := v.clamp_min(-math.log(4)) / -2) * (3 - half.exp()),
)

F_DIVERGENCES: dict[str, FDivergence] = {
    d.name: d
    for d in (KL, REVERSE_KL, PEARSON, NEYMAN, HELLINGER, JENSEN_SHANNON, GAN, TOTAL_VARIATION, TRIANGULAR)
}  # fmt: skip

"""f-divergences: how far p is from q, as the mean of a convex function of their ratio.

    D_f(p || q) = E_q f(p / q),     f convex, f(1) = 0          Csiszar 1967; Ali & Silvey 1966

Every convex f is the upper envelope of its tangents, f(u) = sup_t [t u - f*(t)], so any critic T bounds the divergence
from samples alone, and T = f'(p / q) makes the bound tight:

    D_f(p || q) >= E_p T(x) - E_q f*(T(x))                      Nguyen, Wainwright & Jordan 2010

An f-GAN (Nowozin, Cseke & Tomioka 2016, arXiv:1606.00709) trains T = g(v) on a network's output v, where g, increasing,
keeps T in the domain of f*. Written here so that the optimal v is the log-ratio log p/q itself, up to a constant; and
f*(g(v)) is written out beside f* and g, because composed they overflow.

GAN stands among them for its bound, though it is no divergence: f(1) = -log 4, so D_f = 2 JS - log 4 is negative where p = q.
Pearson's chi-square divides by q, int (p - q)^2 / q, and Neyman's by p.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class FDivergence:
    """One member of the family; its functions are differentiable, of tensors of any shape."""

    name: str
    f: Function  # the generator, of u >= 0
    slope: Function  # f', the optimal critic at u = p / q
    conjugate: Function  # f*(t) = sup_u [t u - f(u)]
    activation: Function  # g(v): any number to the domain of f*
    penalty: Function  # f*(g(v))
    limit: float = math.inf  # f'(infinity), the end of the domain of f*: the price of p where q has nothing

    def between(self, p: Tensor, q: Tensor) -> Tensor:
        """D_f(p || q) of probabilities (..., k), over the last axis. Where q = 0 it is p f'(infinity).

        Quadrature is the same sum: pass densities times the width of a cell. Raises ValueError for what is no distribution.
        """
        for name, probabilities in (("p", p), ("q", q)):
            if not bool((probabilities >= 0).all()) or not torch.allclose(
                total := probabilities.sum(-1), torch.ones_like(total), atol=1e-3
            ):
                raise ValueError(
                    f"{name}: probabilities must be at least 0 and add up to 1 along the last axis; divide by their sum"
                )
        inside = q > 0
        ratio = torch.where(inside, p, 1.0) / torch.where(inside, q, 1.0)
        outside = torch.where(inside | (p == 0), 0.0, p)
        beyond = outside.sum(-1) * self.limit if bool((outside > 0).any()) else 0.0
        return torch.where(inside, q * self.f(ratio), 0.0).sum(-1) + beyond

    def critic(self, log_ratio: Tensor) -> Tensor:
        """The optimal T = f'(p / q), of log p/q."""
        return self.slope(log_ratio.exp())

    def bound(self, real: Tensor, fake: Tensor) -> Tensor:
        """E_p g(v) - E_q f*(g(v)), a lower bound on D_f(p || q), of a network's outputs v at draws of p and of q."""
        return self.activation(real).mean() - self.penalty(fake).mean()


def alpha(a: float) -> FDivergence:
    """The alpha-divergence, f(u) = (u^a - 1 - a (u - 1)) / (a (a - 1)). Cressie & Read 1984; Amari 1985.

    a = 2 and -1 are half Pearson's and Neyman's chi-square, a = 1/2 is twice the squared Hellinger distance; at a = 1
    and 0, its limits, it is KL and reverse KL. Raises ValueError for numbers that are not finite.
    """
    if not math.isfinite(a):
        raise ValueError(f"a={a!r} must be a finite number")
    if a in (0, 1):
        return KL if a == 1 else REVERSE_KL
    return FDivergence(
        f"alpha({a:g})",
        f=lambda u: (u**a - 1 - a * (u - 1)) / (a * (a - 1)),
        slope=lambda u: (u ** (a - 1) - 1) / (a - 1),
        conjugate=lambda t: ((1 + (a - 1) * t) ** (a / (a - 1)) - 1) / a,
        activation=lambda v: torch.expm1((a - 1) * v) / (a - 1),
        penalty=lambda v: torch.expm1(a * v) / a,
        limit=math.inf if a > 1 else 1 / (1 - a),
    )


KL = FDivergence(
    "kl",
    f=lambda u: torch.xlogy(u, u),
    slope=lambda u: 1 + u.log(),
    conjugate=lambda t: (t - 1).exp(),
    activation=lambda v: v,
    penalty=lambda v: (v - 1).exp(),
)
REVERSE_KL = FDivergence(
    "reverse-kl",
    f=lambda u: -u.log(),
    slope=lambda u: -1 / u,
    conjugate=lambda t: -1 - (-t).log(),
    activation=lambda v: -(-v).exp(),
    penalty=lambda v: v - 1,
    limit=0.0,
)
PEARSON = FDivergence(  # chi-square, int (p - q)^2 / q
    "pearson",
    f=lambda u: (u - 1).square(),
    slope=lambda u: 2 * (u - 1),
    conjugate=lambda t: t.square() / 4 + t,
    activation=lambda v: v,
    penalty=lambda v: v.square() / 4 + v,
)
NEYMAN = FDivergence(  # chi-square the other way, int (p - q)^2 / p
    "neyman",
    f=lambda u: 1 / u - 2 + u,
    slope=lambda u: 1 - u**-2,
    conjugate=lambda t: 2 - 2 * (1 - t).sqrt(),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: -2 * torch.expm1(-v / 2),
    limit=1.0,
)
HELLINGER = FDivergence(  # the squared distance, int (sqrt p - sqrt q)^2, without the half that some write before it
    "squared-hellinger",
    f=lambda u: (u.sqrt() - 1).square(),
    slope=lambda u: 1 - u**-0.5,
    conjugate=lambda t: t / (1 - t),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: torch.expm1(v),
    limit=1.0,
)
JENSEN_SHANNON = FDivergence(  # KL(p || m) / 2 + KL(q || m) / 2 with m = (p + q) / 2; Nowozin et al. print twice this generator
    "jensen-shannon",
    f=lambda u: (torch.xlogy(u, u) - (1 + u) * ((1 + u) / 2).log()) / 2,
    slope=lambda u: (2 * u / (1 + u)).log() / 2,
    conjugate=lambda t: -(2 - (2 * t).exp()).log() / 2,
    activation=lambda v: (math.log(2) - softplus(-v)) / 2,
    penalty=lambda v: (softplus(v) - math.log(2)) / 2,
    limit=math.log(2) / 2,
)
GAN = FDivergence(  # Goodfellow et al. 2014: 2 JS - log 4. No divergence, as f(1) = -log 4; exp(critic) is D* = p / (p + q)
    "gan",
    f=lambda u: torch.xlogy(u, u) - (1 + u) * (1 + u).log(),
    slope=lambda u: (u / (1 + u)).log(),
    conjugate=lambda t: -(-torch.expm1(t)).log(),
    activation=lambda v: -softplus(-v),
    penalty=lambda v: softplus(v),
    limit=0.0,
)
TOTAL_VARIATION = FDivergence(
    "total-variation",
    f=lambda u: (u - 1).abs() / 2,
    slope=lambda u: (u - 1).sign() / 2,
    conjugate=lambda t: t,
    activation=lambda v: v.tanh() / 2,
    penalty=lambda v: v.tanh() / 2,
    limit=0.5,
)
TRIANGULAR = FDivergence(  # int (p - q)^2 / (p + q); Vincze 1981, Le Cam 1986
    "triangular",
    f=lambda u: (u - 1).square() / (u + 1),
    slope=lambda u: 1 - 4 / (u + 1).square(),
    conjugate=lambda t: (1 - (1 - t).sqrt()) * (3 - (1 - t).sqrt()),
    activation=lambda v: -torch.expm1(-v),
    penalty=lambda v: -torch.expm1(-v / 2) * (3 - (-v / 2).exp()),
    limit=1.0,
)

F_DIVERGENCES: dict[str, FDivergence] = {
    d.name: d
    for d in (KL, REVERSE_KL, PEARSON, NEYMAN, HELLINGER, JENSEN_SHANNON, GAN, TOTAL_VARIATION, TRIANGULAR)
}  # fmt: skip

"""The standard normal between two edges: the mass of (a, b), and the moments of what lies there.

    Z = Phi(b) - Phi(a)      E[t^k] = (k - 1) E[t^(k-2)] + (a^(k-1) phi(a) - b^(k-1) phi(b)) / Z

These differences lose every digit where they are needed most, so three forms share the line, each good to 1e-11 of Z and E[t]
(the variances are left with fewer, and with none far out in a tail):

    astride 0     Z = (erf(b / sqrt 2) - erf(a / sqrt 2)) / 2: both terms have the same sign
    in a tail     phi(a) is taken out: Z = sqrt(pi/2) phi(a) D, D = erfcx(a / sqrt 2) - exp(-(b^2 - a^2) / 2) erfcx(b / sqrt 2);
                  intervals below 0 are those above 0, mirrored
    narrow        about its middle m, with width h: log Z = log phi(m) + log h + (m^2 - 1) h^2 / 24, to order (m h)^4

What is rounded is seen through such an interval (grouped data: Dempster, Laird & Rubin 1977, section 4.2; the terms in
h^2 are Sheppard's corrections, 1898).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from genus.probability.gaussian_forms import LOG_2PI

FAR = 1e50  # stands for infinity: FAR^3 exp(-700) is 0, where inf * 0 is not a number
NARROW = 1e-3  # widths, and widths times distance from 0, below which the last form is the better one


def log_mass(a: Tensor, b: Tensor) -> Tensor:
    """log P(a < t < b) for t ~ N(0, 1), float64, elementwise; a < b, either may be infinite."""
    return _by_form(
        a, b, _log_mass_of_wide, lambda m, h: ((m.square() - 1) * h.square() / 24 - m.square() / 2 + h.log() - LOG_2PI / 2,)
    )[0]


def moments(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    """E[t], E[t^2], Var[t], Cov[t, t^2] and Var[t^2] of t ~ N(0, 1) between a and b, elementwise."""
    return _by_form(a, b, _moments_of_wide, _moments_of_narrow)


def _by_form(a, b, wide, narrow):
    """All intervals as narrow ones, and then those which are not, at ten times the cost, by the other forms."""
    a, b = torch.broadcast_tensors(a.clamp(-FAR, FAR), b.clamp(-FAR, FAR))
    thin = (b - a) * torch.maximum(a.abs(), b.abs()).clamp(min=1) < NARROW
    if not thin.any():
        return wide(a, b)
    found = narrow(torch.where(thin, (a + b) / 2, 0.0), torch.where(thin, b - a, NARROW))
    if thin.all():
        return found
    rest = (~thin).nonzero(as_tuple=True)
    return tuple(f.index_put(rest, r) for f, r in zip(found, wide(a[rest], b[rest]), strict=True))


def _mirrored(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The interval or its mirror image, whichever reaches farther up, and the sign that undoes it."""
    below = a + b < 0
    return torch.where(below, -b, a), torch.where(below, -a, b), torch.where(below, -1.0, 1.0)


def _tail(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """exp(-(b^2 - a^2) / 2) and D of an interval above 0."""
    fall = (-(b - a) * (b + a) / 2).clamp(min=-700).exp()  # below, exp is denormal and slow
    return fall, torch.special.erfcx(a / math.sqrt(2)) - fall * torch.special.erfcx(b / math.sqrt(2))


def _log_mass_of_wide(a: Tensor, b: Tensor) -> tuple[Tensor]:
    a, b, _ = _mirrored(a, b)
    astride = a <= 0
    inside = (torch.erf(b / math.sqrt(2)) - torch.erf(a / math.sqrt(2))) / 2
    above = a.clamp(min=0)
    tail = (_tail(above, b)[1] / 2).log() - above.square() / 2
    return (torch.where(astride, inside.where(astride, 1.0).log(), tail),)


def _moments_of_wide(a: Tensor, b: Tensor) -> tuple[Tensor, ...]:
    a, b, sign = _mirrored(a, b)
    astride = a <= 0
    density = [torch.exp(-t.square().clamp(max=1400) / 2) for t in (a, b)]
    mass = math.sqrt(math.pi / 2) * (torch.erf(b / math.sqrt(2)) - torch.erf(a / math.sqrt(2)))
    fall, above = _tail(a.clamp(min=0), b)
    at_a, at_b = torch.where(astride, density[0], 1.0), torch.where(astride, density[1], fall)
    z = torch.where(astride, mass, math.sqrt(math.pi / 2) * above)
    at_a, at_b = at_a / z, at_b / z
    one, two = at_a - at_b, 1 + a * at_a - b * at_b
    three, four = 2 * one + a.square() * at_a - b.square() * at_b, 3 * two + a.pow(3) * at_a - b.pow(3) * at_b
    return sign * one, two, two - one.square(), sign * (three - one * two), four - two.square()


def _moments_of_narrow(m: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    spread = h.square() / 12
    two = m.square()
    return m * (1 - spread), two * (1 - 2 * spread) + spread, spread, 2 * m * spread, 4 * two * spread

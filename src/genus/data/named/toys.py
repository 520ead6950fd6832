"""Densities in the plane that are known exactly, drawn on the spot.

Every one is a mixture of Gaussians: a finite one (ring, grid), one spread along a curve (moons, spirals: the integral
over the curve by Gauss-Legendre nodes, exact to rounding), or one twisted by a map that keeps areas (pinwheel). So each
has an exact log-density, and an entropy in nats: what no model can be better than.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from genus.data.named.registry import named
from genus.data.readers import Raw
from genus.fields import check_count, perhaps
from genus.randomness import generator
from genus.spaces import Reals

EXAMPLES = 10_000
CHUNK = 2048  # points of one evaluation of a density


@dataclass(frozen=True)
class Toy:
    """A density in the plane: its mixture, noise, twist, and entropy in nats."""

    nodes: Tensor  # (k, 2) float64, centres (a quadrature of them, where they lie on a curve)
    weights: Tensor  # (k,)
    sigma: tuple[float, float]  # of the Gaussian round each centre, along and across where it is turned
    turns: Tensor | None  # (k,) angle of each Gaussian
    twist: float  # angle by radius of the last map; 0 for none
    draw: Callable[[int, torch.Generator], Tensor] | None  # centres of n points, where they lie on a curve
    entropy: float

    def log_density(self, x: Tensor) -> Tensor:
        """Log-density (n,), nats, of points (n, 2); differentiable."""
        return torch.cat([self._log_density(part) for part in torch.as_tensor(x).double().split(CHUNK)])

    def _log_density(self, x: Tensor) -> Tensor:
        offset = (_turned(x, -self.twist * _radius(x)) if self.twist else x)[:, None] - self.nodes  # (n, k, 2)
        if self.turns is not None:
            offset = _turned(offset, -self.turns)
        sigma = torch.tensor(self.sigma, dtype=torch.float64)
        log_terms = self.weights.log() - 0.5 * (offset / sigma).square().sum(-1)
        return log_terms.logsumexp(1) - math.log(2 * math.pi * self.sigma[0] * self.sigma[1])

    def sample(self, n: int, seed: int, name: str) -> Tensor:
        """n independent points, float32 (n, 2)."""
        stream = generator(seed, f"toy/{name}")
        noise = torch.randn(n, 2, generator=stream, dtype=torch.float64) * torch.tensor(self.sigma, dtype=torch.float64)
        if self.draw is not None:
            return (self.draw(n, stream) + noise).float()
        which = torch.multinomial(self.weights, n, replacement=True, generator=stream)
        if self.turns is not None:
            noise = _turned(noise, self.turns[which])
        x = self.nodes[which] + noise
        return (_turned(x, self.twist * _radius(x)) if self.twist else x).float()


def _ring() -> Toy:
    angles = torch.arange(8, dtype=torch.float64) * (math.pi / 4)
    nodes = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)
    return _mixture(nodes, 0.1, math.log(8) + _gaussian_entropy(0.1, 0.1))


def _grid() -> Toy:
    side = torch.arange(-4.0, 5.0, 2.0, dtype=torch.float64)
    return _mixture(torch.cartesian_prod(side, side), 0.05, math.log(25) + _gaussian_entropy(0.05, 0.05))


def _moons() -> Toy:
    def curve(t: Tensor, second: Tensor) -> Tensor:
        upper = torch.stack([t.cos(), t.sin()], dim=1)
        return torch.where(second[:, None], torch.tensor([1.0, 0.5], dtype=torch.float64) - upper, upper)

    def draw(n: int, stream: torch.Generator) -> Tensor:
        t, side = torch.rand(2, n, generator=stream, dtype=torch.float64)
        return curve(math.pi * t, side < 0.5)

    nodes, weights = _legendre(64)
    arms = [curve(math.pi * nodes, torch.full((64,), second)) for second in (False, True)]
    return Toy(torch.cat(arms), weights.repeat(2) / 2, (0.1, 0.1), None, 0.0, draw, 1.00758483)


def _spirals() -> Toy:
    def curve(t: Tensor, sign: Tensor) -> Tensor:
        return sign[:, None] * torch.stack([-t.cos(), t.sin()], dim=1) * t[:, None] / 3

    def draw(n: int, stream: torch.Generator) -> Tensor:
        u, side = torch.rand(2, n, generator=stream, dtype=torch.float64)
        return curve(3 * math.pi * u.sqrt(), torch.where(side < 0.5, -1.0, 1.0).double())

    t, weights = _legendre(256)  # the density of t / 3 pi is 2 t / 3 pi
    arms = [curve(3 * math.pi * t, torch.full((256,), sign, dtype=torch.float64)) for sign in (1.0, -1.0)]
    return Toy(torch.cat(arms), (weights * t).repeat(2), (0.1, 0.1), None, 0.0, draw, 2.54061789)


def _pinwheel() -> Toy:
    """Five arms (Johnson et al. 2016, arXiv:1603.06277), twisted here by the radius, which keeps areas."""
    turns = torch.arange(5, dtype=torch.float64) * (2 * math.pi / 5)
    nodes = torch.stack([turns.cos(), turns.sin()], dim=1)
    return Toy(nodes, torch.full((5,), 0.2, dtype=torch.float64), (0.3, 0.1), turns, 0.75, None, 0.93429412)


TOYS: dict[str, tuple[Callable[[], Toy], str]] = {
    "ring": (_ring, "8 Gaussians of sigma 0.1 on a circle of radius 2"),
    "grid": (_grid, "25 Gaussians of sigma 0.05 on a grid of step 2"),
    "moons": (_moons, "two half circles, interlocked, with noise of sigma 0.1"),
    "spirals": (_spirals, "two spiral arms with noise of sigma 0.1"),
    "pinwheel": (_pinwheel, "five Gaussian arms, twisted"),
}


def toy_log_density(name: str) -> Callable[[Tensor], Tensor]:
    """The exact log-density of a toy: points (n, 2) -> nats (n,), float64. Raises ValueError for an unknown name."""
    if name not in TOYS:
        raise ValueError(f"toy {name!r} is not known: choose one of {', '.join(TOYS)}{perhaps(name, TOYS)}")
    return TOYS[name][0]().log_density


def _register(name: str) -> None:
    make, sentence = TOYS[name]

    @named(
        name,
        sentence,
        kind="toys",
        space="Reals(2,)",
        sizes=(EXAMPLES, 0, 0),
        source="made by genus from a seed",
        licence="none needed",
    )
    def load(n: int = EXAMPLES, seed: int = 0) -> Raw:
        n = check_count("n", n, 1)
        toy = make()
        return Raw(toy.sample(n, seed, name), space=Reals((2,)), entropy=toy.entropy)


def _mixture(nodes: Tensor, sigma: float, entropy: float) -> Toy:
    weights = torch.full((len(nodes),), 1 / len(nodes), dtype=torch.float64)
    return Toy(nodes, weights, (sigma, sigma), None, 0.0, None, entropy)


def _gaussian_entropy(along: float, across: float) -> float:
    return 1 + math.log(2 * math.pi * along * across)


def _legendre(n: int) -> tuple[Tensor, Tensor]:
    """Nodes and weights (n,) of an integral over [0, 1]."""
    nodes, weights = np.polynomial.legendre.leggauss(n)
    return torch.from_numpy((nodes + 1) / 2), torch.from_numpy(weights / 2)


def _radius(x: Tensor) -> Tensor:
    return (x.square().sum(-1) + 1e-300).sqrt()


def _turned(x: Tensor, angle: Tensor) -> Tensor:
    """Points (..., 2) turned by an angle (...)."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([c * x[..., 0] - s * x[..., 1], s * x[..., 0] + c * x[..., 1]], dim=-1)


for _name in TOYS:
    _register(_name)

"""Entropy and divergence of distributions: by their formula where there is one, else from draws.

    H(p) = -E_p log p      H(p, q) = -E_p log q      KL(p || q) = E_p log p/q = H(p, q) - H(p)      D_f(p || q) = E_q f(p/q)

A distribution is anything that samples and scores: a fitted genus model with an exact log_prob, a torch distribution, or
a pair of functions (draw, log_prob) with draw(n) -> x, log_prob(x) -> (n,). Where only its score is asked for, a function
log_prob alone will do. Kullback & Leibler 1951; the formulas are those of torch.distributions.

KL is no distance. Fitted by KL(data || model) a model covers all of the data, by KL(model || data) it keeps to one mode
(docs/divergences.md). Between normal distributions it has a formula, of variances s^2, not of deviations s:

    KL(N(m, s^2) || N(0, 1)) = (m^2 + s^2 - 1 - log s^2) / 2
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributions import Distribution, MixtureSameFamily, kl_divergence

from genus.fields import check_count
from genus.model import CanSample, HasLogProb, Model
from genus.probability.f_divergences import KL, REVERSE_KL, FDivergence
from genus.randomness import check_seed, randomness
from genus.sampling.importance import pareto_shape
from genus.sampling.monte_carlo import estimate
from genus.warn import warn

DRAWS = 10_000


@dataclass(frozen=True)
class Nats:
    """A number of nats: exact, or the mean over n draws with its standard error."""

    nats: float
    standard_error: float = 0.0
    n: int | None = None

    @property
    def kind(self) -> Literal["exact", "estimate"]:
        return "exact" if self.n is None else "estimate"


def entropy(p: Any, *, n: int = DRAWS, seed: int = 0) -> Nats:
    """H(p) in nats. Raises TypeError for what does not sample and score, ValueError for n below 2."""
    return _exact(lambda p: p.entropy(), p) or _mean(-_score(p, _draw(p, n, seed), "p"))


def cross_entropy(p: Any, q: Any, *, n: int = DRAWS, seed: int = 0) -> Nats:
    """H(p, q) in nats: what points of p cost in a code made for q. Raises as `entropy` does."""
    return _exact(lambda p, q: p.entropy() + kl_divergence(p, q), p, q) or _mean(-_score(q, _draw(p, n, seed), "q"))


def kl(p: Any, q: Any, *, n: int = DRAWS, seed: int = 0) -> Nats:
    """KL(p || q) in nats. Raises as `entropy` does."""
    if (exact := _exact(kl_divergence, p, q)) is not None:
        return exact
    x = _draw(p, n, seed)
    return _mean(_score(p, x, "p") - _score(q, x, "q"))


def f_divergence(divergence: FDivergence, p: Any, q: Any, *, n: int = DRAWS, seed: int = 0) -> Nats:
    """D_f(p || q) = E_q[f(p / q), p <= q] + E_p[f~(q / p), p > q] from n draws of each: either alone may never meet the other.

    KL and REVERSE_KL are left to `kl`, which needs no ratio. Warns where terms without a bound have so heavy a tail (of shape
    above 0.7) that neither their mean nor its error can be believed. Raises as `entropy` does.
    """
    if divergence is KL or divergence is REVERSE_KL:
        return kl(*((p, q) if divergence is KL else (q, p)), n=n, seed=seed)
    x, y = _draw(p, n, seed, "p"), _draw(q, n, seed, "q")
    at_x, at_y = _score(q, x, "q") - _score(p, x, "p"), _score(p, y, "p") - _score(q, y, "q")  # log q/p, log p/q
    from_p = torch.where(at_x >= 0, 0.0, divergence.reverse(at_x.clamp_max(0).exp()))
    from_q = torch.where(at_y > 0, 0.0, divergence.f(at_y.clamp_max(0).exp()))
    terms = from_p + from_q  # in pairs, so that the error counts what the draws of one seed have in common
    sides = ((from_p, divergence.reverse), (from_q, divergence.f))
    shapes = [pareto_shape(side.abs().log1p()) for side, f in sides if f(torch.zeros(())).isinf()]  # what is bounded has no tail
    if (shape := max(shapes, default=-math.inf)) > 0.7:
        warn(
            f"{divergence.name}: few of the {n} draws decide its estimate (tail shape {shape:.2f}, above 0.7), likely too low, as "
            "is its standard error; take a divergence that is bounded, such as jensen-shannon"
        )
    return _mean(terms)


def _exact(formula: Callable[..., Tensor], *distributions: Any) -> Nats | None:
    """What the formula says of torch distributions; None where torch has none, as for mixtures."""
    if not all(isinstance(d, Distribution) for d in distributions):
        return None
    try:
        nats = formula(*distributions)
    except NotImplementedError:
        return None
    if nats.numel() != 1:
        raise ValueError(
            f"p: is {nats.numel()} distributions, of batch shape {tuple(nats.shape)}; pass one, or make it one with Independent"
        )
    return Nats(float(nats))


def _mean(terms: Tensor) -> Nats:
    """The mean of terms (n,), one a draw."""
    found = estimate(Tensor.double, terms)
    return Nats(float(found.mean), float(found.standard_error), len(terms))


def _draw(p: Any, n: int, seed: int, name: str = "p") -> Any:
    n = check_count("n", n, 2)
    if isinstance(p, CanSample):
        return p.sample(n, seed=seed)
    draw = (lambda n: p.sample((n,))) if isinstance(p, Distribution) else p[0] if isinstance(p, tuple) and len(p) == 2 else None
    if draw is None:
        raise TypeError(
            f"{name}: a {type(p).__name__} does not sample; pass a model that is CanSample, a torch distribution or (draw, log_prob)"
        )
    with torch.no_grad(), randomness(check_seed(seed), "divergence"):
        return draw(n)


def _log_prob(p: Distribution, x: Tensor) -> Tensor:
    """log p(x), -infinity outside the support, where torch's distributions raise."""
    if isinstance(p, MixtureSameFamily):  # whose own support is only what its components have in common
        scores = _log_prob(p.component_distribution, x.unsqueeze(-1 - len(p.event_shape)))
        return (p.mixture_distribution.logits.log_softmax(-1) + scores).logsumexp(-1)
    inside = p.support.check(x)  # type: ignore[attr-defined]
    with randomness(0, "a point inside"):  # of each distribution, in place of those outside
        x = torch.where(inside.reshape(*inside.shape, *(1 for _ in p.event_shape)), x, p.sample())
    return torch.where(inside, p.log_prob(x).double(), -torch.inf)


@torch.no_grad()
def _score(p: Any, x: Any, name: str) -> Tensor:
    """log p(x), (n,) float64."""
    if isinstance(p, Distribution):
        p = partial(_log_prob, p)
    if isinstance(p, Model) and not (isinstance(p, HasLogProb) and p.likelihood_kind == "exact"):
        raise TypeError(
            f"{name}: {type(p).__name__} has no exact log_prob on this data, so its divergences are unknown; use a model that is "
            "HasLogProb (on whole numbers, one of probabilities rather than densities)"
        )
    log_prob = p[1] if isinstance(p, tuple) and len(p) == 2 else p.log_prob if hasattr(p, "log_prob") else p
    if not callable(log_prob):
        raise TypeError(f"{name}: a {type(p).__name__} does not score; pass a model, a torch distribution or a function log_prob")
    score = log_prob(x)
    if not isinstance(score, Tensor) or score.shape != (len(x),):
        what = f"shape {tuple(score.shape)}" if isinstance(score, Tensor) else f"a {type(score).__name__}"
        raise ValueError(
            f"{name}: log_prob of {len(x)} points gave {what}, but it must be ({len(x)},); use Independent for vectors"
        )
    return score.double()

"""Optimal transport: the least work that turns one distribution into another.

    W_p(a, b)^p = min_P sum_ij P_ij |x_i - y_j|^p       over couplings P >= 0 with P 1 = a and P' 1 = b

Exactly by sorting on a line; exactly anywhere by a linear programme (n m numbers, n^3 time); smoothed by entropy
(Sinkhorn); along random lines (sliced); in closed form between normal distributions, which is the Frechet distance.
Everything is differentiable, once: the derivative of the work in its costs is the best plan itself (Danskin 1966).

Kantorovich 1942; Villani 2009, Optimal Transport; Peyre & Cuturi 2019, arXiv:1803.00567.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from genus.fields import check_count
from genus.randomness import check_seed, generator
from genus.spaces.points import distances, numbers, points

PROJECTIONS = 128


# ----------------------------------------------------------------------------------------------------------- on a line


def wasserstein_1d(x: Any, y: Any, p: float = 1, *, a: Any = None, b: Any = None) -> Tensor:
    """W_p of one-dimensional points x (n, ...) and y (m, ...) along the first axis, weighing a (n,) and b (m,), else alike.

    W_p^p = int |F^-1(t) - G^-1(t)|^p dt, exactly, of two step functions that change where the weights add up.
    """
    _check_power(p)
    x, y = numbers(x=x, y=y)
    if x.shape[1:] != y.shape[1:] or not x.numel() or not y.numel():
        raise ValueError(
            f"x, y: have shapes {tuple(x.shape)} and {tuple(y.shape)}, but must be points (n, ...) and (m, ...), at least one a side"
        )
    x, at_x = _quantiles(x, a, "a")
    y, at_y = _quantiles(y, b, "b")
    steps = torch.cat([at_x, at_y], -1).sort(-1).values  # (..., n + m)
    length = steps.diff(dim=-1, prepend=torch.zeros_like(steps[..., :1]))
    middle = steps - length / 2
    quantile = lambda z, at: z.gather(-1, torch.searchsorted(at, middle).clamp_max(z.shape[-1] - 1))  # noqa: E731
    gap = (quantile(x, at_x) - quantile(y, at_y)).abs()
    return _root((gap**p * length.to(gap)).sum(-1), p)


def sliced_wasserstein(x: Any, y: Any, p: float = 1, *, projections: int = PROJECTIONS, seed: int = 0) -> Tensor:
    """W_p of points x (n, d), y (m, d) seen along random directions, averaged. Rabin et al. 2011; Bonneel et al. 2015."""
    x, y = points(x, y)
    projections = check_count("projections", projections, 1)
    directions = torch.randn(x.shape[1], projections, generator=generator(check_seed(seed), "directions"), dtype=torch.float64)
    directions = (directions / directions.norm(dim=0)).to(x)
    return _root((wasserstein_1d(x @ directions, y @ directions, p) ** p).mean(), p)


def _quantiles(x: Tensor, weights: Any, name: str) -> tuple[Tensor, Tensor]:
    """Points in order, last axis, and where the share of points up to each ends: float64, as steps of 1/n add up."""
    x, order = x.movedim(0, -1).sort(-1)
    shares = _weights(weights, x.shape[-1], name, x).double()
    ends = shares[order].cumsum(-1) if weights is not None else shares.cumsum(-1).expand_as(x)
    return x, ends.contiguous()


# ------------------------------------------------------------------------------------------------------------ anywhere


def wasserstein(x: Any, y: Any, p: float = 1, *, a: Any = None, b: Any = None) -> Tensor:
    """W_p of points x (n, d) and y (m, d) with weights a, b (alike, unless given), exactly. Keeps n m costs."""
    _check_power(p)
    x, y = points(x, y)
    cost = distances(x, y) ** p
    return _root((transport_plan(cost, a, b) * cost).sum(), p)


def transport_plan(cost: Any, a: Any = None, b: Any = None) -> Tensor:
    """The coupling (n, m) of least work for costs (n, m) and weights a (n,), b (m,), by assignment or linear programme."""
    from scipy.optimize import linear_sum_assignment, linprog
    from scipy.sparse import eye_array, kron, vstack

    cost = _costs(cost)
    n, m = cost.shape
    work = cost.detach().cpu().double()
    if a is None and b is None and n == m:  # a vertex of the doubly stochastic matrices is a permutation (Birkhoff 1946)
        rows, columns = linear_sum_assignment(work.numpy())
        plan = torch.zeros(n, m, dtype=cost.dtype)
        plan[torch.from_numpy(rows), torch.from_numpy(columns)] = 1 / n
        return plan.to(cost.device)
    a, b = _weights(a, n, "a", work), _weights(b, m, "b", work)  # in float64: the totals must be equal
    sums = [kron(eye_array(n), np.ones((1, m))), kron(np.ones((1, n)), eye_array(m))]  # of rows, of columns
    totals = torch.cat([a, b]).detach().numpy()
    found = linprog(work.flatten().numpy(), A_eq=vstack(sums, format="csr"), b_eq=totals, method="highs")
    if not found.success:
        raise ValueError(f"cost: no plan was found ({found.message.strip()}); costs must be finite")
    return torch.from_numpy(found.x).reshape(n, m).to(cost)


def sinkhorn(
    cost: Any,
    a: Any = None,
    b: Any = None,
    *,
    epsilon: float = 0.05,
    tolerance: float = 1e-6,
    max_iter: int = 1000,
) -> tuple[Tensor, Tensor]:
    """Entropic transport min_P <P, C> + epsilon KL(P || a b'), and its plan (n, m). Cuturi 2013, arXiv:1306.0895.

    In logarithms, so any epsilon (in the units of the cost) is safe; small ones need more steps. Stops when the plan's
    rows add up to `a` within `tolerance`, or after max_iter. Differentiable in the costs (n, m) at the price of one step.
    """
    if not epsilon > 0:
        raise ValueError(f"epsilon={epsilon!r} must be a number above 0, in the units of the cost")
    cost = _costs(cost)
    n, m = cost.shape
    a, b = _weights(a, n, "a", cost), _weights(b, m, "b", cost)
    log_a, log_b = a.log(), b.log()
    with torch.no_grad():
        f, g = torch.zeros_like(a), torch.zeros_like(b)
        for _ in range(max_iter):
            g = -epsilon * (log_a[:, None] + (f[:, None] - cost) / epsilon).logsumexp(0)
            new = -epsilon * (log_b + (g - cost) / epsilon).logsumexp(1)
            gone = ((f - new) / epsilon).exp() - 1  # the plan's rows beside a: of (f, g), before f is mended
            f = new
            if float((a * gone).abs().sum()) < tolerance:
                break
    plan = (log_a[:, None] + log_b + (f[:, None] + g - cost) / epsilon).exp()
    # the dual at its optimum, where the derivatives in f and g vanish, so that those in the cost are the plan
    return (a * f).sum() + (b * g).sum() - epsilon * (plan.sum() - 1), plan.detach()


def sinkhorn_divergence(x: Any, y: Any, p: float = 2, *, epsilon: float = 0.05, max_iter: int = 1000) -> Tensor:
    """Entropic transport without its bias, S(x, y) - S(x, x) / 2 - S(y, y) / 2, of the costs |x - y|^p: zero for x = y.

    Genevay et al. 2018, arXiv:1706.00292; Feydy et al. 2019, arXiv:1810.08278.
    """
    _check_power(p)
    x, y = points(x, y)
    work = lambda x, y: sinkhorn(distances(x, y) ** p, epsilon=epsilon, max_iter=max_iter)[0]  # noqa: E731
    return work(x, y) - work(x, x) / 2 - work(y, y) / 2


# ------------------------------------------------------------------------------------------------ normal distributions


def gaussian_wasserstein(mean: Any, covariance: Any, other_mean: Any, other_covariance: Any) -> Tensor:
    """W_2^2 of N(mu, S) and N(nu, T): |mu - nu|^2 + tr(S + T - 2 (S^1/2 T S^1/2)^1/2). Dowson & Landau 1982."""
    mean, covariance, other_mean, other_covariance = numbers(
        mean=mean, covariance=covariance, other_mean=other_mean, other_covariance=other_covariance
    )
    trace = (covariance + other_covariance).diagonal(dim1=-2, dim2=-1).sum(-1)
    return (mean - other_mean).square().sum(-1) + trace - 2 * _Overlap.apply(covariance, other_covariance)


class _Overlap(Function):
    """tr (S^1/2 T S^1/2)^1/2 of covariances (..., d, d), whose derivative in S is half the linear map that carries N(0, S) to N(0, T).

    With S^1/2 T^1/2 = U D V' that is T^1/2 V D^-1 V' T^1/2 / 2: finite where eigenvalues meet, which the derivative of eigenvectors
    is not. Directions without variance count as nothing.
    """

    @staticmethod
    def forward(S: Tensor, T: Tensor) -> Tensor:
        root = _square_root(S)
        return _roots(torch.linalg.eigvalsh(root @ T @ root)).sum(-1)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor, Tensor]:
        left, right = map(_square_root, ctx.saved_tensors)
        U, D, V_t = torch.linalg.svd(left @ right)
        half = torch.where(_is_something(D), slope[..., None] / 2 / D, 0.0)
        U, V = left @ U, right @ V_t.mT
        return (V * half[..., None, :]) @ V.mT, (U * half[..., None, :]) @ U.mT


def _square_root(S: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(S)
    return (vectors * _roots(values)[..., None, :]) @ vectors.mT


def _roots(values: Tensor) -> Tensor:
    return torch.where(_is_something(values), values, 0.0).sqrt()


def _is_something(values: Tensor) -> Tensor:
    """Which of the eigenvalues or singular values (..., d) are more than what rounding leaves of zero."""
    return values > values.amax(-1, keepdim=True) * values.shape[-1] * torch.finfo(values.dtype).eps


def frechet_distance(x: Any, y: Any) -> Tensor:
    """W_2^2 of the normal distributions fitted to points x (n, d) and y (m, d).

    On Inception features it is the FID of Heusel et al. 2017; on others it is not comparable with it.
    """
    x, y = points(x, y, least=2)
    middle = x.mean(0).detach()  # about which small numbers lose nothing
    fit = lambda z: ((z - middle).mean(0), torch.cov((z - middle).T).reshape(z.shape[1], z.shape[1]))  # noqa: E731
    return gaussian_wasserstein(*fit(x), *fit(y))


# --------------------------------------------------------------------------------------------------------------- parts


def _costs(cost: Any) -> Tensor:
    (cost,) = numbers(cost=cost)
    if cost.dim() != 2 or not cost.numel():
        raise ValueError(f"cost: has shape {tuple(cost.shape)}, but must be (n, m), a number for each pair of points")
    return cost


def _weights(weights: Any, n: int, name: str, like: Tensor) -> Tensor:
    if weights is None:
        return torch.full((n,), 1 / n, dtype=like.dtype, device=like.device)
    (weights,) = numbers(**{name: weights})
    if weights.shape != (n,) or not bool((weights >= 0).all()) or abs(float(weights.sum()) - 1) > 1e-4:
        raise ValueError(f"{name}: weights must be {n} numbers, at least 0, that add up to 1; divide them by their sum")
    weights = weights.to(like)
    return weights / weights.sum()


def _root(work: Tensor, p: float) -> Tensor:
    """work^(1/p), with 0 for the derivative at 0, where the work is least."""
    if p == 1:
        return work
    nothing = work == 0
    return work.masked_fill(nothing, 1.0) ** (1 / p) * ~nothing


def _check_power(p: float) -> None:
    if not 1 <= p < math.inf:
        raise ValueError(f"p={p!r} must be a finite number, at least 1: below it W_p is no distance")

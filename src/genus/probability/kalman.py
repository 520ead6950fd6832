"""The Kalman filter and smoother: linear-Gaussian state spaces, for many sequences side by side.

    z_1 ~ N(m, V),   z_t = A z_{t-1} + w,  w ~ N(0, Q),        x_t = C z_t + c + v,  v ~ N(0, diag(r))

Filter (Kalman 1960), in information form, with Phi_t = C' diag(1/r) C and b_t = C' diag(1/r) (x_t - c) over what is seen:

    predicted   z_t | x_<t ~ N(p_t, P_t),     p_t = A f_{t-1},   P_t = A F_{t-1} A' + Q
    filtered    z_t | x_<=t ~ N(f_t, F_t),    F_t = H_t' H_t,    f_t = p_t + F_t (b_t - Phi_t p_t)

so that a missing entry merely leaves the sums Phi_t and b_t, and all algebra is k x k. Covariances are kept as roots, which
cannot lose their sign (Bierman 1977): with P_t = L L', H_t = (chol(I + L' Phi_t L))^-1 L', and the next L from
[H_t A'; chol(Q)'] = U L' (QR).
Smoother (Rauch, Tung & Striebel 1965), with J_t = F_t A' P_{t+1}^-1:

    z_t | z_{t+1}, x_<=t ~ N(f_t + J_t (z_{t+1} - p_{t+1}), B_t),   B_t = (I - J_t A) F_t (I - J_t A)' + J_t Q J_t'

whose means give the smoothed states, and whose draws the posterior paths (Carter & Kohn 1994). In deviations z_t - p_t,
which are 0 behind the end of a sequence, both are one recursion for sequences of all lengths.

Covariances do not depend on the data, only on what is missing: they are made once for each pattern of missing entries,
and no more once they stand still. What is left is a linear recursion h_{t+1} = M_t h_t + u_t for all sequences at once.

Shapes: time first. x (T, n, d), NaN where missing; alive (T, n), False behind the end of a sequence, where x is NaN.
Covariances (T, g, k, k) with g = 1 where all sequences miss the same, else g = n.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from genus.probability.gaussian_forms import LOG_2PI

STILL = 1e-14  # relative change of a covariance in one step, below which it stands still


class System(NamedTuple):
    """The parameters: A (k, k), Q (k, k), C (d, k), c (d,), r (d,), m (k,), V (k, k)."""

    transition: Tensor
    innovation: Tensor
    emission: Tensor
    offset: Tensor
    noise: Tensor
    start: Tensor
    spread: Tensor


class Filtered(NamedTuple):
    """log p(x) (n,); means f and p (T, n, k) given x_<=t and given x_<t, covariances F and roots L of P (T, g, k, k);
    alive (T, n); and what is seen (T, g, d), taken to be everything behind an end."""

    log_likelihood: Tensor
    mean: Tensor
    covariance: Tensor
    predicted_mean: Tensor
    predicted_root: Tensor
    alive: Tensor
    seen: Tensor


class Smoothed(NamedTuple):
    """Given all of x: means (T, n, k); and, added up over the sequences that share them and are alive, covariances
    (T, g, k, k), those of the states that have a next one and Cov[z_{t+1}, z_t] (both (T - 1, g, k, k))."""

    mean: Tensor
    covariance: Tensor
    covariance_before: Tensor
    cross_covariance: Tensor


def filtered(x: Tensor, alive: Tensor, system: System) -> Filtered:
    """The filter over x (T, n, d); differentiable."""
    A, _, C, offset, noise, start, _ = system
    n, missing = x.shape[1], x.isnan()
    patterns, which = _patterns(~missing | ~alive[..., None])  # (T, g, d), (n,)
    weighted = C / noise[:, None]  # (d, k)
    each = (weighted[:, :, None] * C[:, None]).flatten(1)  # (d, k k)
    information = (patterns.to(C) @ each).unflatten(-1, A.shape)  # Phi (T, g, k, k)
    L, F, log_det = _covariances(information, _again(patterns), system)
    if which is not None:
        L, F, log_det, information, patterns = (t[:, which] for t in (L, F, log_det, information, patterns))
    residual = torch.where(missing, 0.0, x - offset)
    b = residual @ weighted  # (T, n, k)
    eye = torch.eye(len(A), dtype=A.dtype, device=A.device)
    p = recursion((A @ (eye - F @ information))[:-1], apply(A @ F, b)[:-1], start.expand(n, -1))
    shift = (b - apply(information, p)) * alive[..., None]  # C' diag(1/r) (x - c - C p)
    change = apply(F, shift)  # f - p
    error = torch.where(missing, 0.0, residual - (p + change) @ C.T)
    moved = apply(torch.linalg.solve_triangular(L, eye, upper=False), change)
    distance = (error.square() / noise).sum(-1) + moved.square().sum(-1)  # errors of f count only squared
    nats = -0.5 * (distance + log_det * alive + (~missing).to(C) @ (noise.log() + LOG_2PI))
    return Filtered(nats.sum(0), p + change, F, p, L, alive, patterns)


def smoothed(f: Filtered, system: System) -> Smoothed:
    """The smoother."""
    gain, left = _backwards(f, system)
    shared = f.covariance.shape[1] == 1
    count = (f.alive.sum(1, keepdim=True) if shared else f.alive).to(left)[..., None, None]  # (T, g, 1, 1) sequences alive
    going_on, ending = count[1:] * left, (count[:-1] - count[1:]) * f.covariance[:-1]
    steps = torch.stack([gain, going_on, ending], 1).flip(0)  # (T - 1, 3, g, k, k)
    total, still = [count[-1] * f.covariance[-1]], False
    before: list[Tensor] = []
    for (J, goes_on, ends), again in zip(steps.unbind(), _again(steps), strict=True):
        if still and again:
            before.append(before[-1])
            total.append(total[-1])
            continue
        before.append(goes_on + J @ total[-1] @ J.mT)
        total.append(ends + before[-1])
        still = _close(total[-1], total[-2])
    covariance = torch.stack(total[::-1])
    means = _back(f, gain, f.mean - f.predicted_mean)
    return Smoothed(means, covariance, torch.stack(before[::-1]) if before else left, covariance[1:] @ gain.mT)


def draw_states(f: Filtered, system: System) -> Tensor:
    """One path of states (T, n, k) of each sequence given all of its x, by torch's default generator."""
    gain, left = _backwards(f, system)
    noise = torch.randn_like(f.mean)
    at_end = apply(torch.linalg.cholesky(f.covariance), noise)
    within = apply(torch.linalg.cholesky(left), noise[:-1])
    drawn = torch.cat([torch.where(f.alive[1:, :, None], within, at_end[:-1]), at_end[-1:]])
    return _back(f, gain, f.mean - f.predicted_mean + drawn * f.alive[..., None])


def roll(first: Tensor, steps: int, system: System) -> Tensor:
    """Paths (steps, n, k) drawn from states z_1 (n, k), which they begin with."""
    noise = torch.randn(steps - 1, *first.shape, dtype=first.dtype, device=first.device)
    return recursion(system.transition.expand(steps - 1, 1, -1, -1), noise @ torch.linalg.cholesky(system.innovation).mT, first)


def emit(z: Tensor, system: System) -> Tensor:
    """x (T, n, d) drawn from states (T, n, k)."""
    mean = z @ system.emission.T + system.offset
    return mean + system.noise.sqrt() * torch.randn_like(mean)


def recursion(M: Tensor, u: Tensor, first: Tensor) -> Tensor:
    """h_1 = first, h_{t+1} = M_t h_t + u_t: (T + 1, n, k) from M (T, g, k, k), u (T, n, k) and first (n, k)."""
    path = [first]
    if M.shape[1] == 1:
        for turned, add in zip(M[:, 0].mT.unbind(), u.unbind(), strict=True):
            path.append(torch.addmm(add, path[-1], turned))
    else:
        for step, add in zip(M.unbind(), u.unbind(), strict=True):
            path.append(add + apply(step, path[-1]))
    return torch.stack(path)


def apply(M: Tensor, v: Tensor) -> Tensor:
    """M v for vectors v (..., n, k) and matrices (..., n, k, k), or (..., 1, k, k) that they share: one product."""
    return v @ M[..., 0, :, :].mT if M.shape[-3] == 1 else (M @ v[..., None])[..., 0]


def _patterns(seen: Tensor) -> tuple[Tensor, Tensor | None]:
    """The distinct patterns (T, g, d) of what is seen, and which (n,) each sequence has; None where there is but one."""
    T, n, d = seen.shape
    if n == 1 or (seen == seen[:, :1]).all():
        return seen[:, :1], None
    distinct, which = seen.transpose(0, 1).flatten(1).unique(dim=0, return_inverse=True)
    return distinct.unflatten(1, (T, d)).transpose(0, 1), which


def _again(steps: Tensor) -> list[bool]:
    """Whether each step is the same as the one before it; of the first it does not matter."""
    return (steps == steps.roll(1, 0)).flatten(1).all(1).tolist()


def _close(now: Tensor, before: Tensor) -> bool:
    return bool((now - before).abs().amax() <= STILL * now.abs().amax())


def _covariances(information: Tensor, again: list[bool], system: System) -> tuple[Tensor, Tensor, Tensor]:
    """L, F (T, g, k, k) and log det (I + L' Phi L) (T, g). again: whether the same is seen as one step before."""
    eye = torch.eye(len(system.start), dtype=information.dtype, device=information.device)
    innovation = torch.linalg.cholesky(system.innovation).mT.expand(information.shape[1:])
    L = torch.linalg.cholesky(system.spread).expand(information.shape[1:])
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    still = False
    for t, phi in enumerate(information.unbind()):
        if still and again[t]:
            steps.append(steps[-1])
            continue
        root = torch.linalg.cholesky(eye + L.mT @ phi @ L)
        H = torch.linalg.solve_triangular(root, L.mT, upper=False)
        F = H.mT @ H
        still = t > 0 and _close(F, steps[-1][1])
        steps.append((L, F, 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)))
        L = torch.linalg.qr(torch.cat([H @ system.transition.T, innovation], -2)).R.mT
    L, F, log_det = (torch.stack(each) for each in zip(*steps, strict=True))
    return L, F, log_det


def _backwards(f: Filtered, system: System) -> tuple[Tensor, Tensor]:
    """J and B (T - 1, g, k, k)."""
    A, Q = system.transition, system.innovation
    F = f.covariance[:-1]
    gain = torch.cholesky_solve(A @ F, f.predicted_root[1:]).mT
    rest = torch.eye(len(A), dtype=A.dtype, device=A.device) - gain @ A
    return gain, rest @ F @ rest.mT + gain @ Q @ gain.mT


def _back(f: Filtered, gain: Tensor, u: Tensor) -> Tensor:
    """z (T, n, k) with deviations e_t = z_t - p_t = u_t + J_t e_{t+1}, where u_t is 0 behind an end."""
    return f.predicted_mean + recursion(gain.flip(0), u[:-1].flip(0), u[-1]).flip(0)

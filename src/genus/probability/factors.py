"""Gaussians of low rank plus diagonal covariance: the kernel of factor analysis, probabilistic PCA and its mixture.

    x = mu + W z + e,   z ~ N(0, I_q),   e ~ N(0, Psi),   Psi = diag(psi):        x ~ N(mu, W W' + Psi)

All linear algebra is q x q (Woodbury 1950). With y = Psi^-1/2 (x - mu), B = Psi^-1/2 W and M = I + B'B

    z | x ~ N(M^-1 B'y, M^-1)
    -2 log p(x) = |y - B E[z | x]|^2 + |E[z | x]|^2 + log det M + log det Psi + d log 2 pi

where an error of E[z | x] counts only squared, however small the noise. A missing entry (NaN) leaves y and B, exactly: M is
then one for each row, and everything else stays as it is.

Shapes: data x (n, d); mean (d,), loadings W (d, q), noise psi (d,), float64. The caller centres and scales the data.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from genus.probability.gaussian_forms import LOG_2PI, gram, tile_rows
from genus.spaces.arrays import holds_missing

FLOOR = 1e-6  # least noise, as a share of a column's variance: at 0 the density would be infinite
LEAST_COMMON = 1e-12  # least noise that all columns share, as a share of their mean variance: units may differ by a million
LEAST_SHARE = 1e-14  # of noise beside what the factors explain of a column: of less, rounding errors are larger
STARTS, MOST_COLUMNS = 12, 100  # columns taken for a factor, each a start; with more columns than these a search takes seconds


class Factors(NamedTuple):
    """The parameters: mean mu (d,), loadings W (d, q), noise psi (d,)."""

    mean: Tensor
    loadings: Tensor
    noise: Tensor


class Posterior(NamedTuple):
    """log p(x) (n,); z | x ~ N(code (n, q), covariance): (q, q) where nothing is missing, else (n, q, q)."""

    log_density: Tensor
    code: Tensor
    covariance: Tensor


def standard(d: int, q: int) -> Factors:
    """N(0, I)."""
    real = {"dtype": torch.float64}
    return Factors(torch.zeros(d, **real), torch.zeros(d, q, **real), torch.ones(d, **real))


def posterior(x: Tensor, factors: Factors) -> Posterior:
    """What each row says of its z; differentiable."""
    mean, loadings, noise = factors
    y = (x - mean) / noise.sqrt()
    B = loadings / noise.sqrt()[:, None]
    seen = ~y.isnan()
    if seen.all():
        precision, log_noise = B.T @ B, noise.log().sum()
    else:
        y = torch.where(seen, y, 0.0)
        each = (B[:, :, None] * B[:, None]).flatten(1)  # (d, q q)
        precision = (seen.to(B) @ each).unflatten(1, (B.shape[1], B.shape[1]))  # (n, q, q)
        log_noise = seen.to(B) @ noise.log()
    eye = torch.eye(B.shape[1], dtype=B.dtype, device=B.device)
    root = torch.linalg.cholesky(precision + eye)
    covariance = torch.cholesky_inverse(root)
    b = y @ B  # (n, q)
    code = (b[:, None] @ covariance)[:, 0]
    distance = (y - (code @ B.T) * seen).square().sum(1) + code.square().sum(1)
    log_det = log_noise + 2 * root.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    return Posterior(-0.5 * (distance + log_det + seen.sum(1, dtype=torch.float64) * LOG_2PI), code, covariance)


def draw(n: int, factors: Factors) -> Tensor:
    """n rows (n, d), by torch's default generator."""
    mean, loadings, noise = factors
    z = torch.randn(n, loadings.shape[1], dtype=mean.dtype, device=mean.device)
    return _emit(z, factors) + noise.sqrt() * torch.randn(n, len(mean), dtype=mean.dtype, device=mean.device)


def fill(x: Tensor, factors: Factors, sample: bool = True) -> Tensor:
    """x with its missing entries drawn given the others, z given them, then the entries given z; or, with sample=False, at
    their conditional expectation."""
    _, code, covariance = posterior(x, factors)
    if not sample:
        return torch.where(x.isnan(), _emit(code, factors), x)
    z = code + (torch.randn_like(code)[:, None] @ torch.linalg.cholesky(covariance).mT)[:, 0]
    drawn = _emit(z, factors) + factors.noise.sqrt() * torch.randn(x.shape, dtype=z.dtype, device=x.device)
    return torch.where(x.isnan(), drawn, x)


def moments(x: Tensor, weights: Tensor, factors: Factors) -> tuple[Tensor, Tensor, Tensor]:
    """sum_n w_n of 1, E[x], E[x x'] given what is seen of each row, weights (n,): (), (d,), (d, d), float64."""
    d, q = factors.loadings.shape
    count, first, second = weights.sum(dtype=torch.float64), torch.zeros_like(factors.mean), factors.mean.new_zeros(d, d)
    for tile, w in zip(x.split(tile_rows(d + q * q, 8)), weights.split(tile_rows(d + q * q, 8)), strict=True):
        whole, w = tile.double(), w.double()[:, None]
        if holds_missing(tile):
            holes = tile.isnan()
            _, code, covariance = posterior(whole, factors)
            whole = torch.where(holes, _emit(code, factors), whole)
            # Cov[x | seen] = W C W' + Psi, in the rows and columns of what is missing
            roots = torch.linalg.cholesky(covariance).mT * w[..., None].sqrt()  # (n, q, q)
            for root, hole in zip(roots.split(tile_rows(q * d, 8)), holes.split(tile_rows(q * d, 8)), strict=True):
                spread = ((root @ factors.loadings.T) * hole[:, None]).flatten(0, 1)  # (n q, d)
                second.addmm_(spread.T, spread)
            second.diagonal().add_((w * holes).sum(0) * factors.noise)
        first += w[:, 0] @ whole
        second += gram(whole * w.sqrt())
    return count, first, second


def principal(covariance: Tensor, q: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Of greatest likelihood with noise equal in all columns: (loadings, noise (), directions U_q, variances lambda).

        S = U Lambda U',   W = U_q (Lambda_q - sigma^2 I)^1/2,   sigma^2 = mean of the discarded eigenvalues

    directions (d, q) and variances (d,) in descending order. With q = d the least eigenvalue still counts as noise, which
    loses nothing (Tipping & Bishop 1999).
    """
    variances, vectors = torch.linalg.eigh(covariance)
    variances, vectors = variances.flip(0).clamp(min=0), vectors.flip(1)[:, :q].contiguous()
    directions = vectors * vectors.gather(0, vectors.abs().argmax(0, keepdim=True)).sign()  # scikit-learn's choice of sign
    noise = variances[min(q, len(variances) - 1) :].mean().clamp(min=LEAST_COMMON * float(variances.mean()))
    return directions * (variances[:q] - noise).clamp(min=0).sqrt(), noise, directions, variances


def starts(covariance: Tensor) -> Tensor:
    """Noises (k, d) to search from: all of the variance, and what is left of it by each of the columns that leave least.

    Where the noise of a column falls to nothing (a Heywood case) that column is a factor, and the likelihood may have a
    peak of its own there: the highest may be any of them, or none.
    """
    variances = covariance.diagonal()
    columns = STARTS if len(variances) <= MOST_COLUMNS else 0
    left = variances - covariance.square() / variances[:, None]  # (d, d), of each column, given that of the row
    least = (left / variances).sum(1).argsort()[:columns]
    return torch.cat([variances[None], left[least].maximum(1e-3 * variances)])


def unequal(covariance: Tensor, q: int, noises: Tensor) -> tuple[Tensor, Tensor]:
    """Of greatest likelihood with a noise of its own in each column: (loadings, noise), searched from `noises` (k, d).

    For a given Psi the best W is known: with eigenvalues theta_i and eigenvectors u_i of Psi^-1/2 S Psi^-1/2

        W = Psi^1/2 U_q (Theta_q - I)^1/2
        -2/n log L = log det Psi + sum_{i <= q, theta_i > 1} (1 + log theta_i) + sum of the other theta_i + d log 2 pi

    so that the search is over log psi alone, by L-BFGS (Joreskog 1967; Lawley & Maxwell 1971): a few steps from each
    start, then to the end from the likeliest of them.
    """
    import numpy as np
    from scipy.optimize import OptimizeResult, minimize

    S = covariance.cpu().numpy()
    d = len(S)
    low, high = np.log(FLOOR * np.diag(S)), np.log(np.diag(S))

    def spectrum(log_noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        root = np.exp(0.5 * log_noise)
        theta, u = np.linalg.eigh(S / root[:, None] / root)
        explained = (np.arange(d) >= d - q) & (theta > 1)  # eigh ascends
        return theta, u, explained

    def loss(log_noise: np.ndarray) -> tuple[float, np.ndarray]:
        theta, u, explained = spectrum(log_noise)
        value = log_noise.sum() + np.where(explained, 1 + np.log(np.where(explained, theta, 1)), theta).sum()
        return float(value), 1 - u**2 @ np.where(explained, 1.0, theta)

    def climb(log_noise: np.ndarray, steps: int) -> OptimizeResult:
        options = {"maxiter": steps, "maxfun": 2 * steps, "ftol": 1e-14, "gtol": 1e-8}
        return minimize(loss, log_noise, jac=True, method="L-BFGS-B", bounds=np.stack([low, high], 1), options=options)

    places = np.clip(np.log(noises.cpu().numpy()), low, high)
    if len(places) > 1:
        places = [found.x for found in sorted((climb(place, 8) for place in places), key=lambda found: found.fun)[:3]]
    noise = min((climb(place, 2000) for place in places), key=lambda found: found.fun).x
    theta, u, explained = spectrum(noise)
    u = u[:, ::-1][:, :q] * np.sign(u[np.abs(u).argmax(0), np.arange(d)])[::-1][:q]
    gain = np.sqrt(np.where(explained, theta - 1, 0)[::-1][:q])
    loadings = np.exp(0.5 * noise)[:, None] * u * gain
    return torch.from_numpy(np.ascontiguousarray(loadings)).to(covariance), torch.from_numpy(np.exp(noise)).to(covariance)


def flaw(factors: Factors) -> str | None:
    """What is wrong with parameters read from a file, all of them finite numbers; None if nothing. One model, or K side by side."""
    _, loadings, noise = factors
    sound = bool((noise > 0).all() and (noise > LEAST_SHARE * loadings.square().sum(-1)).all())
    return None if sound else "noise must be above 0, and not lost in what the factors explain"


def _emit(z: Tensor, factors: Factors) -> Tensor:
    """E[x | z], (n, d)."""
    return factors.mean + z @ factors.loadings.T

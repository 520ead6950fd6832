"""Two forms of K Gaussian log densities and of the sums that EM needs, without gradient, tile by tile of rows.

*Expanded*: the log density is linear in the features [1, x, x x'], so that scoring n rows under K components is one
product, and so are the sums. It is several times faster, and loses digits when a component is narrow and far from the
origin; `choose_form` takes it only where the loss is bounded. *Centred*: residuals x - mu_k, one component at a time.

Shapes as in `gaussians`: data (n, d) without missing entries; means (K, d); covariances by kind; answers (K, n).
"""

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from genus.probability.statistics import Statistics

Kind = Literal["full", "tied", "diag", "spherical"]

KINDS: tuple[str, ...] = get_args(Kind)
TILE_BYTES = 8 << 20  # of features at a time: they are written and read twice while they are in the cache
WORST_ERROR = {torch.float32: 1e-3, torch.float64: 1e-8}  # nats a row that the expanded form may lose
LOG_2PI = math.log(2 * math.pi)
COLLAPSED = "a component collapsed onto points that leave some direction without variance; use a covariance_floor above 0"


def choose_form(x: Tensor, log_weights: Tensor | None, means: Tensor, covariances: Tensor, kind: Kind) -> "Expanded | Centred":
    """The fastest form whose worst rounding error, eps |x|^2 / (smallest eigenvalue of S), is below WORST_ERROR."""
    d = means.shape[1]
    if d == 0 or len(x) == 0:
        return Centred(torch.float64, log_weights, means, covariances, kind)
    narrowest = torch.linalg.eigvalsh(covariances).amin() if kind in ("full", "tied") else covariances.amin()
    farthest = max(float(torch.linalg.vector_norm(points, dim=1).amax()) for points in (x, means))
    if narrowest <= 0:
        raise ValueError(COLLAPSED)
    amplification = farthest**2 / float(narrowest)
    for dtype in dict.fromkeys((x.dtype, torch.float64)):
        if amplification * torch.finfo(dtype).eps < WORST_ERROR.get(dtype, 0):
            few = kind != "full" or d <= min(6 * len(means), 200)  # d^2 / 2 features a row, shared by K: measured
            return (Expanded if few else Centred)(dtype, log_weights, means, covariances, kind)
    return Centred(torch.float64, log_weights, means, covariances, kind)


class Expanded:
    """log w_k N(x; k) = theta_k . phi(x),   phi = [1, x, x_i x_j for i <= j]   (full)
                                             phi = [1, x, x_i^2]                (diag, spherical)
                                             phi = [1, x] and - 1/2 x' S^-1 x   (tied: that term is common to all k)

    with theta_k = [log w_k - 1/2 (mu' P mu - log det P + d log 2 pi),  P mu,  -1/2 P_ii,  -P_ij],  P = S_k^-1.
    """

    def __init__(self, dtype, log_weights, means, covariances, kind):
        (K, d), self.kind, self.d, self.dtype = means.shape, kind, means.shape[1], dtype
        means, covariances = means.double(), covariances.double()
        if kind in ("full", "tied"):
            factor = _root(covariances)
            precision = torch.cholesky_inverse(factor)  # (K, d, d) or (d, d)
            log_det = 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
            linear = (precision @ means[..., None])[..., 0]  # (K, d)
        else:
            variances = covariances if kind == "diag" else covariances[:, None].expand(K, d)
            precision, log_det = 1 / variances, variances.log().sum(1)  # (K, d), (K,)
            linear = precision * means
        constant = -0.5 * ((linear * means).sum(1) + log_det + d * LOG_2PI)  # (K,)
        if log_weights is not None:
            constant = constant + log_weights.double()
        theta = [constant[:, None], linear]
        if kind == "full":
            i, j = torch.triu_indices(d, d, device=means.device)
            theta.append(-precision[:, i, j] * torch.where(i == j, 0.5, 1.0))
        elif kind == "tied":
            eye = torch.eye(d, dtype=torch.float64, device=means.device)
            self.whiten = torch.linalg.solve_triangular(factor, eye, upper=False).to(dtype)  # (d, d)
        else:
            theta.append(-0.5 * precision)
        self.theta = torch.cat(theta, 1).to(dtype)  # (K, F)
        F = self.theta.shape[1]
        self.tile = tile_rows(F + K, self.theta.element_size())
        self.phi = self.scores = self.theta.new_empty(0, 0)

    def read(self, x: Tensor) -> None:
        """The features of a tile (tile, d), which `score` and `moments` work on."""
        (n, d), (K, F) = x.shape, self.theta.shape
        if self.phi.shape[1] != n:  # the first rows, and the last
            self.phi, self.scores = self.theta.new_empty(F, n), self.theta.new_empty(K, n)
            self.phi[0] = 1
        phi = self.phi
        xt = phi[1 : 1 + d]  # (d, tile)
        xt.copy_(x.T)
        at = 1 + d
        if self.kind == "full":
            for i in range(d):
                torch.mul(xt[i], xt[i:], out=phi[at : at + d - i])
                at += d - i
        elif self.kind != "tied":
            torch.mul(xt, xt, out=phi[at:])

    def score(self, x: Tensor) -> Tensor:
        """(tile, d) -> (K, tile), overwritten by the next call."""
        self.read(x)
        scores = torch.mm(self.theta, self.phi, out=self.scores)
        if self.kind == "tied":
            scores -= (self.whiten @ self.phi[1:]).square_().sum(0).mul_(0.5)
        return scores

    def moments(self, responsibilities: Tensor) -> list[Tensor]:
        sums = [responsibilities @ self.phi.T]  # (K, F)
        if self.kind == "tied":
            xt = self.phi[1:]
            sums.append((xt * responsibilities.sum(0)) @ xt.T)  # (d, d)
        return sums

    def unpack(self, sums: list[Tensor]) -> Statistics:
        count, first, rest = sums[0][:, 0], sums[0][:, 1 : 1 + self.d], sums[0][:, 1 + self.d :]
        if self.kind == "tied":
            second = sums[1]
        elif self.kind == "full":
            i, j = torch.triu_indices(self.d, self.d, device=rest.device)
            second = rest.new_empty(len(rest), self.d, self.d)
            second[:, i, j] = rest
            second[:, j, i] = rest
        else:
            second = rest
        return {"count": count, "first": first, "second": second}


class Centred:
    """The same from residuals x - mu_k, one component at a time, by the inverse of a square root of S_k: no digits lost,
    and faster where there are few components for so many dimensions."""

    def __init__(self, dtype, log_weights, means, covariances, kind):
        self.means, self.kind, self.dtype, (K, d) = means.double(), kind, dtype, means.shape
        factor, log_det = factorise(covariances.double(), kind, d)
        self.constant = -0.5 * (log_det + d * LOG_2PI).expand(K)
        if log_weights is not None:
            self.constant = self.constant + log_weights.double()
        if kind in ("full", "tied"):
            eye = torch.eye(d, dtype=torch.float64, device=means.device)
            self.whiten = torch.linalg.solve_triangular(factor, eye.expand_as(factor), upper=False).to(dtype)
        else:
            self.whiten = (1 / factor).to(dtype)
        self.means = self.means.to(dtype)
        self.tile = max(tile_rows(4 * d, self.means.element_size()), 4 * d)

    def read(self, x: Tensor) -> None:
        self.current = x.to(self.dtype)

    def score(self, x: Tensor) -> Tensor:
        self.read(x)
        xt, means = self.current.T.contiguous(), self.means  # (d, tile): its rows are long
        if self.kind == "tied":
            xt, means = self.whiten @ xt, means @ self.whiten.T
        scores = xt.new_empty(len(means), len(x))
        for k, mean in enumerate(means):
            residuals = xt - mean[:, None]
            if self.kind == "full":
                residuals = self.whiten[k] @ residuals
            elif self.kind != "tied":
                residuals *= self.whiten[k, :, None]
            torch.sum(residuals.square_(), 0, out=scores[k])
        return scores.mul_(-0.5).add_(self.constant[:, None].to(scores))

    def moments(self, responsibilities: Tensor) -> list[Tensor]:
        first, second = [], []
        for mean, r in zip(self.means, responsibilities):
            residuals = self.current - mean  # (tile, d)
            first.append(r @ residuals)
            if self.kind in ("full", "tied"):
                second.append(gram(residuals.mul_(r.sqrt()[:, None])))
            else:
                second.append(r @ residuals.square_())
        moments = torch.stack(second)
        return [responsibilities.sum(1), torch.stack(first), moments.sum(0) if self.kind == "tied" else moments]

    def unpack(self, sums: list[Tensor]) -> Statistics:
        count, first, second = sums  # about mu_k; in float64 move to the origin
        return shift_statistics({"count": count, "first": first, "second": second}, self.means.double(), self.kind)


def factorise(covariances: Tensor, kind: Kind, d: int) -> tuple[Tensor, Tensor]:
    """A square root of each covariance, in its shape ((K, d) if spherical), and log det, (K,) or (1,) if tied."""
    if kind in ("full", "tied"):
        factor = _root(covariances)
        return factor, 2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1).reshape(-1)
    factor = (covariances if kind == "diag" else covariances[:, None].expand(-1, d)).sqrt()
    return factor, 2 * factor.log().sum(1)


def _root(covariances: Tensor) -> Tensor:
    try:
        return torch.linalg.cholesky(covariances)
    except torch.linalg.LinAlgError:
        raise ValueError(COLLAPSED) from None


def shift_statistics(statistics: Statistics, by: Tensor, kind: Kind) -> Statistics:
    """The statistics of x + by_k, (K, d), from those of x."""
    count, first, second = statistics["count"][:, None], statistics["first"], statistics["second"]
    if kind in ("full", "tied"):
        cross = first[:, :, None] * by[:, None]
        change = cross + cross.mT + (count * by)[:, :, None] * by[:, None]
        second = second + (change if kind == "full" else change.sum(0))
    else:
        second = second + 2 * first * by + count * by.square()
    return {"count": statistics["count"], "first": first + count * by, "second": second}


def gram(x: Tensor) -> Tensor:
    """x' x (d, d) of rows (n, d), without gradient. numpy sees that it is symmetric, and takes half of torch's time."""
    if x.device.type != "cpu":
        return x.T @ x
    rows = x.detach().numpy()
    return torch.from_numpy(rows.T @ rows)


def tile_rows(numbers_per_row: int, size: int) -> int:
    return min(max(TILE_BYTES // (size * max(numbers_per_row, 1)), 16), 1 << 14)

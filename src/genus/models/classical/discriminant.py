"""Discriminant analysis: every class is a Gaussian; whose covariances are alike the boundaries are straight, else curved."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor

from genus.data import Examples, missing_values
from genus.fields import Between
from genus.learning import LearnsFromLabels, Settings
from genus.model import HasDensity, Imputes
from genus.probability import gaussians
from genus.probability.gaussian_forms import Kind
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table
from genus.spaces.arrays import holds_missing

FLOOR = 1e-6  # least variance of a class in any direction, as a share of the data's own


class _Discriminant(LearnsFromLabels, HasDensity, Imputes):
    """p(x, y = c) = pi_c N(x; mu_c, Sigma_c), with the labels y known: what both kinds share."""

    spaces: ClassVar = (Reals, Table, Images, Binary, Sequence)
    takes_missing: ClassVar[bool] = True
    kind: ClassVar[Kind]
    means: Tensor
    covariances: Tensor

    shrinkage: Annotated[float, Between(0, 1)] | Literal["auto"] = 0.0  # of covariances towards equal variances; auto: Ledoit-Wolf

    def build(self, space: Space) -> None:
        super().build(space)
        means, covariances = gaussians.standard(self.n_classes, space.dims, self.kind)
        self.register_buffer("means", means)
        self.register_buffer("covariances", covariances)

    def learn(self, train: Examples, valid: Examples | None, settings: Settings) -> None:
        super().learn(train, valid, settings)
        if self.shrinkage != 0:
            return
        rows = len(train) * (torch.ones_like(self.prior[:1]) if self.kind == "tied" else self.prior)  # of each covariance
        d = self.means.shape[1]
        if not missing_values(train):
            gaussians.warn_of_few(float(rows.min()), d, "shrinkage='auto'")
            return
        least, of = torch.linalg.eigvalsh(self.covariances).amin(-1).reshape(-1).min(0)
        if least < 2 * FLOOR:
            gaussians.warn_undetermined(f"what is known of {rows[of]:.0f} rows", d, "shrinkage=0.1")

    def class_statistics(self, z: Tensor, membership: Tensor) -> dict[str, Tensor]:
        if self.shrinkage != "auto":
            sums_of = gaussians.weighted_statistics if self.kind == "tied" else _sums_of_each
            return sums_of(z, membership, self.means, self.covariances, self.kind)
        if z.isnan().any():
            raise ValueError("shrinkage='auto': is worked out on complete rows, but the data hold missing values; pass a number")
        means, covariances = gaussians.standard(self.n_classes, z.shape[1], "full", z.device)
        features = torch.cat([torch.ones_like(z[:, :1]), z, z.square()], 1).double()  # (n, F = 1 + 2 D)
        fourth = torch.stack([rows.T @ rows for of in membership.bool() for rows in [features[of]]])  # (C, F, F)
        return {**_sums_of_each(z, membership, means, covariances, "full"), "fourth": fourth}

    def solve(self, statistics: dict[str, Tensor]) -> None:
        scale = self.fitted_space.location_scale[1].to(self.means)  # shrinkage is in the data's own units,
        scale = scale / scale.max()  # but for a factor: squares of them are in range
        if self.shrinkage != "auto":
            _, self.means, covariances = gaussians.maximise(statistics, self.kind, FLOOR, support=0)
            shares: float | Tensor = self.shrinkage
        else:
            fourth = statistics.pop("fourth")
            _, self.means, covariances = gaussians.maximise(statistics, "full", FLOOR, support=0)
            scale = covariances.diagonal(dim1=1, dim2=2).rsqrt()  # (C, D): or rather, of the class itself
            shares = _ledoit_wolf(fourth, self.means, covariances, scale, statistics["count"])
        covariances = _shrunk(covariances, scale, shares)
        if self.kind == "tied" and covariances.ndim == 3:
            covariances = (self.prior[:, None, None] * covariances).sum(0)
        self.covariances = covariances

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        return self.over_classes(self.joint(z), g)

    def class_log_prob(self, x: Tensor) -> Tensor:
        """log p(x, y = c) (n, C); a whole number is read at the middle of its cell [x, x + 1)."""
        z, log_det = self.fitted_space.standardise(self.fitted_space.middles(x, self.dtype))
        return self.joint(z) + log_det[:, None]

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        which = self.draw_classes(n, g)
        return self.fitted_space.from_standardised(gaussians.draw_from(which, self.means, self.covariances, self.kind))

    def fill(self, x: Tensor) -> Tensor:
        return self.fill_density(x, lambda z: gaussians.fill(z, *self._mixture))

    def best(self, x: Tensor) -> Tensor:
        return self.best_density(x, lambda z: gaussians.fill(z, *self._mixture, sample=False))

    def flaw(self) -> str | None:
        return super().flaw() or gaussians.flaw(self.covariances, self.kind)

    @property
    def _mixture(self) -> tuple[Tensor, Tensor, Tensor, Kind]:
        """Of the classes: log weights, means, covariances, kind."""
        return self.prior.log(), self.means, self.covariances, self.kind

    def joint(self, z: Tensor) -> Tensor:
        """log pi_c N(z; c), (n, C)."""
        score = gaussians.log_density if torch.is_grad_enabled() else gaussians.quick_log_density
        return (self.prior.log()[:, None] + score(z, self.means, self.covariances, self.kind)).T


class LinearDiscriminant(_Discriminant):
    """Linear discriminant analysis: the classes are Gaussians of one covariance, so straight boundaries divide them.

        p(x, y = c) = pi_c N(x; mu_c, Sigma),   Sigma = sum_c pi_c Sigma_c, the covariance within classes

        log p(y = c | x) = x' Sigma^-1 mu_c - 1/2 mu_c' Sigma^-1 mu_c + log pi_c + a constant in c

    Shrinkage mixes a covariance S with equal variances, (1 - a) S + a tr(S)/d I, in the data's units as scikit-learn does;
    "auto" finds a for each class, its columns standardised. Missing values are integrated out exactly.

    Fisher 1936; Ledoit & Wolf 2004; Hastie, Tibshirani & Friedman 2009, section 4.3.
    """

    kind: ClassVar[Kind] = "tied"

    def _joint(self, examples: Examples) -> Tensor:
        """log p(x, y = c) (n, C) but for what the classes share, so that it is linear in x."""
        space = self.fitted_space
        location, scale = (t.to(self.means) for t in space.location_scale)
        centre, root = self.prior @ self.means, torch.linalg.cholesky(self.covariances)
        slopes = torch.cholesky_solve((self.means - centre).T, root)  # (d, C)
        offsets = self.prior.log() - 0.5 * ((self.means + centre) * slopes.T).sum(1)
        slopes = slopes / scale[:, None]
        location = location - space.integer_coordinates.to(location) / 2  # a whole number is read at the middle of [x, x + 1)

        def joint(x: Tensor, g: Tensor | None) -> Tensor:
            if holds_missing(x):
                return self.class_log_prob(x).cpu()
            return torch.addmm(offsets, x.reshape(len(x), -1).to(slopes) - location, slopes).cpu()

        return torch.cat(self.on_batches(examples, joint, "classify"))

    def transform(self, data: Any) -> Any:
        """Discriminant coordinates, a numpy array (n, min(C - 1, d)): the directions in which class means lie farthest apart
        for the spread within classes, farthest first, centred on the mean; missing cells stand at their expectation."""
        centre, directions = self._directions()

        def coordinates(x: Tensor, g: Tensor | None) -> Tensor:
            z, _ = self.fitted_space.standardise(self.fitted_space.middles(x, self.dtype))
            z = gaussians.fill(z, *self._mixture, sample=False)
            return ((z - centre) @ directions).cpu()

        return torch.cat(self.on_batches(self._points(data), coordinates, "transform")).numpy()

    def _directions(self) -> tuple[Tensor, Tensor]:
        """The mean of all (d,), and the directions v (d, k) with v' Sigma v = 1; the largest number of each is positive."""
        centre = self.prior @ self.means
        root = torch.linalg.cholesky(self.covariances)
        apart = torch.linalg.solve_triangular(root, (self.means - centre).T * self.prior.sqrt(), upper=False)  # (d, C)
        left, _, _ = torch.linalg.svd(apart, full_matrices=False)
        directions = torch.linalg.solve_triangular(root.T, left[:, : self.n_classes - 1], upper=True)
        largest = directions.abs().argmax(0, keepdim=True)
        return centre, directions * directions.gather(0, largest).sign()


class QuadraticDiscriminant(_Discriminant):
    """Quadratic discriminant analysis: each class is a Gaussian of its own covariance, so the boundaries between are curved.

        p(x, y = c) = pi_c N(x; mu_c, Sigma_c)

    Shrinkage mixes each covariance S with equal variances, (1 - a) S + a tr(S)/d I, in the data's units as scikit-learn
    does; "auto" finds a for each class, its columns standardised. Missing values are integrated out exactly.

    Smith 1946; Ledoit & Wolf 2004; Friedman 1989; Hastie, Tibshirani & Friedman 2009, section 4.3.
    """

    kind: ClassVar[Kind] = "full"


def _sums_of_each(z: Tensor, membership: Tensor, means: Tensor, covariances: Tensor, kind: Kind) -> dict[str, Tensor]:
    """`gaussians.weighted_statistics` class by class, so that each row is squared for its own class alone."""
    parts = [
        gaussians.weighted_statistics(rows, rows.new_ones(1, len(rows)), mean[None], covariance[None], kind)
        for of, mean, covariance in zip(membership.bool(), means, covariances, strict=True)
        for rows in [z[of]]
    ]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _shrunk(covariances: Tensor, scale: Tensor, shares: float | Tensor) -> Tensor:
    """(1 - a) S + a tr(S)/d I of covariances (..., d, d) in the units x_i * scale_i (..., d), and back; a a number or (C,)."""
    units = scale[..., None] * scale[..., None, :]
    covariances = covariances * units
    equal = torch.diag_embed(covariances.diagonal(dim1=-2, dim2=-1).mean(-1, keepdim=True).expand_as(covariances[..., 0]))
    share = shares[:, None, None] if isinstance(shares, Tensor) else shares
    return ((1 - share) * covariances + share * equal) / units


def _ledoit_wolf(fourth: Tensor, means: Tensor, covariances: Tensor, scale: Tensor, count: Tensor) -> Tensor:
    """The share (C,) of equal variances that comes nearest to the true covariances of the columns x_i * scale_i (C, d):

        a = min(b, d2) / d2,   d2 = |S - tr(S)/d I|^2,   b = 1/n^2 sum_n |x_n x_n' - S|^2 = 1/n (mean_n |x_n|^4 - |S|^2)

    x centred, |.| Frobenius; |x_n|^2 is linear in phi = [1, x, x x], so sum_n |x_n|^4 is known from fourth = sum phi phi'.
    """
    squared = scale.square()  # (C, d)
    theta = torch.cat([(means.square() * squared).sum(1, keepdim=True), -2 * means * squared, squared], 1)
    mean_of_fourth = torch.einsum("ci,cij,cj->c", theta, fourth, theta) / count
    covariances = covariances * scale[:, :, None] * scale[:, None]
    norm = covariances.square().sum((1, 2))
    distance = norm - covariances.diagonal(dim1=1, dim2=2).sum(1).square() / means.shape[1]
    noise = (mean_of_fourth - norm) / count
    return (noise / distance.clamp(min=torch.finfo(distance.dtype).tiny)).clamp(0, 1)

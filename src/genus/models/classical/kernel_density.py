"""The kernel density: a bump on every point of the data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from genus.fields import Between
from genus.learning import LearnsByMemory
from genus.model import CanSample, Completes, HasDensity
from genus.probability.gaussians import regress
from genus.probability.missing import holes, patterns
from genus.probability.smoothing_kernels import IN_MEMORY, SmoothingKernel
from genus.sampling.inverse_cdf import discrete
from genus.spaces import Binary, Encoded, Images, Reals, Sequence, Space, Table
from genus.spaces.arrays import holds_missing
from genus.spaces.points import distances
from genus.spaces.space import names_of

LEFT_OUT = 2000  # points, evenly spaced in the data, whose likelihood chooses a bandwidth
UNREACHED = -1e4  # nats of a left-out point that no bump reaches, so that fewer of them is better

Width = Annotated[float, Between(1e-12)]


class Bumps(NamedTuple):
    """n bumps on some of the coordinates: their centres (n, dims) and points u = root^-1 (z - centre) in units of a bump."""

    kernel: SmoothingKernel
    points: Tensor
    centre: Tensor
    root: Tensor  # lower triangular (dims, dims), or (dims,) for a diagonal

    def marginal(self, seen: Tensor) -> Bumps:
        """On the coordinates `seen` alone."""
        kernel, centre = self.kernel.marginal(len(seen)), self.centre[seen]
        if self.root.dim() == 1:
            return Bumps(kernel, self.points[:, seen], centre, self.root[seen])
        part = Bumps(kernel, self.points, centre, torch.linalg.cholesky(self.root[seen] @ self.root[seen].T))
        return part._replace(points=part.whiten(self.stretch(self.points)[:, seen] + centre.to(self.points)))

    def as_gaussian(self) -> Bumps:
        """Gaussian ones of the same covariance, which reach everywhere."""
        spread = math.sqrt(self.kernel.variance)
        return Bumps(SmoothingKernel(self.kernel.dims, None), self.points / spread, self.centre, self.root * spread)

    def whiten(self, z: Tensor) -> Tensor:
        centred = z - self.centre.to(z)
        if self.root.dim() == 1:
            return centred / self.root.to(z)
        return torch.linalg.solve_triangular(self.root.to(z), centred.T, upper=False).T

    def stretch(self, u: Tensor) -> Tensor:
        """What `whiten` undoes, but for the centre."""
        return u * self.root.to(u) if self.root.dim() == 1 else u @ self.root.to(u).T

    def log_density(self, z: Tensor) -> Tensor:
        spread = self.root if self.root.dim() == 1 else self.root.diagonal()
        sums = self.kernel.log_sum(self.points, self.whiten(z))
        return sums - math.log(len(self.points)) - spread.log().sum().to(sums)

    def fill(self, z: Tensor, *, spread: bool = True) -> Tensor:
        """z (n, dims) with what is missing (NaN) drawn given the rest; without `spread`, at the middle of the bump drawn."""
        filled = z.clone()
        for rows, seen, missing in holes(z):
            known = self.marginal(seen)
            u = known.whiten(z[rows][:, seen])
            which = known.choose(u)
            off = u - known.points[which].to(u)
            shape = replace(self.kernel, dims=len(missing))
            noise = shape.draw(len(rows), u) * known.kernel.shrink(off) if spread else u.new_zeros(len(rows), len(missing))
            values = self.stretch(self.points[which].to(u))[:, missing] + self.centre[missing]
            if self.root.dim() == 1:
                values = values + noise * self.root[missing]
            else:
                slopes, left = regress(self.root @ self.root.T, "full", seen, missing)
                assert slopes is not None
                values = values + known.stretch(off) @ slopes.T + noise @ torch.linalg.cholesky(left).T
            filled[rows[:, None], missing] = values
        return filled

    def choose(self, u: Tensor) -> Tensor:
        """For each u, the number of the bump it came from: drawn from what each bump gives it."""
        points = self.points.to(u)
        parts = []
        for some in u.split(max(1, IN_MEMORY // len(points))):
            log_values = self.kernel.log_values(some, points)  # (m, n): it is the same from either end
            largest = log_values.amax(1, keepdim=True)
            if bool((largest == -math.inf).any()):
                raise ValueError(
                    "the density is zero at the known values of a row, so nothing follows from them; use kernel='gaussian'"
                )
            parts.append(discrete(log_values.sub_(largest).exp_(), 1)[:, 0])
        return torch.cat(parts)


class KernelDensity(LearnsByMemory, CanSample, HasDensity, Completes):
    """Kernel density estimate: every point of the data is the centre of a bump, and the density is their mean.

        p(x) = 1/n sum_i |H|^-1/2 K(H^-1/2 (x - x_i)),   H = h^2 S

    S is the covariance of the data ("full"), their variances ("diag"), or one in the data's own units ("spherical").
    h is a number (of "spherical", scikit-learn's bandwidth; of "full", scipy's factor) or is chosen: Scott's rule
    n^(-1/(d+4)), Silverman's (n (d + 2) / 4)^(-1/(d+4)), both times the mean spread where S is one and widened until a
    bump of any kernel has covariance H; or the h under which points are likeliest with their own bump left out.

    Epanechnikov and top-hat bumps end at distance one: where none reaches, the density is zero (-inf nats). Sums over the
    points run tile by tile: however many points and questions there are, no number is kept for every pair.

    Any columns can be drawn given the others, and points with unknown values (NaN) have the density of what is known:
    of real numbers exactly, as kernels have marginals and conditionals in closed form. Points of the data that lack values
    have them drawn once: by what they do have, Gaussian bumps on the complete points choose one of these, and its values are
    taken, of "full" moved along the slope. This is no maximum likelihood, which for bumps of a chosen width would mean little.

    Rosenblatt 1956; Parzen 1962; rules: Scott 1992, Silverman 1986; left-out likelihood: Habbema et al. 1974, Duin 1976;
    incomplete data: Titterington & Mill 1983, with the draws of Aerts et al. 2002.
    """

    spaces: ClassVar = (Reals, Table, Images, Binary, Sequence)
    takes_missing: ClassVar[bool] = True
    data_sized: ClassVar[tuple[str, ...]] = ("points",)

    bandwidth: Width | Literal["scott", "silverman", "likelihood"] = "scott"  # h, or the rule that chooses it
    kernel: Literal["gaussian", "epanechnikov", "tophat"] = "gaussian"  # shape of a bump
    product: bool = False  # whether a bump is the product of bumps in single coordinates, rather than round
    covariance_type: Literal["full", "diag", "spherical"] = "diag"  # what bumps are stretched by: S

    def refuses(self, space: Space) -> str | None:
        if self.product and self.kernel != "gaussian" and self.covariance_type == "full":
            return "product kernels lie along the columns, but covariance_type='full' turns them; use 'diag' or 'spherical'"
        return super().refuses(space)

    def build(self, space: Space) -> None:
        d = space.dims
        self.register_buffer("points", torch.zeros(0, d))  # in units of a bump
        self.register_buffer("centre", torch.zeros(d, dtype=torch.float64))
        self.register_buffer("root", torch.zeros((d, d) if self.covariance_type == "full" else d, dtype=torch.float64))  # H^1/2

    def remember(self, kept: Tensor) -> None:
        if len(kept) < 2:
            raise ValueError("data: has one row, from which no bandwidth follows; pass more rows")
        if not holds_missing(kept):
            self._place(kept)
            return
        kept = kept[~kept.isnan().all(1)]  # a point of which nothing is known tells nothing
        whole = kept[~kept.isnan().any(1)]
        if len(whole) < 2:
            raise ValueError(
                f"data: only {len(whole)} of {len(kept)} rows are without missing values (NaN), and no bandwidth follows from fewer "
                "than 2; fill some, or use GaussianMixture"
            )
        h = self._place(whole)
        # at the middle, for the bump that a filled point gets spreads it: both together would be too wide
        filled = self._bumps().as_gaussian().fill(kept.double(), spread=False).to(kept.dtype)
        # points that share values look likelier than they are: the likeliest h is that of the whole ones, narrowed by the rules' rate
        narrowed = h * (len(whole) / len(filled)) ** (1 / (filled.shape[1] + 4))
        self._place(filled, narrowed if self.bandwidth == "likelihood" else None)

    def _place(self, kept: Tensor, h: float | None = None) -> float:
        """Bumps on these points, of width h, else of that which follows from them; returns it."""
        z = kept.double()
        self.centre = z.mean(0)
        self.root = self._spread(z - self.centre)
        self.points = self._bumps().whiten(z).to(kept.dtype)
        h = self._bandwidth() if h is None else h
        self.root, self.points = h * self.root, self.points / h
        return h

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        bumps, parts = self._bumps(), []
        for rows, seen in patterns(z):
            if rows is None or seen is None:
                return bumps.log_density(z)
            parts.append((rows, bumps.marginal(seen).log_density(z[rows][:, seen])))
        return torch.cat([values for _, values in parts])[torch.cat([rows for rows, _ in parts]).argsort()]

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        bumps = self._bumps()
        u = bumps.points[torch.randint(len(bumps.points), (n,), device=self.device)].double()
        return self.fitted_space.from_standardised(bumps.stretch(u + bumps.kernel.draw(n, u)) + self.centre)

    def fill(self, x: Tensor) -> Tensor:
        return self.fill_density(x, self._bumps().fill)

    def conditional_log_prob(self, x: Any, known: Any) -> Tensor:
        """log p(the other columns | the known columns) of each point, (n,) nats in the data's units, differentiable.

        x: as in `log_prob`; known: names of columns of a table, else numbers of coordinates. Raises ValueError for others.
        """
        space = self.fitted_space
        x = x if isinstance(x, Tensor) else space.encode(x)
        places = [space.position(c) if isinstance(space, Table) else c for c in known]
        if not all(isinstance(place, int) and 0 <= place < space.dims for place in places):
            raise ValueError(f"known={known!r}: coordinates are numbered 0 to {space.dims - 1}")
        unknown = torch.ones(space.dims, dtype=torch.bool).index_fill(0, torch.tensor(places, dtype=torch.int64), False)
        return self.log_prob(x) - self.log_prob(torch.where(unknown.reshape(space.shape).to(x.device), math.nan, x))

    def flaw(self) -> str | None:
        spread = self.root if self.root.dim() == 1 else self.root.diagonal()
        sound = len(self.points) >= 2 and bool((spread > 0).all())
        return super().flaw() or (None if sound else "points must be at least two, and bandwidths above 0")

    def _bumps(self) -> Bumps:
        return Bumps(SmoothingKernel.named(self.kernel, len(self.centre), self.product), self.points, self.centre, self.root)

    def _spread(self, centred: Tensor) -> Tensor:
        """S^1/2, of points (n, d) with mean zero."""
        if self.covariance_type == "spherical":
            _, scale = self.fitted_space.location_scale
            return 1 / scale.to(centred)
        if self.covariance_type == "diag":
            spread = (centred.square().sum(0) / (len(centred) - 1)).sqrt()
            if not bool((spread > 0).all()):  # of all data it would have been refused before
                raise ValueError(
                    f"data: column {names_of(spread <= 0)} is constant in the rows without missing values (NaN), from which no "
                    "bandwidth follows; fill more rows, or use covariance_type='spherical'"
                )
            return spread
        root, flat = torch.linalg.cholesky_ex(centred.T @ centred / (len(centred) - 1))
        if bool(flat) or float(root.diagonal().min()) < 1e-7 * float(root.diagonal().max()):
            raise ValueError(
                "covariance_type='full': the data lie in fewer dimensions than they have columns; use 'diag', or drop columns"
            )
        return root

    def _bandwidth(self) -> float:
        """h, given the points in units of S^1/2."""
        if not isinstance(self.bandwidth, str):
            return float(self.bandwidth)
        (n, d), kernel = self.points.shape, self._bumps().kernel
        effective = n * (d + 2) / 4 if self.bandwidth == "silverman" else n
        rule = effective ** (-1 / (d + 4)) / math.sqrt(kernel.variance)
        if self.covariance_type == "spherical":
            rule *= math.sqrt(float(self.points.square().sum() / (n - 1)) / d)
        return self._likeliest(rule) if self.bandwidth == "likelihood" else rule

    def _likeliest(self, near: float) -> float:
        """The h under which points are likeliest by the bumps of all the others."""
        from scipy.optimize import minimize_scalar

        n, d = self.points.shape
        kernel, own = self._bumps().kernel, torch.arange(0, n, -(-n // LEFT_OUT), device=self.device)

        def loss(log_h: float) -> float:
            points = self.points / math.exp(log_h)
            return d * log_h - float(kernel.log_sum(points, points[own], own).clamp_min(UNREACHED).mean())

        def likeliest(low: float, high: float) -> float:
            bounds = (math.log(low), math.log(high))
            return math.exp(minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-3}).x)

        h, low = likeliest(near / 32, near * 4), near / 32
        if h < 1.1 * low:  # clusters far apart; equal points would shrink h for ever
            least = self._distinct_distance(own) / 4
            steps = [low / 2**i for i in range(1, 40) if low / 2**i > least]
            best = min([h, *steps], key=lambda h: loss(math.log(h)))
            h = likeliest(best / 2, best * 2) if best < h else h
        return h

    def _distinct_distance(self, own: Tensor) -> float:
        """The median distance of these points to the nearest that is not equal to them."""
        nearest = []
        for some in self.points[own].split(max(1, IN_MEMORY // len(self.points))):
            apart = distances(some, self.points)
            nearest.append(apart.where(apart > 0, math.inf).amin(1))
        return float(torch.cat(nearest).median())

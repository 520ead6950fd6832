"""The linear-Gaussian state space: a hidden state moves linearly, and shows itself linearly, both with noise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from genus.fields import Count
from genus.forecast import Forecast
from genus.learning import LearnsByEM
from genus.learning.lengths import KeepsLengths
from genus.model import Completes, CountsParameters, Forecasts, HasLogProb
from genus.probability import gaussians, kalman
from genus.probability.kalman import Filtered, Smoothed, System
from genus.probability.statistics import add_up
from genus.spaces import Encoded, Ragged, Sequence, Space

FLOOR = 1e-6  # least variance of noise and of states, as a share of the data's own
START_NOISE = 0.5  # least noise at the start, as a share of the data's variance: EM lowers it quickly and raises it slowly
LEAST_SHARE = 1e-12  # of the greatest eigenvalue of sums of squares: one below is rounding
TILE = 2**22  # numbers of a tile of sequences that are filtered side by side


class States(NamedTuple):
    """What is known of the states of one series of t items: the first two in the state's units, the others in the data's.

    mean (t, k), covariance (t, k, k): of the state z_t. signal, signal_variance (t, *item): of C z_t + c, the item without noise.
    """

    mean: Tensor
    covariance: Tensor
    signal: Tensor
    signal_variance: Tensor


class LinearDynamicalSystem(KeepsLengths, LearnsByEM, CountsParameters, HasLogProb, Completes, Forecasts):
    """Linear dynamical system: a hidden state moves linearly with Gaussian noise, and every item shows it with noise of its own.

        z_1 ~ N(m, V),   z_t = A z_{t-1} + w,  w ~ N(0, Q),        x_t = C z_t + c + v,  v ~ N(0, diag(r))

        log p(x_1 .. x_T) = sum_t log N(x_t; E[x_t | x_<t], Cov[x_t | x_<t])

    Filtered forwards, smoothed backwards, learned by EM on the smoothed moments. Missing entries (NaN) are left out of the
    update, exactly; forecasts are exact Gaussians. Likelihoods are of sequences given their length. A is known up to the
    choice of axes for z; parameters are those of standardised items. One long series is a list of one.

    Kalman 1960; Rauch, Tung & Striebel 1965; EM: Shumway & Stoffer 1982, Ghahramani & Hinton 1996.
    """

    spaces: ClassVar = (Sequence,)
    takes_missing: ClassVar[bool] = True

    latent_dim: Count = 2  # numbers in the hidden state z

    offset: Tensor
    noise: Tensor
    start: Tensor

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        item = space.item  # type: ignore[attr-defined]
        if not item.continuous or bool(item.integer_coordinates.any()):
            return f"it takes sequences of real numbers, but these are of {item!r}; make them floats, or use HiddenMarkov"
        return space.complaint()

    def build(self, space: Space) -> None:
        super().build(space)
        k, d = self.latent_dim, space.item.dims  # type: ignore[attr-defined]
        real = {"dtype": torch.float64}
        for name in ("transition", "innovation", "spread"):
            self.register_buffer(name, torch.zeros(k, k, **real).fill_diagonal_(1))
        self.register_buffer("emission", torch.zeros(d, k, **real))
        self.register_buffer("offset", torch.zeros(d, **real))
        self.register_buffer("noise", torch.ones(d, **real))
        self.register_buffer("start", torch.zeros(k, **real))

    # -- learning -------------------------------------------------------------------------------------------------

    def coordinates(self, x: Encoded, g: Tensor | None, dtype: torch.dtype) -> Encoded:
        """Standardised items, (n, T, d) or Ragged (total, d), float64: small covariances are differences of large ones."""
        if isinstance(x, Ragged):
            return Ragged(self._standardised(x.values), x.offsets)
        return self._standardised(x.flatten(0, 1)).unflatten(0, x.shape[:2])

    def initialise(self, some: Encoded) -> None:
        """States from the principal components of each item together with the items before it, so that there can be more
        numbers in a state than in an item (delays: Takens 1981); then the M step, as if these were the states."""
        d, k = len(self.offset), self.latent_dim
        delays = 1 if k <= d else -(-2 * k // d)
        second = sum(h.flatten(0, 1).T @ h.flatten(0, 1) for h, _, _ in self._delayed(some, delays))
        values, vectors = torch.linalg.eigh(second / second.diagonal().sum() * len(second))
        project = vectors[:, -k:] / values[-k:].clamp(min=FLOOR).sqrt()
        parts = []
        for h, x, alive in self._delayed(some, delays):
            mean = h @ project
            mean = mean + 0.1 * torch.randn_like(mean)  # sets starts apart, and gives directions to those the data lack
            sure = mean.new_zeros(len(mean), 1, k, k)
            parts.append(self._sums(x, ~x.isnan(), alive, Smoothed(mean, sure, sure[1:], sure[1:])))
        self.maximise(add_up(parts))
        self.noise = self.noise.clamp(min=START_NOISE)

    def expect(self, batch: Encoded) -> dict[str, Tensor]:
        parts = []
        for _, x, alive in self._tiles(batch):
            f = kalman.filtered(x, alive, self._system)
            sums = self._sums(x, f.seen, alive, kalman.smoothed(f, self._system))
            parts.append(sums | {"log_likelihood": f.log_likelihood.sum()})
        return add_up(parts)

    def _sums(self, x: Tensor, seen: Tensor, alive: Tensor, z: Smoothed) -> dict[str, Tensor]:
        """The expected sums of a tile: over starts, over steps, and over what is seen of each column."""
        one = torch.cat([z.mean, torch.ones_like(z.mean[..., :1])], 2).flatten(0, 1)  # [z, 1], (T n, k + 1)
        design = (one[:, :, None] * one[:, None]).flatten(1)
        there = (~x.isnan()).flatten(0, 1).to(x)  # (T n, d)
        values = torch.where(x.isnan(), 0.0, x).flatten(0, 1)
        design = (there.T @ design).unflatten(1, (one.shape[1], one.shape[1]))  # (d, k + 1, k + 1)
        design[:, :-1, :-1] += torch.einsum("tgd,tgij->dij", seen.to(x), z.covariance)
        alive = alive.to(x)[..., None]
        here, to = z.mean[0] * alive[0], (z.mean[1:] * alive[1:]).flatten(0, 1)
        before = (z.mean[:-1] * alive[1:]).flatten(0, 1)
        return {
            "count": alive.sum()[None],  # items: EM stops by what an iteration gains for each
            "starts": alive[0].sum(),
            "start": here.sum(0),
            "start_second": here.T @ here + z.covariance[0].sum(0),
            "steps": alive[1:].sum(),
            "from": before.T @ before + z.covariance_before.sum((0, 1)),
            "to": to.T @ to + z.covariance[1:].sum((0, 1)),
            "across": to.T @ before + z.cross_covariance.sum((0, 1)),
            "seen": there.sum(0),
            "design": design,
            "response": values.T @ one,
            "square": values.square().sum(0),
        }

    def maximise(self, s: dict[str, Tensor]) -> None:
        eye = torch.eye(self.latent_dim, dtype=torch.float64, device=self.start.device)
        self.start = s["start"] / s["starts"]
        # states began with variance 1; from few sequences nothing is known of how they start, and as they do is likely
        known = (self.latent_dim / s["starts"]).clamp(max=1).square()
        self.spread = _at_least(s["start_second"] / s["starts"] - self.start[:, None] * self.start, eye * known.clamp(min=FLOOR))
        if s["steps"] > 0:
            self.transition = _least_squares(s["from"], s["across"].mT).mT.contiguous()
            self.innovation = _at_least((s["to"] - self.transition @ s["across"].mT) / s["steps"], eye * FLOOR)
        coefficients = _least_squares(s["design"], s["response"][..., None])[..., 0]  # (d, k + 1): each column on [z, 1]
        self.emission, self.offset = coefficients[:, :-1].contiguous(), coefficients[:, -1].contiguous()
        noise = (s["square"] - (coefficients * s["response"]).sum(1)) / s["seen"]
        self.noise = noise.where(s["seen"] > 0, 1.0).clamp(min=FLOOR)  # of a column never seen, the data's own variance

    # -- verbs ----------------------------------------------------------------------------------------------------

    def log_prob_of(self, x: Encoded, g: Tensor | None) -> Tensor:
        scale = self._scale
        parts, order = [], []
        for rows, z, alive in self._tiles(self.coordinates(x, None, torch.float64)):
            seen = (~z.isnan()).sum(0).to(z)  # (n, d)
            parts.append(kalman.filtered(z, alive, self._system).log_likelihood - seen @ scale.log())
            order.append(rows)
        return torch.cat(parts)[torch.cat(order).argsort()]

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        lengths = self.draw_lengths(n)
        noise = torch.randn(n, self.latent_dim, dtype=torch.float64, device=self.start.device)
        first = self.start + noise @ torch.linalg.cholesky(self.spread).T
        x = kalman.emit(kalman.roll(first, max(int(lengths.max()), 1), self._system), self._system)
        return self._encoded([x[:length, i] for i, length in enumerate(lengths.tolist())])

    def fill(self, x: Encoded) -> Encoded:
        drawn: dict[int, Tensor] = {}
        for rows, z, alive in self._tiles(self.coordinates(x, None, torch.float64)):
            states = kalman.draw_states(kalman.filtered(z, alive, self._system), self._system)
            items = kalman.emit(states, self._system)
            drawn |= {row: items[alive[:, i], i] for i, row in enumerate(rows.tolist())}
        full = self._encoded([drawn[row] for row in range(len(x))])
        if isinstance(x, Ragged):
            return Ragged(torch.where(x.values.isnan(), full.values, x.values), x.offsets)  # type: ignore[union-attr]
        return torch.where(x.isnan(), full, x)  # type: ignore[arg-type]

    def continue_series(self, x: Tensor, steps: int, n: int) -> Tensor:
        f = self._filtered(x, 1)
        noise = torch.randn(n, self.latent_dim, dtype=torch.float64, device=self.start.device)
        first = f.mean[-1] + noise @ torch.linalg.cholesky(f.covariance[-1, 0]).T
        paths = kalman.emit(kalman.roll(first, steps, self._system), self._system)  # (steps, n, d)
        return self._item.from_standardised(paths.transpose(0, 1).flatten(0, 1)).unflatten(0, (n, steps))

    def outlook(self, x: Tensor, steps: int, level: float, n: int) -> Forecast:
        """The exact Gaussian of each step: the filter goes on where nothing is seen."""
        f = self._filtered(x, steps)
        mean, variance = self._signal(f.mean[-steps:, 0], f.covariance[-steps:, 0])
        deviation = (variance + (self.noise * self._scale.square()).reshape(self._item.shape)).sqrt()
        reach = torch.special.ndtri(mean.new_tensor((1 + level) / 2)) * deviation
        return Forecast(mean.cpu(), (mean - reach).cpu(), (mean + reach).cpu(), level)

    def filter(self, series: Any) -> States:
        """The states of one series (t, *item) given each item and those before it. Raises ValueError for one of another space."""
        with self.verb(0, "filter"):
            f = self._filtered(self._items(series))
            return self._states(f.mean, f.covariance)

    def smooth(self, series: Any) -> States:
        """The states of one series (t, *item) given all of it. Raises ValueError for one of another space."""
        with self.verb(0, "smooth"):
            f = self._filtered(self._items(series))
            z = kalman.smoothed(f, self._system)
            return self._states(z.mean, z.covariance)

    @property
    def degrees_of_freedom(self) -> int:
        """Free parameters: all matrices and vectors, up to the k^2 choices of axes for z."""
        k, d = self.latent_dim, len(self.offset)
        return k * (k + 1) + k + d * k + 2 * d

    def flaw(self) -> str | None:
        signal = ((self.emission @ self.spread) * self.emission).sum(1)  # (d,) variance of C z_1
        sound = bool((self.noise > 0).all() and (signal < self.noise / LEAST_SHARE).all())
        noiseless = None if sound else "noise must be above 0, and no rounding error beside what emission shows of the states"
        return super().flaw() or noiseless or gaussians.flaw(torch.stack([self.innovation, self.spread]), "full")

    # -- shapes ---------------------------------------------------------------------------------------------------

    @property
    def _system(self) -> System:
        return System(*(getattr(self, name) for name in System._fields))

    @property
    def _item(self) -> Space:
        return self.fitted_space.item  # type: ignore[attr-defined]

    @property
    def _scale(self) -> Tensor:
        return self._item.location_scale[1].to(self.noise)

    def _items(self, series: Any) -> Tensor:
        x, _ = self._series(series, 1)
        if not len(x):
            raise ValueError("series: is empty, and nothing has no states; pass at least one item")
        return x

    def _standardised(self, items: Tensor) -> Tensor:
        """(m, *item) -> (m, d)."""
        return self._item.standardise(items.reshape(len(items), self._item.dims).double())[0]

    def _encoded(self, sequences: list[Tensor]) -> Encoded:
        """Standardised (t_i, d) each, as the space keeps them."""
        whole = Ragged.of(sequences)
        items = self._item.from_standardised(whole.values)
        return Ragged(items, whole.offsets) if self.fitted_space.ragged else items.unflatten(0, (len(sequences), -1))

    def _filtered(self, x: Tensor, steps: int = 0) -> Filtered:
        """The filter over one series (t, *item) and `steps` more, of which nothing is seen."""
        z = self._standardised(x)
        z = torch.cat([z, z.new_full((steps, z.shape[1]), torch.nan)])[:, None]  # (t + steps, 1, d)
        return kalman.filtered(z, torch.ones_like(z[..., 0], dtype=torch.bool), self._system)

    def _signal(self, mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and variance (t, *item) of C z + c, in the data's units, of states (t, k)."""
        location, scale = (t.to(mean) for t in self._item.location_scale)
        signal = (mean @ self.emission.T + self.offset) * scale + location
        variance = ((self.emission @ covariance) * self.emission).sum(-1) * scale.square()  # (t, d)
        shape = (len(mean), *self._item.shape)
        return signal.reshape(shape), variance.reshape(shape)

    def _states(self, mean: Tensor, covariance: Tensor) -> States:
        mean, covariance = mean[:, 0], covariance[:, 0]
        return States(*(t.cpu() for t in (mean, covariance, *self._signal(mean, covariance))))

    def _tiles(self, z: Encoded) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """(rows, their items (T, n, d) time first, NaN behind the end, alive (T, n)): sequences of like length side by side."""
        lengths = z.lengths if isinstance(z, Ragged) else torch.full((len(z),), z.shape[1])
        size = max(TILE // max(int(lengths.max()) * max(self.latent_dim**2, len(self.offset)), 1), 1)
        for rows in lengths.argsort(stable=True).split(size):
            part = z[rows].padded(torch.nan)[0] if isinstance(z, Ragged) else z[rows.to(z.device)]
            if part.shape[1] == 0:  # empty sequences only: one step in which none is alive
                part = part.new_full((len(rows), 1, part.shape[2]), torch.nan)
            time = torch.arange(part.shape[1], device=part.device)
            yield rows, part.transpose(0, 1), time[:, None] < lengths[rows].to(part.device)

    def _delayed(self, z: Encoded, delays: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """(each item with the delays - 1 before it (T, n, delays d), 0 where missing; the items; alive) of each tile."""
        for _, x, alive in self._tiles(z):
            h = torch.nn.functional.pad(x.nan_to_num(0.0), (0, 0, 0, 0, delays - 1, 0))
            yield torch.cat([h[delay : delay + len(x)] for delay in range(delays)], 2), x, alive


def _at_least(covariance: Tensor, floor: Tensor) -> Tensor:
    return gaussians.raise_to(covariance, floor, FLOOR)


def _least_squares(gram: Tensor, response: Tensor) -> Tensor:
    """b of gram b = response, (..., k, columns); where few items leave it open, the shortest."""
    return torch.linalg.pinv(gram, rtol=LEAST_SHARE, hermitian=True) @ response

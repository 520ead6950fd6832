"""Observation heads: p(x | h), what the last layer of a decoder says about a point.

A head turns a decoder's output h, (n, outputs, ...) floats, into a distribution over the points of a space:

    bernoulli               x in {0, 1}         P(1) = sigmoid(h)
    categorical             x in 0 .. L - 1     P(l) = softmax(h)_l
    discretised_logistic    x whole             P(x) = F((x + 1 - m) / s) - F((x - m) / s), F the logistic function;
                                                the mass beyond either end belongs to the end (Salimans et al. 2017, PixelCNN++)
    gaussian                x real              N(m, s^2), m and log s from h
    columns                 rows of a table     each column by its kind; a missing cell has no term

Everything is in nats of the data's own units. Parameters of a coordinate lie along axis 1, ahead of the coordinates, which
keeps every softmax on a strided axis.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from genus.probability.beyond import log_beyond
from genus.spaces import Images, Sequence, Space, Table

NARROW = 1e-3  # cell, in scales, from which its logarithm is worked out by its series
LOG_SCALE = (-6.0, 4.0)  # of a standardised coordinate: below, a density could grow without end on a repeated value


class Head:
    """A distribution over the points of a space, given a decoder's output."""

    per_coordinate: int  # numbers the decoder gives for each coordinate

    def __init__(self, space: Space) -> None:
        self.space = space

    @property
    def outputs(self) -> int:
        """Numbers the decoder gives for one point."""
        return self.per_coordinate * self.space.dims

    def split(self, h: Tensor) -> Tensor:
        """(n, outputs) or (n, per_coordinate * channels, height, width) as (n, per_coordinate, dims)."""
        return h.float().reshape(len(h), self.per_coordinate, self.space.dims)

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """log p(x | h) (n,), nats."""
        raise NotImplementedError

    def sample(self, h: Tensor) -> Tensor:
        """One x (n, *shape) ~ p(x | h)."""
        raise NotImplementedError

    def mode(self, h: Tensor) -> Tensor:
        """The x (n, *shape) to show for h: the most likely one, or the middle."""
        raise NotImplementedError

    def _encoded(self, flat: Tensor) -> Tensor:
        return flat.reshape(len(flat), *self.space.shape).to(self.space.encoded_dtype)


class Bernoulli(Head):
    """x in {0, 1}: P(1) = sigmoid(h)."""

    per_coordinate = 1

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        logits = self.split(h).flatten(1)
        return -F.binary_cross_entropy_with_logits(logits, x.reshape(len(x), -1).to(logits), reduction="none").sum(1)

    def sample(self, h: Tensor) -> Tensor:
        return self._encoded(torch.bernoulli(torch.sigmoid(self.split(h).flatten(1))))

    def mode(self, h: Tensor) -> Tensor:
        return self._encoded(self.split(h).flatten(1) > 0)


class Categorical(Head):
    """x in 0 .. L - 1: P(l) = softmax(h)_l."""

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        self.per_coordinate = space.levels  # type: ignore[attr-defined]

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        logits = self.split(h)  # (n, levels, dims)
        return -F.cross_entropy(logits, x.reshape(len(x), -1).long(), reduction="none").sum(1)

    def sample(self, h: Tensor) -> Tensor:
        logits = self.split(h)
        # argmax of log p + Gumbel noise is a draw from p
        return self._encoded((logits - torch.empty_like(logits).exponential_().log_()).argmax(1))

    def mode(self, h: Tensor) -> Tensor:
        return self._encoded(self.split(h).argmax(1))


class DiscretisedLogistic(Head):
    """x whole: the logistic distribution's mass between x and x + 1; beyond either end of the dtype it belongs to the end."""

    per_coordinate = 2

    def __init__(self, space: Space) -> None:
        super().__init__(space)
        item = space.item if isinstance(space, Sequence) else space
        self.ends = (0, item.levels - 1) if isinstance(item, Images) else item.ends  # type: ignore[attr-defined]

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._parameters(h)
        location, scale = self._units(h)
        flat = x.reshape(len(x), -1).double()
        low, log_width = ((flat - location) / scale).float(), -scale.log().float()
        return logistic_interval(low, log_width, mean, log_scale, flat == self.ends[0], flat == self.ends[1]).sum(1)

    def sample(self, h: Tensor) -> Tensor:
        mean, log_scale = self._parameters(h)
        u = torch.rand_like(mean).clamp(1e-6, 1 - 1e-6)
        return self.space.from_standardised(mean + log_scale.exp() * (u.log() - (-u).log1p()))

    def mode(self, h: Tensor) -> Tensor:
        return self.space.from_standardised(self._parameters(h)[0])

    def _parameters(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.split(h).unbind(1)
        return mean, log_scale.clamp(*LOG_SCALE)

    def _units(self, h: Tensor) -> tuple[Tensor, Tensor]:
        location, scale = self.space.location_scale
        return location.to(h.device), scale.to(h.device)


class Gaussian(Head):
    """x real: N(m, s^2), m and log s from h."""

    per_coordinate = 2

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._parameters(h)
        z, log_det = self.space.standardise(x.reshape(len(x), -1))
        absent = torch.isnan(z)  # a missing value has no term
        terms = gaussian_log_prob(torch.where(absent, 0.0, z).float(), mean, log_scale)
        return torch.where(absent, 0.0, terms).sum(1) + log_det

    def sample(self, h: Tensor) -> Tensor:
        mean, log_scale = self._parameters(h)
        return self.space.from_standardised(mean + log_scale.exp() * torch.randn_like(mean))

    def mode(self, h: Tensor) -> Tensor:
        return self.space.from_standardised(self._parameters(h)[0])

    def _parameters(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.split(h).unbind(1)
        return mean, log_scale.clamp(*LOG_SCALE)


class Columns(Head):
    """A head a column, side by side: two numbers for a numeric column, a logit a category, one for a boolean."""

    def __init__(self, space: Table) -> None:
        super().__init__(space)
        self.table = space
        self.widths = [2 if c.numeric else 1 if c.kind == "boolean" else c.n_values for c in space.columns]

    @property
    def outputs(self) -> int:
        return sum(self.widths)

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        total = torch.zeros(len(x), device=h.device)
        for i, (column, part) in enumerate(zip(self.table.columns, h.float().split(self.widths, 1), strict=True)):
            value = x[:, i]
            absent = torch.isnan(value)
            value = torch.where(absent, column.location if column.numeric else 0.0, value)
            if column.kind == "categorical":
                term = -F.cross_entropy(part, value.long(), reduction="none")
            elif column.kind == "boolean":
                term = -F.binary_cross_entropy_with_logits(part[:, 0], value.float(), reduction="none")
            else:
                mean, log_scale, scale = part[:, 0], part[:, 1].clamp(*LOG_SCALE), column.scale or 1.0
                log_width = torch.tensor(-math.log(scale))
                if column.kind == "continuous":
                    term = gaussian_log_prob(((value - column.location) / scale).float(), mean, log_scale) + log_width
                else:
                    inside = value.clamp(column.low, column.high)
                    z = ((inside - column.location) / scale).float()
                    term = logistic_interval(z, log_width, mean, log_scale, inside == column.low, inside == column.high)
                    term = term + log_beyond((value - inside).abs()).float()
            total = total + torch.where(absent, 0.0, term)
        return total

    def sample(self, h: Tensor) -> Tensor:
        return self._rows(h, random=True)

    def mode(self, h: Tensor) -> Tensor:
        return self._rows(h, random=False)

    def _rows(self, h: Tensor, random: bool) -> Tensor:
        cells = []
        for column, part in zip(self.table.columns, h.float().split(self.widths, 1), strict=True):
            if column.kind == "categorical":
                noise = -torch.empty_like(part).exponential_().log_() if random else 0.0
                cells.append((part + noise).argmax(1).double())
                continue
            if column.kind == "boolean":
                chance = torch.rand_like(part[:, 0]) if random else 0.5
                cells.append((torch.sigmoid(part[:, 0]) > chance).double())
                continue
            mean, spread = part[:, 0].double(), part[:, 1].clamp(*LOG_SCALE).exp().double()
            if random and column.kind == "continuous":
                mean = mean + spread * torch.randn_like(mean)
            elif random:
                u = torch.rand_like(mean).clamp(1e-12, 1 - 1e-12)
                mean = mean + spread * (u.log() - (-u).log1p())
            value = mean * (column.scale or 1.0) + column.location
            cells.append(value.floor().clamp(column.low, column.high) if column.kind == "integer" else value)
        return torch.stack(cells, 1)


def gaussian_log_prob(z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log N(z; mean, exp(log_scale)^2), elementwise."""
    return -0.5 * ((z - mean) * (-log_scale).exp()).square() - log_scale - 0.5 * math.log(2 * math.pi)


def logistic_interval(low: Tensor, log_width: Tensor, mean: Tensor, log_scale: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """log (F((low + width - mean) / s) - F((low - mean) / s)), elementwise; where `first` (`last`) holds, the lower (upper)
    end of the interval is infinite.

    With a = (low - mean) / s and w = width / s:  F(a + w) - F(a) = F(a + w) F(-a) (1 - exp(-w)), which keeps its digits in
    both tails; and log (1 - exp(-w)) = log w - w / 2 + O(w^2) does where a cell is much narrower than s.
    """
    log_w = log_width - log_scale
    a, w = (low - mean) * (-log_scale).exp(), log_w.exp()
    upper, lower = F.logsigmoid(a + w), F.logsigmoid(-a)
    gap = torch.where(w < NARROW, log_w - w / 2, torch.log(-torch.expm1(-w.clamp_min(NARROW))))
    upper, lower = torch.where(last, 0.0, upper), torch.where(first, 0.0, lower)
    return upper + lower + torch.where(first | last, 0.0, gap)


HEADS: dict[str, type[Head]] = {
    "bernoulli": Bernoulli,
    "categorical": Categorical,
    "discretised_logistic": DiscretisedLogistic,
    "gaussian": Gaussian,
    "columns": Columns,  # type: ignore[dict-item]
}


def observation_head(space: Space, name: str | None = None) -> Head:
    """The head called `name`, or the one the space names first. Raises ValueError for one that does not fit."""
    if not space.heads:
        raise ValueError(f"{space!r} has points of different lengths: no decoder gives them at once")
    if name is not None and name not in space.heads:
        raise ValueError(f"head={name!r} does not fit {space!r}: choose one of {', '.join(space.heads)}")
    if isinstance(space, Sequence) and isinstance(space.item, Table):
        raise ValueError("sequences of table rows have no head yet; flatten them to a table")
    return HEADS[name or space.heads[0]](space)

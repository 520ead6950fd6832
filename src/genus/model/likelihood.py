"""Scores and likelihoods: how typical points are, and how probable, exactly or at least."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from genus.data import Dataset, Examples
from genus.fields import check_count
from genus.likelihood import LikelihoodKind, LogLikelihood, concatenate
from genus.model.model import Model
from genus.spaces import Encoded, Images, Ragged, Space, Table
from genus.spaces.arrays import as_tensor, holds_missing, refuse_infinity, refuse_shape


class HasScore(Model):
    """Points have a score: the larger, the more typical. A model writes `score_of(x)`; a likelihood is such a score."""

    def score_of(self, x: Any) -> Tensor:
        """The scores (n,) of encoded points."""
        raise NotImplementedError

    def score_samples(self, X: Any, y: Any = None) -> Any:
        """The score of each row as a numpy array (n,), scikit-learn's name: larger is more typical, and no log-probability."""
        return torch.cat(self.on_batches(self.examples(X), lambda x, g: self.score_of(x).double().cpu(), "score")).numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """Mean score, larger is better: scikit-learn's name."""
        return float(self.score_samples(X).mean())


class HasLikelihood(HasScore):
    """Data can be scored, exactly or by a bound. A model writes `score_batch`."""

    likelihood_samples: ClassVar[int] = 1  # draws a value is estimated with, where it is estimated
    score_batch_size: ClassVar[int] = 1024

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        return "exact"

    def score_batch(self, x: Any, g: Tensor | None, samples: int) -> tuple[Tensor, Tensor | None]:
        """log p(x) (n,) in nats of the data's units, and its standard error (n,) or None."""
        raise NotImplementedError

    def log_likelihood(
        self, data: Any, *, given: Any = None, samples: int | None = None, batch_size: int | None = None, seed: int = 0
    ) -> LogLikelihood:
        """The log-likelihood of held-out data, nats in the data's own units, with its kind and standard error.

        data: a Dataset (its test part is scored), a part of one, or raw data. samples: draws per point where the value
        is estimated (importance samples of a bound, dequantisation noise). Raises ValueError for data of another space.
        """
        examples = self.examples(data, given)
        samples = check_count("samples", self.likelihood_samples if samples is None else samples, 1)
        parts = []
        size = self.score_batch_size if batch_size is None else check_count("batch_size", batch_size, 1)
        for step, (x, g) in enumerate(examples.batches(size)):
            with self.verb(seed, "score", step):
                self.refuse_missing(x, step * size)
                nats, error = self.score_batch(x.to(self.device), None if g is None else g.to(self.device), samples)
            dims = self.fitted_space.count_dims(x)
            error = None if error is None else error.double().cpu()
            parts.append(LogLikelihood(nats.double().cpu(), self.likelihood_kind, error, dims))
        return concatenate(parts)

    def refuse_missing(self, x: Encoded, first: int = 0) -> None:
        """Raise ValueError for missing values that this model does not take; `first` is the number of the first point."""
        if not self.takes_missing and (where := missing_at(x, first)) is not None:
            raise ValueError(
                f"data: {where} holds NaN, and {type(self).__name__} takes no missing values; {self.instead_of_missing}"
            )

    def score_samples(self, X: Any, y: Any = None, *, given: Any = None) -> Any:
        """log-likelihood of each row as a numpy array: scikit-learn's name for `log_likelihood(X).nats`."""
        return self.log_likelihood(X, given=given).nats.numpy()

    def score(self, X: Any, y: Any = None, *, given: Any = None) -> float:
        """Mean log-likelihood, larger is better: scikit-learn's name for `log_likelihood(X).mean`."""
        return self.log_likelihood(X, given=given).mean


def missing_at(x: Encoded, first: int = 0) -> str | None:
    """Which point is the first with a missing value, in words; `first` is the number of the first point."""
    values = x.values if isinstance(x, Ragged) else x
    if not holds_missing(values):
        return None
    row = torch.isnan(values).reshape(len(values), -1).any(1).nonzero()[0]
    return f"sequence {first + int(x.owners[row])}" if isinstance(x, Ragged) else f"row {first + int(row)}"


class HasLogProb(HasLikelihood):
    """log p(x) is exact, normalised and differentiable. A model writes `log_prob_of(x, g)`."""

    def log_prob_of(self, x: Any, g: Tensor | None) -> Tensor:
        raise NotImplementedError

    def log_prob(self, x: Any, given: Any = None) -> Tensor:
        """log p(x) (n,) in nats, exact and differentiable in x and in the parameters.

        x: points (n, *shape) as the space encodes them, raw data, or a Dataset's test part. Raises ValueError for another shape.
        """
        if isinstance(x, Dataset | Examples):
            return self._log_prob_of_batch(*self.examples(x, given).batch(slice(None)))
        space = self.fitted_space
        if not getattr(x.values if isinstance(x, Ragged) else x, "requires_grad", False):  # encoding would detach it
            x = space.encode(x)
        elif space.ragged and isinstance(x, Tensor):
            space.encode(x)  # refuses what is no list of sequences
            x = Ragged.of_rows(x)
        values = x.values if isinstance(x, Ragged) else x
        refuse_shape(values, space.shape, "x")
        refuse_infinity(values, "x")
        return self._log_prob_of_batch(x, self.given_features(given, len(x)))

    def _log_prob_of_batch(self, x: Any, g: Tensor | None) -> Tensor:
        if not len(x):
            raise ValueError("x: is empty; pass at least one point")
        self.refuse_missing(x)
        return self.log_prob_of(x.to(self.device), None if g is None else g.to(self.device))

    def score_batch(self, x: Any, g: Tensor | None, samples: int) -> tuple[Tensor, Tensor | None]:
        return self.log_prob_of(x, g), None


class HasDensity(HasLogProb):
    """A density on the space's coordinates z. A model writes `log_density(z, g)`; whole numbers are dequantised."""

    likelihood_samples: ClassVar[int] = 8

    def log_density(self, z: Tensor, g: Tensor | None) -> Tensor:
        raise NotImplementedError

    def coordinates(self, x: Any, g: Tensor | None, dtype: torch.dtype) -> Any:
        """z (n, dims): dequantised, standardised, in a working precision."""
        z, _ = self.fitted_space.standardise(self.fitted_space.dequantise(x))
        return z.to(dtype)

    def refuses(self, space: Space) -> str | None:
        if (reason := super().refuses(space)) is not None:
            return reason
        if not space.continuous:
            what = next(
                (f"the column {c.name!r} is {c.kind}" for c in getattr(space, "columns", ()) if not c.numeric), f"this is {space!r}"
            )
            return f"it is a density over numbers, but {what}; drop that column, make it numbers, or use a VAE"
        return space.complaint()

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        return "lower bound" if bool(self.fitted_space.integer_coordinates.any()) else "exact"

    @property
    def dtype(self) -> torch.dtype:
        """The working precision: that of the parameters."""
        return next(t.dtype for t in (*self.parameters(), *self.buffers()) if t.is_floating_point())

    def log_prob(self, x: Any, given: Any = None) -> Tensor:
        """log p(x) (n,) in nats: the density at real x (n, *shape), in the data's units, differentiable.

        On a space of whole numbers this is the density that dequantised data have; `log_likelihood` adds the noise.
        """
        if isinstance(x, Dataset | Examples):
            return super().log_prob(x, given)
        space = self.fitted_space
        x = space.encode(x) if isinstance(space, Table) and not isinstance(x, Tensor) else x
        read = as_tensor(x, "x")
        x = x if isinstance(x, Tensor) else read  # what was read has lost its gradient
        if isinstance(space, Images) and x.shape[1:] != space.shape:  # in the layout that the data have
            x = space.encode(x)  # type: ignore[assignment]
        refuse_shape(x, space.shape, "x")
        refuse_infinity(x, "x")
        return self._log_prob_of_batch(x, self.given_features(given, len(x)))

    def log_prob_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        real = x.reshape(len(x), -1).to(torch.promote_types(x.dtype, self.dtype))  # all digits until the location is gone
        z, log_det = self.fitted_space.standardise(real)
        return self.log_density(z.to(self.dtype), g) + log_det

    def score_batch(self, x: Tensor, g: Tensor | None, samples: int) -> tuple[Tensor, Tensor | None]:
        if self.likelihood_kind == "exact":
            return self.log_prob_of(x, g), None
        draws = torch.stack([self.log_prob_of(self.fitted_space.dequantise(x), g).double() for _ in range(samples)])
        error = draws.std(0) / samples**0.5 if samples > 1 else None
        return draws.mean(0), error


class HasElbo(HasLikelihood):
    """log p(x) has a lower bound. A model writes `elbo_of(x, g)` and `log_weights(x, g, samples)`."""

    likelihood_samples: ClassVar[int] = 128

    @property
    def likelihood_kind(self) -> LikelihoodKind:
        return "lower bound"

    def elbo_of(self, x: Any, g: Tensor | None) -> Tensor:
        """The evidence lower bound of each point (n,), nats."""
        raise NotImplementedError

    def log_weights(self, x: Any, g: Tensor | None, samples: int) -> Tensor:
        """log p(x, z) / q(z|x) at z ~ q(z|x): (samples, n), nats."""
        raise NotImplementedError

    def elbo(self, data: Any, *, given: Any = None, seed: int = 0) -> LogLikelihood:
        """The evidence lower bound of each point, with one draw of the code."""

        def bound(x: Any, g: Tensor | None) -> LogLikelihood:
            return LogLikelihood(self.elbo_of(x, g).double().cpu(), "lower bound", dims=self.fitted_space.count_dims(x))

        return concatenate(self.on_batches(self.examples(data, given), bound, "elbo", seed, self.score_batch_size))

    def score_batch(self, x: Any, g: Tensor | None, samples: int) -> tuple[Tensor, Tensor | None]:
        """log (1/S) sum_s w_s, w_s = p(x, z_s) / q(z_s|x): at S = 1 the ELBO, rising to log p(x) (Burda et al. 2016,
        arXiv:1509.00519); its error by the delta method, sd(w) / (mean(w) sqrt(S))."""
        log_w = self.log_weights(x, g, samples).double()  # (S, n)
        nats = log_w.logsumexp(0) - torch.tensor(float(samples)).log()
        relative = (log_w - nats).exp()
        return nats, relative.std(0) / samples**0.5 if samples > 1 else None

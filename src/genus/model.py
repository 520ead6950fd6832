"""Model: a distribution over a space; and the capabilities: which verbs are true of a model.

A model is an `nn.Module`. Its hyper-parameters are annotated class fields (`genus.fields`); nothing happens in the
constructor; `build(space)` makes the modules and `fit` (of the ways of learning, `genus.learning`) calls it.

A capability is a small class, asked with `isinstance`. It holds the public verb, which checks its arguments once, and
names the private method that a model writes to have it. A verb a model cannot do is absent.

    x   encoded points (n, *space.shape), as the space keeps them      g   features of what they are given, or None
    z   coordinates of a density (n, dims), or a latent code (n, latent_dim)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Real
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from genus.data import Dataset, Examples, examples_of
from genus.fields import fields_of, perhaps
from genus.forecast import Forecast
from genus.likelihood import LikelihoodKind, LogLikelihood, concatenate
from genus.randomness import check_seed, randomness
from genus.spaces import Encoded, Space, Table, Tokens
from genus.spaces.arrays import as_tensor, refuse_infinity, refuse_shape


class Model(nn.Module):
    """A distribution over a space."""

    spaces: ClassVar[tuple[type[Space], ...]] = (Space,)  # the kinds of space it can be built on
    takes_missing: ClassVar[bool] = False  # whether it learns from rows with missing values
    data_sized: ClassVar[tuple[str, ...]] = ()  # buffers with a first axis as long as the data made it; `build` makes it 0

    def __init__(self, **hyper_parameters: Any) -> None:
        super().__init__()
        self.space: Space | None = None
        self.given_space: Space | None = None
        self.fitted_params: dict[str, Any] = {}  # the hyper-parameters that the modules were built with
        for name, field in fields_of(type(self)).items():
            object.__setattr__(self, name, field.default)
        self.set_params(**hyper_parameters)
        self.eval()

    # -- hyper-parameters, under scikit-learn's names ---------------------------------------------------------------

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The hyper-parameters by name."""
        return {name: getattr(self, name) for name in fields_of(type(self))}

    def set_params(self, **hyper_parameters: Any) -> Self:
        """Set hyper-parameters; TypeError for an unknown name or a wrong type, ValueError against a rule."""
        fields, owner = fields_of(type(self)), type(self).__name__
        checked = {}
        for name, value in hyper_parameters.items():
            if name not in fields:
                raise TypeError(
                    f"{owner} has no hyper-parameter {name!r}{perhaps(name, fields)}; it has {', '.join(fields) or 'none'}"
                )
            checked[name] = fields[name].check(value, owner)
        for name, value in checked.items():
            setattr(self, name, value)
        return self

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import Tags, TargetTags

        return Tags(estimator_type="density_estimator", target_tags=TargetTags(required=False))

    def __sklearn_is_fitted__(self) -> bool:
        return self.space is not None

    # -- building -----------------------------------------------------------------------------------------------

    def refuses(self, space: Space) -> str | None:
        """Why this model cannot be built on a space, with what to do instead; None if it can."""
        if not isinstance(space, self.spaces):
            return f"it takes {' or '.join(s.__name__ for s in self.spaces)}, not {type(space).__name__}"
        return None

    def build(self, space: Space) -> None:
        """Make the modules and buffers for a fitted space; `self.given_space` is set before."""
        raise NotImplementedError

    @property
    def given_dims(self) -> int:
        """Features of what a point is given; 0 for a model that was given nothing."""
        if self.given_space is None:
            return 0
        if self.given_space.ragged or len(self.given_space.feature_shape) != 1:
            raise ValueError(f"given: conditions must be labels, numbers or rows of them, not points of {self.given_space!r}")
        return self.given_space.feature_shape[0]

    # -- helpers of the verbs -----------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        tensor = next(self.parameters(), None)
        tensor = next(self.buffers(), None) if tensor is None else tensor
        return torch.device("cpu") if tensor is None else tensor.device

    @property
    def n_parameters(self) -> int:
        """Numbers learned: by gradient or by formula."""
        return sum(p.numel() for p in self.parameters()) + sum(b.numel() for b in self.buffers() if b.is_floating_point())

    @property
    def fitted_space(self) -> Space:
        """The space, or RuntimeError for a model that was not fitted."""
        if self.space is None:
            raise RuntimeError(f"this {type(self).__name__} is not fitted: call fit(data) first, or genus.load_model(folder)")
        return self.space

    def examples(self, data: Any, given: Any = None) -> Examples:
        """Data in this model's space: a Dataset (its test part), Examples, or raw data."""
        space = self.fitted_space
        if isinstance(data, Dataset):
            data = data.test if len(data.test) else data.train
        if isinstance(data, Examples):
            if type(data.space) is not type(space) or data.space.shape != space.shape:
                raise ValueError(f"data: lie in {data.space!r}, but this model was fitted to {space!r}; pass data of its kind")
            if given is not None:
                raise ValueError("given: a Dataset carries its conditions; build it with Dataset.of(data, given=...)")
            examples = data
            if not data.space.encodes_like(space):  # other categories, another alphabet: told, or made this model's
                examples = replace(data, space=space, points=space.encode(data.raw))
            if self.given_space is None:
                examples = replace(examples, given_space=None, given=None)
            elif data.given_space is not None and data.given_space != self.given_space:
                given = self.given_space.encode(data.given_space.decode(data.given))  # type: ignore[arg-type]
                examples = replace(examples, given_space=self.given_space, given=given)
        else:
            if given is not None and self.given_space is None:
                raise ValueError(f"given: this {type(self).__name__} was fitted without given=; fit it with given=, or drop it")
            examples = examples_of(data, given, space=space, given_space=self.given_space)
        if self.given_space is not None and examples.given is None:
            raise ValueError(f"given: this {type(self).__name__} was fitted with given=; pass given= here too")
        return examples

    def coordinates(self, x: Any, g: Tensor | None, dtype: torch.dtype) -> Any:
        """What closed forms and EM learn from, made of encoded points once: the points themselves."""
        return x

    def flaw(self) -> str | None:
        """What is wrong with buffers read from a file, beyond what their shapes tell; None if nothing."""
        return None

    def given_features(self, given: Any, n: int) -> Tensor | None:
        """What a learned condition means to a network, (n, given_dims); one condition serves all n."""
        if self.given_space is None:
            if given is not None:
                raise ValueError(
                    f"given={given!r}: this {type(self).__name__} was fitted without given=; fit it with given=, or drop it"
                )
            return None
        if given is None:
            raise ValueError(f"given: this {type(self).__name__} was fitted with given=, so say what to sample, as in given=...")
        if isinstance(given, dict):
            import pandas as pd

            given = pd.DataFrame([given])
        elif isinstance(given, str) or not hasattr(given, "__len__"):
            given = [given]
        encoded = self.given_space.encode(given)
        if len(encoded) == 1:
            encoded = encoded[0:1].expand(n, *encoded.shape[1:])  # type: ignore[union-attr]
        if len(encoded) != n:
            raise ValueError(f"given: has {len(encoded)} rows for {n} samples; pass one, or {n}")
        return self.given_space.features(encoded).to(self.device)  # type: ignore[arg-type]

    @contextmanager
    def verb(self, seed: int, stream: str, step: int = 0) -> Iterator[None]:
        """Evaluation mode, no gradients, keyed randomness: the surroundings of sampling and scoring."""
        training = self.training
        self.eval()
        try:
            with torch.no_grad(), randomness(check_seed(seed), stream, step):
                yield
        finally:
            self.train(training)

    # -- files --------------------------------------------------------------------------------------------------

    def save(self, folder: Any) -> None:
        """Write config.json and model.safetensors to a folder, atomically. Raises RuntimeError if not fitted."""
        from genus.artifacts import save_model

        save_model(self, folder)

    def extra_repr(self) -> str:
        fields = fields_of(type(self))
        return ", ".join(f"{n}={v!r}" for n, v in self.get_params().items() if v != fields[n].default)

    def __getattr__(self, name: str) -> Any:
        """A verb that is absent says which models have it."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            for capability in CAPABILITIES:
                if name in vars(capability) and not name.startswith("_") and not isinstance(self, capability):
                    raise AttributeError(
                        f"{type(self).__name__} has no {name}: it is not {capability.__name__}; "
                        "genus.models() lists the models that are"
                    ) from None
            raise


class CanSample(Model):
    """New points can be drawn. A model writes `draw(n, g) -> x`."""

    sample_chunk: ClassVar[int] = 4096  # points drawn at once: a million need no more memory than this many

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        raise NotImplementedError

    def sample(self, n: int = 1, *, given: Any = None, seed: int = 0) -> Any:
        """n new points, as the kind of thing the data were (tensor, DataFrame, list of strings).

        given: what a conditional model was fitted with (one for all, or one each); for a model that Completes, known
        cells as {column: value}. The same seed gives the same points. Raises ValueError, RuntimeError if not fitted.
        """
        space = self.fitted_space
        n = _check_count(n)
        known = space_row(space, given) if given is not None and isinstance(self, Completes) and self.given_space is None else None
        drawn = max(n, 1)  # of none, one: it has the kind and the shape
        g = self.given_features(given, drawn) if known is None else None
        parts = []
        for chunk, start in enumerate(range(0, drawn, self.sample_chunk)):
            size = min(self.sample_chunk, drawn - start)
            with self.verb(seed, f"sample/{chunk}"):
                if known is not None:
                    parts.append(self.fill(known.expand(size, *known.shape[1:]).to(self.device)))  # type: ignore[attr-defined]
                else:
                    parts.append(self.draw(size, None if g is None else g[start : start + size]))
        whole = parts[0] if len(parts) == 1 else _join(parts)
        return space.decode(whole.to("cpu")[0:n])


class HasLikelihood(Model):
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
        samples = _check_count(self.likelihood_samples if samples is None else samples, "samples", least=1)
        parts = []
        size = self.score_batch_size if batch_size is None else _check_count(batch_size, "batch_size", least=1)
        for step, (x, g) in enumerate(examples.batches(size)):
            with self.verb(seed, "score", step):
                self.refuse_missing(x)
                nats, error = self.score_batch(x.to(self.device), None if g is None else g.to(self.device), samples)
            dims = self.fitted_space.count_dims(x)
            error = None if error is None else error.double().cpu()
            parts.append(LogLikelihood(nats.double().cpu(), self.likelihood_kind, error, dims))
        return concatenate(parts)

    def refuse_missing(self, x: Encoded) -> None:
        if not self.takes_missing and isinstance(x, Tensor) and x.is_floating_point() and torch.isnan(x).any():
            row = int(torch.isnan(x).reshape(len(x), -1).any(1).nonzero()[0])
            raise ValueError(
                f"data: row {row} holds NaN, and {type(self).__name__} takes no missing values; fill them, or use GaussianMixture"
            )

    def score_samples(self, X: Any, y: Any = None) -> Any:
        """log-likelihood of each row as a numpy array: scikit-learn's name for `log_likelihood(X).nats`."""
        return self.log_likelihood(X).nats.numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """Mean log-likelihood, larger is better: scikit-learn's name for `log_likelihood(X).mean`."""
        return self.log_likelihood(X).mean


class HasLogProb(HasLikelihood):
    """log p(x) is exact, normalised and differentiable. A model writes `log_prob_of(x, g)`."""

    def log_prob_of(self, x: Any, g: Tensor | None) -> Tensor:
        raise NotImplementedError

    def log_prob(self, x: Any, given: Any = None) -> Tensor:
        """log p(x) (n,) in nats, exact and differentiable in x and in the parameters.

        x: points (n, *shape) as the space encodes them, or raw data. Raises ValueError for another shape.
        """
        space = self.fitted_space
        if not (isinstance(x, Tensor) and x.requires_grad):
            x = space.encode(x)
        refuse_shape(x, space.shape, "x") if isinstance(x, Tensor) else None
        self.refuse_missing(x)
        x = x.to(self.device)
        return self.log_prob_of(x, self.given_features(given, len(x)))

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
        space = self.fitted_space
        x = space.encode(x) if isinstance(space, Table) and not isinstance(x, Tensor) else x
        x = x if isinstance(x, Tensor) else as_tensor(x, "x")
        refuse_shape(x, space.shape, "x")
        refuse_infinity(x, "x")
        self.refuse_missing(x)
        x = x.to(self.device)
        return self.log_prob_of(x, self.given_features(given, len(x)))

    def log_prob_of(self, x: Tensor, g: Tensor | None) -> Tensor:
        z, log_det = self.fitted_space.standardise(x.reshape(len(x), -1).to(self.dtype))
        return self.log_density(z, g) + log_det

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
        examples = self.examples(data, given)
        parts = []
        for step, (x, g) in enumerate(examples.batches(self.score_batch_size)):
            with self.verb(seed, "elbo", step):
                nats = self.elbo_of(x.to(self.device), None if g is None else g.to(self.device))
            parts.append(LogLikelihood(nats.double().cpu(), "lower bound", dims=self.fitted_space.count_dims(x)))
        return concatenate(parts)

    def score_batch(self, x: Any, g: Tensor | None, samples: int) -> tuple[Tensor, Tensor | None]:
        """log (1/S) sum_s w_s, w_s = p(x, z_s) / q(z_s|x): at S = 1 the ELBO, rising to log p(x) (Burda et al. 2016,
        arXiv:1509.00519); its error by the delta method, sd(w) / (mean(w) sqrt(S))."""
        log_w = self.log_weights(x, g, samples).double()  # (S, n)
        nats = log_w.logsumexp(0) - torch.tensor(float(samples)).log()
        relative = (log_w - nats).exp()
        return nats, relative.std(0) / samples**0.5 if samples > 1 else None


class HasLatent(Model):
    """Points have a code. A model writes `code_of(x, g) -> z` and `point_of(z, g) -> x`."""

    latent_dim: int

    def code_of(self, x: Any, g: Tensor | None) -> Tensor:
        raise NotImplementedError

    def point_of(self, z: Tensor, g: Tensor | None) -> Encoded:
        raise NotImplementedError

    def encode(self, x: Any, *, given: Any = None) -> Tensor:
        """The codes of data: (n, latent_dim), the mean of q(z|x) where the code is random."""
        parts = []
        for points, g in self.examples(x, given).batches(1024):
            with self.verb(0, "encode"):
                parts.append(self.code_of(points.to(self.device), None if g is None else g.to(self.device)).cpu())
        return torch.cat(parts)

    def decode(self, z: Any, *, given: Any = None) -> Any:
        """The points of codes (n, latent_dim): the kind of thing the data were, the head's most likely value."""
        space = self.fitted_space
        z = as_tensor(z, "z").float()
        refuse_shape(z, (self.latent_dim,), "z")
        g = self.given_features(given, len(z))
        with self.verb(0, "decode"):
            return space.decode(self.point_of(z.to(self.device), g).to("cpu"))

    def reconstruct(self, x: Any, *, given: Any = None) -> Any:
        """decode(encode(x)): what the model keeps of x."""
        parts = []
        for points, g in self.examples(x, given).batches(1024):
            g = None if g is None else g.to(self.device)
            with self.verb(0, "encode"):
                parts.append(self.point_of(self.code_of(points.to(self.device), g), g).to("cpu"))
        return self.fitted_space.decode(_join(parts))


class Conditional(Model):
    """p(x | given): learned with `fit(data, given=...)`."""


class Completes(Model):
    """Any part of a point may be given, the rest is drawn. A model writes `fill(x)`: NaN in, no NaN out."""

    def fill(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def fill_density(self, x: Tensor, fill: Callable[[Tensor], Tensor]) -> Tensor:
        """`fill` of a density: to its coordinates and back, with what was known left exactly as it is."""
        space = self.fitted_space
        z, _ = space.standardise(space.dequantise(x.double()))
        drawn = space.from_standardised(fill(z))
        return torch.where(torch.isnan(x), drawn, x.to(drawn.dtype))

    def complete(self, data: Any, *, seed: int = 0) -> Any:
        """The same rows with every missing cell (NaN) drawn from its distribution given the others."""
        examples = self.examples(data)
        parts = []
        for step, (x, _) in enumerate(examples.batches(4096)):
            with self.verb(seed, "complete", step):
                parts.append(self.fill(x.to(self.device)).to("cpu"))
        return self.fitted_space.decode(_join(parts))


class CanGenerate(CanSample):
    """Sequences go on from a prompt. A model writes `continue_from(prompts, g, max_new_tokens, ...)`."""

    def continue_from(
        self,
        prompts: Tensor,
        g: Tensor | None,
        max_new_tokens: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        num_beams: int = 1,
        length_penalty: float = 1.0,
    ) -> Tensor:
        """The tokens (b, at most max_new_tokens) that follow prompts (b, t)."""
        raise NotImplementedError

    def generate(
        self,
        prompt: Any = "",
        *,
        max_new_tokens: int = 256,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        num_beams: int = 1,
        length_penalty: float = 1.0,
        given: Any = None,
        seed: int = 0,
    ) -> Any:
        """The prompt and how it goes on: text for text, whole numbers (a tensor) for whole numbers; a list for a list.

        temperature: below 1 sharper, above 1 flatter, 0 always the likeliest token. top_k: draw among the k likeliest
        tokens only. top_p: among the likeliest that together have probability p. num_beams: search that many
        continuations for the likeliest instead of drawing. All are off by default: the draw is from the model. Raises
        ValueError for numbers out of range or characters the model does not know.
        """
        space = self.fitted_space
        if not isinstance(space, Tokens):
            raise ValueError(f"generate goes on with sequences, but this model was fitted to {space!r}; use sample(n)")
        for name, value, least in (
            ("max_new_tokens", max_new_tokens, 0), ("num_beams", num_beams, 1), ("top_k", top_k, 1)
        ):  # fmt: skip
            if value is not None:
                _check_count(value, name, least)
        if not isinstance(length_penalty, Real) or not -float("inf") < length_penalty < float("inf"):
            raise ValueError(f"length_penalty={length_penalty!r} must be a number")
        if not isinstance(temperature, Real) or not 0 <= temperature < float("inf"):
            raise ValueError(f"temperature={temperature!r} must be a number, at least 0")
        if top_p is not None and not (isinstance(top_p, Real) and 0 < top_p <= 1):
            raise ValueError(f"top_p={top_p!r} must be a number above 0 and at most 1")
        many = isinstance(prompt, list | tuple) and bool(prompt) and not isinstance(prompt[0], Real)
        prompts = [space.encode_prompt(p) for p in (prompt if many else [prompt])]
        g = self.given_features(given, len(prompts))
        end = space.vocabulary if space.ends else None
        texts: dict[int, Any] = {}
        for length in sorted({len(tokens) for tokens in prompts}):  # prompts of one length run side by side
            group = [i for i, tokens in enumerate(prompts) if len(tokens) == length]
            with self.verb(seed, "generate", length):
                drawn = self.continue_from(
                    torch.stack([prompts[i] for i in group]).to(self.device), None if g is None else g[group], max_new_tokens,
                    temperature=temperature, top_k=top_k, top_p=top_p, num_beams=num_beams, length_penalty=length_penalty,
                ).cpu()  # fmt: skip
            for i, new in zip(group, drawn, strict=True):
                if end is not None and (new == end).any():
                    new = new[: int((new == end).nonzero()[0])]
                whole = torch.cat([prompts[i], new])
                texts[i] = space.tokenizer.decode(whole) if space.tokenizer is not None else whole
        return [texts[i] for i in range(len(prompts))] if many else texts[0]


class Forecasts(CanSample):
    """A sequence of numbers or rows goes on. A model writes `continue_series(x, steps, n)`."""

    def continue_series(self, x: Tensor, steps: int, n: int) -> Tensor:
        """n draws of what follows encoded items x (t, *item): (n, steps, *item)."""
        raise NotImplementedError

    def continuations(self, series: Any, steps: int, n: int = 1, *, seed: int = 0) -> list[Any]:
        """n draws of the next `steps` items of one series (t, *item), each the kind of thing the series is.

        Raises ValueError for a series of another space or counts out of range, RuntimeError if not fitted.
        """
        item = self.fitted_space.item  # type: ignore[attr-defined]
        return [item.decode(path) for path in self._paths(series, steps, n, seed)]

    def forecast(self, series: Any, steps: int, *, level: float = 0.9, n_samples: int = 1000, seed: int = 0) -> Forecast:
        """The next `steps` items of one series of numbers (t, *item): their means, and intervals that hold each with
        probability `level`, from n_samples continuations. Raises as `continuations` does."""
        if not isinstance(level, Real) or not 0 < level < 1:
            raise ValueError(f"level={level!r} must be a number between 0 and 1")
        if not self.fitted_space.item.continuous:  # type: ignore[attr-defined]
            raise ValueError(
                f"forecast: means and intervals are of numbers, but this model is of {self.fitted_space!r}; use continuations"
            )
        paths = self._paths(series, steps, _check_count(n_samples, "n_samples", least=2), seed).double()
        tail = (1 - float(level)) / 2
        return Forecast(paths.mean(0), paths.quantile(tail, 0), paths.quantile(1 - tail, 0), float(level))

    def _paths(self, series: Any, steps: int, n: int, seed: int) -> Tensor:
        space = self.fitted_space
        x = space.item.encode(series)  # type: ignore[attr-defined]
        steps, n = _check_count(steps, "steps", least=1), _check_count(n, least=1)
        with self.verb(seed, "continue"):
            return self.continue_series(x.to(self.device), steps, n).cpu()


CAPABILITIES: tuple[type[Model], ...] = (
    CanSample,
    HasLogProb,
    HasElbo,
    HasLikelihood,
    HasLatent,
    Conditional,
    Completes,
    CanGenerate,
    Forecasts,
)


def capabilities(model: Model | type[Model]) -> list[str]:
    """The names of what a model can do."""
    cls = model if isinstance(model, type) else type(model)
    return [c.__name__ for c in CAPABILITIES if issubclass(cls, c) and c is not HasLikelihood]


def space_row(space: Space, known: Any) -> Tensor:
    """One point (1, *shape), NaN but for the known cells: {column: value}, or an array with NaN."""
    if isinstance(known, dict):
        row = torch.full((1, space.dims), torch.nan, dtype=torch.float64)
        for name, value in known.items():
            if isinstance(space, Table):
                row[0, space.position(name)] = space.encode_value(name, value)
            elif isinstance(name, int) and -space.dims <= name < space.dims:
                if not isinstance(value, Real):
                    raise TypeError(f"given: {value!r} in column {name} is of type {type(value).__name__}, but it must be a number")
                row[0, name] = float(value)
            else:
                raise ValueError(f"given: {name!r} is no column; columns are numbered 0 to {space.dims - 1}")
        row = row.reshape(1, *space.shape)
    else:
        row = as_tensor(known, "given")
        row = row[None] if tuple(row.shape) == tuple(space.shape) else row
        refuse_shape(row, space.shape, "given")
        row = row[:1].double()
    refuse_infinity(row, "given")
    if not isinstance(space, Table):
        space.encode(row.nan_to_num(0.0))  # raises where a known cell is no value of the space
    return row


def _check_count(n: Any, name: str = "n", least: int = 0) -> int:
    if isinstance(n, bool) or not hasattr(n, "__index__") or int(n) < least:
        raise ValueError(f"{name}={n!r} must be a whole number, at least {least}")
    return int(n)


def _join(parts: list[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(parts)
    return type(parts[0]).of([sequence for part in parts for sequence in part])

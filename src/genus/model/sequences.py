"""Sequences: texts and series go on from where they stand."""

from __future__ import annotations

from numbers import Real
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from genus.fields import check_count
from genus.forecast import Forecast
from genus.model.sampling import CanSample
from genus.spaces import Encoded, Ragged, Sequence, Tokens
from genus.spaces.arrays import plain, scalar


class Decoding(NamedTuple):
    """How the next token is chosen, as `generate` tells; left alone, it is drawn from the model."""

    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    num_beams: int = 1
    length_penalty: float = 1.0

    @property
    def is_a_draw(self) -> bool:
        """Whether nothing is sharpened, cut or searched."""
        return self == Decoding()

    @property
    def flaw(self) -> str | None:
        """An option of drawing that a search would ignore, or of the search that drawing would, in a sentence; None: all fits."""
        if self.num_beams > 1:
            idle, whose = {"temperature", "top_k", "top_p"}, f"drawing, but num_beams={self.num_beams} searches; leave one out"
        else:
            idle, whose = {"length_penalty"}, "the search that num_beams above 1 makes; pass that, too, or leave it out"
        told = (name for name in self._fields if name in idle and getattr(self, name) != self._field_defaults[name])
        return next((f"{name}={getattr(self, name)}: is of {whose}" for name in told), None)


class CanGenerate(CanSample):
    """Sequences go on from a prompt. A model writes `continue_from(prompts, g, max_new_tokens, how)`."""

    sample_length: ClassVar[int] = 1024  # tokens at which a sampled sequence is cut, if it has not ended

    @property
    def end_token(self) -> int | None:
        """The token that closes a sequence, where there is one."""
        space = self.fitted_space
        return space.vocabulary if isinstance(space, Tokens) and space.ends else None

    def draw(self, n: int, g: Tensor | None) -> Encoded:
        """What follows nothing: as long as the points of the space, or up to the end token."""
        space = self.fitted_space
        empty = torch.zeros(n, 0, dtype=torch.int64, device=self.device)
        drawn = self.continue_from(empty, g, self.sample_length if space.ragged else space.dims, Decoding())
        if not space.ragged:
            return drawn.reshape(n, *space.shape).to(space.encoded_dtype)
        return Ragged.of([_until_end(tokens, self.end_token) for tokens in drawn.cpu()])

    def continue_from(self, prompts: Tensor, g: Tensor | None, max_new_tokens: int, how: Decoding) -> Tensor:
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
        continuations for the likeliest instead of drawing, by log p / length^length_penalty. All are off by default: the draw
        is from the model. Raises ValueError for numbers out of range, for options of drawing and of searching together, and
        for characters the model does not know.
        """
        space = self.fitted_space
        if not isinstance(space, Tokens):
            raise ValueError(f"generate goes on with sequences, but this model was fitted to {space!r}; use sample(n)")
        for name, value, least in (
            ("max_new_tokens", max_new_tokens, 0), ("num_beams", num_beams, 1), ("top_k", top_k, 1)
        ):  # fmt: skip
            if value is not None:
                check_count(name, value, least)
        if not isinstance(length_penalty, Real) or not -float("inf") < length_penalty < float("inf"):
            raise ValueError(f"length_penalty={length_penalty!r} must be a number")
        if not isinstance(temperature, Real) or not 0 <= temperature < float("inf"):
            raise ValueError(f"temperature={temperature!r} must be a number, at least 0")
        if top_p is not None and not (isinstance(top_p, Real) and 0 < top_p <= 1):
            raise ValueError(f"top_p={top_p!r} must be a number above 0 and at most 1")
        how = Decoding(temperature, top_k, top_p, num_beams, length_penalty)
        if (flaw := how.flaw) is not None:
            raise ValueError(flaw)
        prompt = plain(scalar(prompt), "prompt")
        many = isinstance(prompt, list | tuple) and bool(prompt) and not isinstance(scalar(prompt[0]), Real)
        prompts = [space.encode_prompt(p) for p in (prompt if many else [prompt])]
        g = self.given_features(given, len(prompts))
        texts: dict[int, Any] = {}
        for length in sorted({len(tokens) for tokens in prompts}):  # prompts of one length run side by side
            group = [i for i, tokens in enumerate(prompts) if len(tokens) == length]
            with self.verb(seed, "generate", length):
                side_by_side = torch.stack([prompts[i] for i in group]).to(self.device)
                drawn = self.continue_from(side_by_side, None if g is None else g[group], max_new_tokens, how).cpu()
            for i, new in zip(group, drawn, strict=True):
                new = _until_end(new, self.end_token)
                whole = torch.cat([prompts[i], new[new < space.vocabulary]])
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
        x, steps = self._series(series, steps)
        with self.verb(seed, "continue"):
            paths = self.continue_series(x, steps, check_count("n", n, 1)).cpu()
        return [self.fitted_space.item.decode(path) for path in paths]  # type: ignore[attr-defined]

    def forecast(self, series: Any, steps: int, *, level: float = 0.9, n_samples: int = 1000, seed: int = 0) -> Forecast:
        """The next `steps` items of one series of numbers (t, *item): their means, and intervals that hold each with
        probability `level`, exact where the model knows them, else from n_samples continuations. Raises as `continuations`
        does."""
        if not isinstance(level, Real) or not 0 < level < 1:
            raise ValueError(f"level={level!r} must be a number between 0 and 1")
        n_samples = check_count("n_samples", n_samples, 2)
        x, steps = self._series(series, steps)
        if not self.fitted_space.item.continuous:  # type: ignore[attr-defined]
            raise ValueError(
                f"forecast: means and intervals are of numbers, but this model is of {self.fitted_space!r}; use continuations"
            )
        with self.verb(seed, "continue"):
            return self.outlook(x, steps, float(level), n_samples)

    def outlook(self, x: Tensor, steps: int, level: float, n: int) -> Forecast:
        """The forecast after encoded items x (t, *item), from n draws; a model that knows it in closed form says so itself."""
        paths = self.continue_series(x, steps, n).cpu().double()
        tail = (1 - level) / 2
        return Forecast(paths.mean(0), paths.quantile(tail, 0), paths.quantile(1 - tail, 0), level)

    def _series(self, series: Any, steps: int) -> tuple[Tensor, int]:
        """One series, encoded, and a checked number of steps."""
        space = self.fitted_space
        if not isinstance(space, Sequence):
            raise ValueError(f"series: goes on where there are sequences of numbers, but this model is of {space!r}; use generate")
        return space.encode_one(series, "series").to(self.device), check_count("steps", steps, 1)


def _until_end(tokens: Tensor, end: int | None) -> Tensor:
    """A sequence up to and with its first end token."""
    if end is None or not (tokens == end).any():
        return tokens
    return tokens[: int((tokens == end).nonzero()[0]) + 1]

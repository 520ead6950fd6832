"""Tokens: sequences of whole numbers from a vocabulary; with a tokenizer, text."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genus.spaces.arrays import as_tensor, dtype_name, dtype_named, only_texts, plain
from genus.spaces.ragged import Ragged
from genus.spaces.space import Encoded, Space
from genus.spaces.tokenizers import Tokenizer, texts_of, tokenizer_from


class Tokens(Space):
    """Sequences of tokens 0 .. vocabulary - 1.

    With `length` every point is an int64 tensor (length,); without, points are Ragged. `ends` closes each ragged point
    with one more token, number `vocabulary`, so that where a sequence stops is part of its probability. `dtype` is that
    of raw whole numbers.
    """

    heads = ("categorical",)
    discrete = True

    def __init__(
        self,
        vocabulary: int | None = None,
        length: int | None = None,
        ends: bool = False,
        tokenizer: Tokenizer | dict[str, Any] | None = None,
        dtype: str = "int64",
    ) -> None:
        self.tokenizer = tokenizer_from(tokenizer) if isinstance(tokenizer, dict) else tokenizer
        if vocabulary is None and self.tokenizer is None:
            raise ValueError("Tokens: pass vocabulary=, the number of different tokens, or a tokenizer")
        self.vocabulary = self.tokenizer.vocabulary if self.tokenizer else int(vocabulary or 0)
        if self.vocabulary < 1:
            raise ValueError("Tokens: holds no tokens, for every text is empty; pass one that is not")
        if vocabulary is not None and vocabulary != self.vocabulary:
            raise ValueError(f"Tokens: vocabulary={vocabulary} does not fit: expected {self.vocabulary}")
        if not isinstance(ends, bool):
            raise TypeError(f"Tokens: ends={ends!r} must be True or False")
        if ends and length is not None:
            raise ValueError("Tokens: points of one length need no end token; pass ends=False")
        self.dtype = dtype_named(dtype)
        most = 0 if self.dtype.is_floating_point else 2 if self.dtype is torch.bool else torch.iinfo(self.dtype).max + 1
        if self.vocabulary > most:
            raise ValueError(f"Tokens: dtype={dtype!r} does not hold every whole number below {self.vocabulary}; pass 'int64'")
        self.length, self.ends = length, ends
        self.ragged = length is None
        self.shape = () if length is None else (length,)

    @property
    def n_symbols(self) -> int:
        """The vocabulary and the end token, where there is one."""
        return self.vocabulary + self.ends

    @property
    def levels(self) -> int:
        return self.n_symbols

    @property
    def encoded_dtype(self) -> torch.dtype:
        return torch.int64

    def encode(self, raw: Any) -> Encoded:
        raw = plain(only_texts(raw))
        if isinstance(raw, Ragged):  # of this space, with end tokens, or without any
            sequences = [s[:-1] if self.ends and len(s) and bool(s[-1] == self.vocabulary) else s for s in raw]
        elif self.tokenizer is not None and _is_text(raw):
            sequences = [self.tokenizer.encode(text) for text in ([raw] if isinstance(raw, str) else texts_of(raw))]
        elif isinstance(raw, list | tuple):
            sequences = [as_tensor(sequence) if len(sequence) else torch.zeros(0, dtype=torch.int64) for sequence in raw]
        else:
            sequences = list(as_tensor(raw))
        if not sequences:
            raise ValueError("data: is empty; pass at least one sequence")
        for index, sequence in enumerate(sequences):
            self._check(sequence, index)
        if not self.ragged:
            return torch.stack(sequences).long()
        end = [torch.tensor([self.vocabulary])] if self.ends else []
        return Ragged.of([torch.cat([s.long(), *end]) for s in sequences])

    def _check(self, tokens: Tensor, index: int) -> None:
        if tokens.dim() != 1 or tokens.is_floating_point():
            raise TypeError(
                f"data: sequence {index} is of {tokens.dtype} and shape {tuple(tokens.shape)}, but tokens are 1-d and whole numbers; "
                "convert it, as data.astype(int) does"
            )
        if self.length is not None and len(tokens) != self.length:
            raise ValueError(f"data: sequence {index} has {len(tokens)} tokens, but every one must have {self.length}")
        if len(tokens) and (int(tokens.min()) < 0 or int(tokens.max()) >= self.vocabulary):
            wrong = tokens[(tokens < 0) | (tokens >= self.vocabulary)][0]
            raise ValueError(
                f"data: sequence {index} holds {int(wrong)}, but tokens run from 0 to {self.vocabulary - 1}; "
                "pass space=genus.Tokens(vocabulary=...) when fitting, if there are more"
            )

    def encode_prompt(self, prompt: Any) -> Tensor:
        """One prompt (text or whole numbers) as tokens (length,), without an end."""
        if isinstance(prompt, str):
            if self.tokenizer is None and not prompt:
                return torch.zeros(0, dtype=torch.int64)
            if self.tokenizer is None:
                raise TypeError("prompt: this model learned whole numbers, not text; pass a list of tokens")
            return self.tokenizer.encode(prompt)
        if not hasattr(prompt, "__len__") or isinstance(prompt, bytes):
            raise TypeError(f"prompt={prompt!r} is of type {type(prompt).__name__}; pass text, or a list of tokens")
        tokens = as_tensor(prompt, "prompt") if len(prompt) else torch.zeros(0, dtype=torch.int64)
        if tokens.dim() != 1:
            raise ValueError(f"prompt: has shape {tuple(tokens.shape)}; pass one row of tokens, or a list of rows")
        if len(tokens) and (tokens.is_floating_point() or int(tokens.min()) < 0 or int(tokens.max()) >= self.vocabulary):
            raise ValueError(f"prompt: holds something else than whole numbers from 0 to {self.vocabulary - 1}")
        return tokens.long()

    def decode(self, x: Encoded) -> Any:
        sequences = [s[s < self.vocabulary] for s in x]
        if self.tokenizer is not None:
            return [self.tokenizer.decode(s) for s in sequences]
        return [s.to(self.dtype) for s in sequences] if self.ragged else x.to(self.dtype)

    @property
    def feature_shape(self) -> tuple[int, ...]:
        return (*self.shape, self.n_symbols)

    def features(self, x: Tensor) -> Tensor:
        return torch.nn.functional.one_hot(x, self.n_symbols).float()

    def count_dims(self, x: Encoded) -> int | Tensor:
        """Characters of text, else tokens: one measure for every tokenizer. The end token is not counted."""
        if not isinstance(x, Ragged):
            return self.dims
        if self.tokenizer is None or self.tokenizer.config()["kind"] == "characters":
            return x.lengths - int(self.ends)
        return torch.tensor([len(text) for text in self.decode(x)])

    def encodes_like(self, other: Space) -> bool:
        return isinstance(other, Tokens) and {**self.config(), "dtype": None} == {**other.config(), "dtype": None}

    def config(self) -> dict[str, Any]:
        if self.tokenizer is not None:
            return {"length": self.length, "ends": self.ends, "tokenizer": self.tokenizer.config()}
        return {"vocabulary": self.vocabulary, "length": self.length, "ends": self.ends, "dtype": dtype_name(self.dtype)}

    def __repr__(self) -> str:
        kind = f"{self.tokenizer.config()['kind']}, " if self.tokenizer else ""
        return f"Tokens({kind}vocabulary={self.vocabulary}, length={self.length})"


def _is_text(raw: Any) -> bool:
    return isinstance(raw, str) or (isinstance(raw, list | tuple) and bool(raw) and isinstance(raw[0], str))

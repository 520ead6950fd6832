"""Tokenizers: text <-> whole numbers, without loss. Characters and bytes are ours; BPE is Hugging Face's `tokenizers`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor


class Tokenizer(Protocol):
    """What Tokens asks of a tokenizer: `decode(encode(text)) == text`."""

    vocabulary: int

    def encode(self, text: str) -> Tensor: ...
    def decode(self, tokens: Tensor) -> str: ...
    def config(self) -> dict[str, Any]: ...


class Characters:
    """One token a character, in the order of the alphabet."""

    def __init__(self, alphabet: str) -> None:
        self.alphabet = "".join(sorted(set(alphabet)))
        self.vocabulary = len(self.alphabet)
        self._points = _code_points(self.alphabet)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Characters:
        return cls("".join(sorted(set().union(*map(set, texts)))))

    def encode(self, text: str) -> Tensor:
        points = _code_points(text)
        tokens = np.searchsorted(self._points, points).clip(max=max(self.vocabulary - 1, 0))
        unknown = self._points[tokens] != points if self.vocabulary else np.ones(len(points), dtype=bool)
        if unknown.any():
            raise ValueError(
                f"text: the character {text[int(unknown.argmax())]!r} was not in the training text; "
                "remove it, or fit with tokenizer='bytes', which knows every character"
            )
        return torch.from_numpy(tokens.astype(np.int64))

    def decode(self, tokens: Tensor) -> str:
        return "".join(self.alphabet[i] for i in tokens.tolist())

    def config(self) -> dict[str, Any]:
        return {"kind": "characters", "alphabet": self.alphabet}


class Bytes:
    """One token a byte of UTF-8: 256 of them, and no unknown text."""

    vocabulary = 256

    def encode(self, text: str) -> Tensor:
        return torch.from_numpy(np.frombuffer(_utf8(text), dtype=np.uint8).astype(np.int64))

    def decode(self, tokens: Tensor) -> str:
        # a model may draw bytes that are no UTF-8: show them as the replacement character
        return bytes(tokens.tolist()).decode("utf-8", errors="replace")

    def config(self) -> dict[str, Any]:
        return {"kind": "bytes"}


class BPE:
    """Byte-level byte-pair encoding (Sennrich et al. 2016, arXiv:1508.07909), by the library `tokenizers`."""

    def __init__(self, json: str) -> None:
        library = _tokenizers()
        try:
            self._tokenizer = library.Tokenizer.from_str(json)
        except Exception as error:  # the library raises nothing narrower
            raise ValueError(f"tokenizer: is no byte-pair encoding ({error})") from error
        self.vocabulary = self._tokenizer.get_vocab_size()

    @classmethod
    def of(cls, texts: Iterable[str], vocabulary: int = 1024) -> BPE:
        """Merges learned from the texts, on top of the 256 bytes."""
        library = _tokenizers()
        tokenizer = library.Tokenizer(library.models.BPE())
        tokenizer.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=vocabulary,
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator((_utf8(text).decode() for text in texts), trainer)
        return cls(tokenizer.to_str())

    def encode(self, text: str) -> Tensor:
        _utf8(text)
        return torch.tensor(self._tokenizer.encode(text).ids, dtype=torch.int64)

    def decode(self, tokens: Tensor) -> str:
        return self._tokenizer.decode(tokens.tolist())

    def config(self) -> dict[str, Any]:
        return {"kind": "bpe", "json": self._tokenizer.to_str()}


def texts_of(raw: Any) -> list[str]:
    """A list of strings, checked. Raises TypeError where something else is among them."""
    wrong = [item for item in raw if not isinstance(item, str)]
    if wrong:
        raise TypeError(f"data: a list of strings also holds {wrong[0]!r}; drop it, or make every item a string")
    return list(raw)


def tokenizer_of(texts: list[str], kind: str) -> Tokenizer:
    """A tokenizer for texts: "characters", "bytes", "bpe" or "bpe:N" for a vocabulary of N."""
    name, _, size = kind.partition(":")
    if name == "characters" and not size:
        return Characters.of(texts)
    if name == "bytes" and not size:
        return Bytes()
    if name == "bpe" and (not size or size.isdigit()):
        if size and int(size) < 256:
            raise ValueError(f"tokenizer={kind!r}: the vocabulary must be at least the 256 bytes")
        return BPE.of(texts, int(size or 1024))
    raise ValueError(f"tokenizer={kind!r} is not known: choose 'characters', 'bytes', 'bpe' or 'bpe:4096'")


def tokenizer_from(config: dict[str, Any]) -> Tokenizer:
    """The tokenizer of a `config()`; raises ValueError for anything else."""
    match config:
        case {"kind": "characters", "alphabet": str(alphabet), **rest} if not rest:
            return Characters(alphabet)
        case {"kind": "bytes", **rest} if not rest:
            return Bytes()
        case {"kind": "bpe", "json": str(json), **rest} if not rest:
            return BPE(json)
    raise ValueError("tokenizer: not one of characters, bytes or bpe")


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)


def _utf8(text: str) -> bytes:
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"text: holds {text[error.start]!r}, half of a surrogate pair, which is no character; "
            "remove it: text.encode('utf-8', 'ignore').decode()"
        ) from error


def _tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError as error:
        raise ImportError("byte-pair encoding needs the library tokenizers: pip install 'genus[text]'") from error
    return tokenizers

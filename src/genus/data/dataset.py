"""Dataset: examples of a space, in three parts, with what they are given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from genus.data.rows import Rows, Subset
from genus.fields import perhaps, shown
from genus.randomness import check_seed, generator
from genus.spaces import Encoded, Ragged, Reals, Sequence, Space, Table, Tokens, infer_space
from genus.spaces.arrays import as_tensor, dtype_name, holds_missing, plain, refuse_infinity, said_of, scalar
from genus.spaces.known import encode_known

CHUNK = 65536  # rows of one read when all of them are passed over


@dataclass(frozen=True)
class Examples:
    """One part of a dataset: n encoded points, and what each is given and labelled.

    `points` is a tensor (n, *shape), a Ragged, or rows on disk; all are read by slice or by a tensor of indices.
    `given` is what a conditional model learns with; `labels` (names of classes) are for pictures and classifiers only.
    """

    space: Space
    points: Any
    given_space: Space | None = None
    given: Tensor | None = None
    labels: Tensor | None = None

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int | slice | Tensor) -> Examples:
        """The examples of a slice or of a tensor of indices; of a number, that one alone."""
        if isinstance(index := scalar(index), int):
            if not -len(self) <= index < len(self):
                raise IndexError(f"example {index} was asked for, but there are {len(self)}, numbered from 0")
            index = slice(index, index + 1 or None)
        points = Subset(self.points, index) if isinstance(self.points, Rows) and isinstance(index, Tensor) else self.points[index]
        pick = lambda part: None if part is None else part[index]  # noqa: E731
        return replace(self, points=points, given=pick(self.given), labels=pick(self.labels))

    def batch(self, index: slice | Tensor) -> tuple[Encoded, Tensor | None]:
        """Encoded points and the features of what they are given."""
        if isinstance(index, Tensor) and isinstance(self.points, Tensor):
            # row by row: points[index] looks at every number, ten times slower
            x = self.points.index_select(0, index.to(self.points.device))
        else:
            x = self.points[index]
        if self.given is None or self.given_space is None:
            return x, None
        return x, self.given_space.features(self.given[index])

    def batches(self, size: int = CHUNK) -> Iterator[tuple[Encoded, Tensor | None]]:
        """All examples in order, `size` at a time."""
        for start in range(0, len(self), size):
            yield self.batch(slice(start, start + size))

    def with_labels_given(self, space: Space | None = None) -> Examples:
        """The same examples with their labels as what they are given; `space` of those of all parts."""
        if self.labels is None:
            raise ValueError("given=True means the labels of the data, but they have none; pass given=values")
        space = space or Table.of_values(self.labels)
        return replace(self, given_space=space, given=space.encode(self.labels))

    @property
    def x(self) -> Encoded:
        """All encoded points, in memory."""
        return self.points[0 : len(self)]

    @property
    def raw(self) -> Any:
        """All points as the kind of thing the data were: tensor, DataFrame, list of strings."""
        return self.space.decode(self.x)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy as np

        return np.asarray(self.x, dtype=dtype)

    def __repr__(self) -> str:
        return f"Examples({len(self)} of {self.space!r})"


@dataclass(frozen=True)
class Dataset:
    """Examples of a space in three parts: `train`, `valid` (may be empty) and `test` (may be empty)."""

    train: Examples
    valid: Examples
    test: Examples
    name: str = "data"
    classes: tuple[str, ...] = ()  # names of the labels 0, 1, ...
    entropy: float | None = None  # of the true distribution in nats, where it is known
    sample_rate: int | None = None  # of recordings, in hertz

    @property
    def space(self) -> Space:
        return self.train.space

    @property
    def given(self) -> Tensor | None:
        return self.train.given

    @property
    def held_out(self) -> Examples:
        """What a model is asked about: the test part, or what there is."""
        return self.test if len(self.test) else self.train

    def __len__(self) -> int:
        return len(self.train) + len(self.valid) + len(self.test)

    def __repr__(self) -> str:
        parts = f"train {len(self.train)}, valid {len(self.valid)}, test {len(self.test)}"
        return f"Dataset({self.name}: {self.space!r}; {parts})"

    @classmethod
    def of(
        cls,
        data: Any,
        given: Any = None,
        *,
        space: Space | None = None,
        labels: Any = None,
        classes: tuple[str, ...] = (),
        split: tuple[float, float, float] = (0.8, 0.1, 0.1),
        seed: int = 0,
        tokenizer: str = "characters",
        name: str = "data",
    ) -> Dataset:
        """A dataset of raw data, split at random by `seed` into train, valid and test of the shares `split`.

        `data`: array, tensor, DataFrame, list of strings, list of ragged arrays, or `Rows` on disk. `given`: one
        condition an example (list, array or DataFrame), or the names of columns of a DataFrame. `space`: what a point
        is, when the guess would be wrong. A single text is split by position. Raises ValueError or TypeError.
        """
        check_split(split)
        whole = examples_of(data, given, space=space, labels=labels, tokenizer=tokenizer)
        if isinstance(whole.points, Ragged) and len(whole) == 1 and isinstance(whole.space, Tokens):
            train, valid, test = _split_text(whole, split)
            return cls(train, valid, test, name, classes)
        n = len(whole)
        n_test, n_valid = (round(n * share) for share in (split[2], split[1]))
        if n - n_test - n_valid < 1:
            n_test = n_valid = 0
        order = torch.randperm(n, generator=generator(check_seed(seed), "split"))
        cuts = (order[n_test + n_valid :], order[n_test : n_test + n_valid], order[:n_test])
        # sorted, so that parts of a file are read in its order
        train, valid, test = (whole[index.sort().values] for index in cuts)
        return cls(train, valid, test, name, classes)

    @classmethod
    def of_parts(cls, train: Any, test: Any, valid: Any = None, **options: Any) -> Dataset:
        """A dataset whose parts somebody else has split: each a raw array, or (raw, labels)."""
        space, classes = options.pop("space", None), options.pop("classes", ())
        name, entropy = options.pop("name", "data"), options.pop("entropy", None)
        parts: list[Examples] = []
        for part in (train, valid, test):
            raw, labels = part if isinstance(part, tuple) else (part, None)
            if raw is None:
                parts.append(parts[0][0:0])
                continue
            first = parts[0] if parts else None
            shared = {"space": first.space, "given_space": first.given_space} if first else {"space": space}
            parts.append(examples_of(raw, labels=labels, **shared, **options))
        return cls(parts[0], parts[1], parts[2], name, classes, entropy)

    @classmethod
    def from_batches(cls, batches: Iterable[Any], given: Any = None, **options: Any) -> Dataset:
        """A dataset of a stream of arrays (batch, *shape), laid down in the cache, so that it may be larger than memory.

        `options` are those of `Dataset.of`. Raises ValueError for an empty stream and batches unlike the first.
        """
        from genus.data.cache import spool

        return cls.of(spool(batches), given, **options)

    def lying_in(self, kinds: tuple[type[Space], ...]) -> Dataset:
        """The same data in a space of one of these kinds, where an array of them is in one: rows of numbers as sequences of one
        length, of whole numbers as tokens. Else as they are."""
        parts = (self.train, self.valid, self.test)
        if isinstance(self.space, (*kinds, Table)) or not isinstance(self.train.points, Tensor):
            return self
        raw = torch.cat([part.raw for part in parts])
        space = infer_space(raw, kinds)
        if not isinstance(space, kinds):
            return self
        points = space.encode(raw).split([len(part) for part in parts])  # type: ignore[union-attr]
        train, valid, test = (replace(part, space=space, points=x) for part, x in zip(parts, points, strict=True))
        return replace(self, train=train, valid=valid, test=test)

    def with_labels_given(self) -> Dataset:
        """The same data with their labels as what they are given."""
        parts = (self.train, self.valid, self.test)
        labels = [part.labels for part in parts if part.labels is not None]
        if not labels:
            raise ValueError(f"given=True means the labels of the data, but {self.name} has none; pass given=values")
        space = Table.of_values(torch.cat(labels))
        train, valid, test = (part.with_labels_given(space) for part in parts)
        return replace(self, train=train, valid=valid, test=test)


def examples_of(
    data: Any,
    given: Any = None,
    *,
    space: Space | None = None,
    given_space: Space | None = None,
    labels: Any = None,
    accepts: tuple[type[Space], ...] | None = None,
    tokenizer: str = "characters",
    holes: bool = False,
) -> Examples:
    """Raw data as Examples, all checked; see Dataset.of. holes: whether NaN may stand among whole numbers (`encode_known`)."""
    if not isinstance(space, Space | None):
        raise TypeError(
            f"space: is of type {type(space).__name__}, but must be a space; pass one, such as genus.Reals(2), or leave it out"
        )
    if given is not None and _names_columns(data, given):
        names = [given] if isinstance(given, str) else list(given)
        for name in names:
            if name not in data.columns:
                raise ValueError(f"given: no column of the data is called {name!r}{perhaps(name, data.columns)}")
        data, given = data.drop(columns=names), data[names]
    if isinstance(data, Rows):
        points: Any = data
        space = space or Reals(data.shape[1:], str(data.dtype))
        for start in range(0, len(data), CHUNK):
            refuse_infinity(data[start : start + CHUNK], str(data.path))
    else:
        space = space or infer_space(data, accepts, tokenizer)
        points = encode_known(space, data) if holes else space.encode(data)
    if not len(points):
        raise ValueError("data: is empty; pass at least one example")
    if given is not None:
        with said_of("given"):
            given_space = given_space or condition_space(given)
            given = given_space.encode(given)
        if len(given) != len(points):
            raise ValueError(f"given: has {len(given)} rows, but the data have {len(points)}; pass one for each example")
    if labels is not None:
        labels = as_tensor(labels, "labels")
        if holds_missing(labels):
            row = int(labels.isnan().nonzero()[0, 0])
            raise ValueError(f"labels: row {row} has no label; drop the row, or number its class")
        if len(labels) != len(points):
            raise ValueError(f"labels: has {len(labels)} rows, but the data have {len(points)}; pass one for each example")
    return Examples(space, points, given_space if given is not None else None, given, labels)


def condition_space(given: Any) -> Space:
    """The space of conditions: Table of a DataFrame, of plain labels or of texts (n, 1), Reals of an array of rows."""
    if type(given).__name__ == "DataFrame":
        return Table.of(given)
    if isinstance(given, str) or not hasattr(given, "__len__"):
        raise TypeError(f"given={shown(given)} is one value; pass one condition for each example")
    given = plain(given, "given")
    if len(given) and getattr(given, "ndim", 0) == 2 and given.shape[1] == 1 and isinstance(given[0, 0], str):
        return Table.of_values(given)
    if len(given) and not hasattr(given[0] if isinstance(given, list | tuple) else None, "__len__"):
        if getattr(given, "ndim", 1) == 1:
            return Table.of_values(given)
    elif len(given) and isinstance(given[0], str):
        return Table.of_values(given)
    return infer_space(given)


def _names_columns(data: Any, given: Any) -> bool:
    if type(data).__name__ != "DataFrame":
        return False
    return isinstance(given, str) or (
        isinstance(given, list | tuple) and all(isinstance(g, str) for g in given) and len(given) < len(data)
    )


def check_split(split: tuple[float, float, float]) -> None:
    """Raise ValueError for what are no shares of train, valid and test."""
    try:
        wrong = len(split) != 3 or min(split) < 0 or not 0.999 < sum(split) < 1.001 or split[0] == 0
    except TypeError:  # no numbers
        wrong = True
    if wrong:
        raise ValueError(f"split={shown(split)} must be three shares that add up to 1, train's above 0")


def _split_text(whole: Examples, split: tuple[float, float, float]) -> list[Examples]:
    """One long text, cut by position: what comes later is held out."""
    tokens = whole.points[0]
    assert isinstance(whole.space, Tokens)
    old = whole.space
    space = Tokens(None if old.tokenizer else old.vocabulary, tokenizer=old.tokenizer, dtype=dtype_name(old.dtype))
    tokens = tokens[tokens < space.vocabulary]  # one endless text has no end token
    first, second = (int(len(tokens) * share) for share in (split[0], split[0] + split[1]))
    return [Examples(space, Ragged.of([part]) if len(part) else Ragged.of([]), None) for part in
            (tokens[:first], tokens[first:second], tokens[second:])]  # fmt: skip


def fit_space(examples: Examples) -> Space:
    """The space of examples with its standardisation learned from them."""
    return examples.space.fit(x for x, _ in examples.batches())


def missing_values(examples: Examples) -> bool:
    """Whether any value is missing (NaN), streamed."""
    if not isinstance(examples.space, Reals | Table | Sequence):
        return False
    for x, _ in examples.batches():
        values = x.values if isinstance(x, Ragged) else x
        if holds_missing(values):
            return True
    return False

"""Features: what the yardsticks that compare points look at, one row of numbers a point.

Vectors, images and tables are their own (standardised) numbers. Sequences of different lengths become frequencies: of
tokens and pairs of tokens, or moments along time. Yardsticks on features see what the features see; the report says which.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from genus.data import Examples
from genus.randomness import generator, randomness
from genus.spaces import Encoded, Ragged, Space, Tokens
from genus.spaces.arrays import holds_missing

PIECE = 256  # tokens of an endless text that are one example
BUCKETS = 256  # frequencies of pairs of tokens, and of tokens beyond as many, are hashed into this many
WIDEST = 256  # features beyond this many are taken to their principal components,
COMPONENTS = 64  # as many as this, and how far off them a point lies


def features_of(space: Space, x: Encoded, with_missing: bool | None = None) -> np.ndarray:
    """Encoded points as (n, features), float64; an endless text is cut into pieces, each a row.

    with_missing: whether columns say where a number is missing; None: if any is.
    """
    if isinstance(space, Tokens):
        sequences = pieces(x) if endless(space) else list(x)
        if not space.ragged and space.dims * space.n_symbols <= 4 * WIDEST:
            return space.features(x).flatten(1).double().numpy()  # type: ignore[arg-type]
        return np.stack([_frequencies(s, space.n_symbols) for s in sequences])
    if isinstance(x, Ragged):
        steps = space.item.features(x.values).reshape(len(x.values), math.prod(space.feature_shape))  # type: ignore[attr-defined]
        steps = steps.double().nan_to_num()  # a missing number is the mean
        return np.stack([_moments(s.numpy()) for s in Ragged(steps, x.offsets)])
    rows = np.nan_to_num(space.features(x).reshape(len(x), -1).double().numpy())  # a missing number is the mean
    if holds_missing(x) if with_missing is None else with_missing:
        rows = np.concatenate([rows, torch.isnan(x.reshape(len(x), -1)).double().numpy()], 1)
    return rows


def features_of_both(space: Space, first: Encoded, second: Encoded) -> tuple[np.ndarray, np.ndarray]:
    """The features of two sets, in the same columns."""
    with_missing = any(isinstance(x, Tensor) and holds_missing(x) for x in (first, second))
    return features_of(space, first, with_missing), features_of(space, second, with_missing)


def narrowed(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wide features of two sets as their common principal components and the distance to the plane of these."""
    if a.shape[1] <= WIDEST:
        return a, b
    both = np.concatenate([a, b])
    both = both - both.mean(0)
    with randomness(0, "principal components"):
        _, _, axes = torch.svd_lowrank(torch.from_numpy(both), q=COMPONENTS, niter=4) if len(both) > COMPONENTS else _svd(both)
    axes = axes.numpy()  # (features, components)
    scores = both @ axes
    off = np.sqrt(np.maximum((both**2).sum(1) - (scores**2).sum(1), 0))[:, None]
    scores = np.concatenate([scores, off], 1)
    return scores[: len(a)], scores[len(a) :]


def some(examples: Examples, most: int, seed: int, stream: str) -> Encoded:
    """At most so many of the examples, chosen by `seed`, in their order."""
    n = len(examples)
    if n <= most:
        return examples.batch(slice(0, n))[0]
    return examples.batch(torch.randperm(n, generator=generator(seed, stream))[:most].sort().values)[0]


def endless(space: Space) -> bool:
    """Whether points are stretches of one text, without ends of their own."""
    return isinstance(space, Tokens) and space.ragged and not space.ends


def pieces(x: Encoded, length: int = PIECE) -> list[Tensor]:
    """Long sequences cut into pieces of one length; what is left over of each is dropped, unless it is all there is."""
    found: list[Tensor] = []
    for sequence in x:
        whole = len(sequence) // length
        found += list(sequence[: whole * length].split(length)) if whole else [sequence]
    return found


def _frequencies(tokens: Tensor, n_symbols: int) -> np.ndarray:
    """Length, frequencies of tokens, frequencies of (hashed) pairs of tokens."""
    s = tokens.numpy().astype(np.int64)
    single = np.bincount(s % BUCKETS, minlength=min(n_symbols, BUCKETS)).astype(float)
    pairs = np.bincount((s[:-1] * 40503 + s[1:] * 9973) % BUCKETS, minlength=BUCKETS).astype(float)
    return np.concatenate([[np.log1p(len(s))], single / max(len(s), 1), pairs / max(len(s) - 1, 1)])


def _moments(steps: np.ndarray) -> np.ndarray:
    """Length; mean, spread, ends and mean absolute step of each coordinate along time."""
    if not len(steps):
        return np.zeros(1 + 5 * steps.shape[1])
    change = np.abs(np.diff(steps, axis=0)).mean(0) if len(steps) > 1 else np.zeros(steps.shape[1])
    return np.concatenate([[np.log1p(len(steps))], steps.mean(0), steps.std(0), steps[0], steps[-1], change])


def _svd(both: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
    u, s, vh = torch.linalg.svd(torch.from_numpy(both), full_matrices=False)
    return u, s, vh.mT

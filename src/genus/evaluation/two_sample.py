"""The classifier two-sample test: can a classifier tell generated from real?

A classifier is trained to tell two sets apart and scored on points it has not seen, by the area under its ROC curve
(AUC): the probability that it finds a generated point more suspicious than a real one. 0.5 is a coin: nothing it can
see tells them apart; 1 is certainty. Real against real is the baseline that no honest model undercuts.

A copy that is scored leaves its twin of the other class among what was learned from, so that perfect copies would get far
less than 0.5. Twins therefore go into one fold; but only as many as there are beyond chance, as discrete data have equal rows
anyway. Of two independent sets of n rows, with m_v and k_v rows of the value v and t_v = m_v + k_v,

    E (m_v - k_v)^2 = t_v (2n - t_v) / (2n - 1),   to which a pair of twins adds nothing, while it adds 2 to t_v

so that half of what is lacking in the sum over v is their number.

The standard error is DeLong's, which takes the classifiers as given. Those of k folds share most of what they learned from,
and err together: the variance is 1 + k n_test / n_train = 1 + k / (k - 1) times as large (Nadeau & Bengio 2003).

Lopez-Paz & Oquab 2017, arXiv:1610.06545; Friedman 2003; DeLong, DeLong & Clarke-Pearson 1988.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from genus.evaluation.features import narrowed
from genus.randomness import key

ROWS = 2000  # of a side, at most
FEWEST = 10
FOLDS = 4


@dataclass(frozen=True)
class TwoSample:
    """Result of a classifier two-sample test: AUC, its standard error, points of a side."""

    auc: float
    standard_error: float
    n: int


def two_sample_test(real: np.ndarray, generated: np.ndarray, *, seed: int = 0, folds: int = FOLDS) -> TwoSample:
    """How well gradient-boosted trees tell generated rows (n, features) from real ones, by cross-validation.

    Both sides are cut to the same number of rows, 2000 at most. Raises ValueError for fewer than 10 of a side.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import PredefinedSplit, cross_val_predict
    from threadpoolctl import threadpool_limits

    n = min(len(real), len(generated), ROWS)
    if n < FEWEST:
        raise ValueError(f"a two-sample test needs at least {FEWEST} points of a side, not {n}; pass more data")
    real, generated = _shuffled(real, seed)[:n], _shuffled(generated, seed)[:n]
    x = np.concatenate(narrowed(real, generated))
    y = np.repeat([0, 1], n)
    state = key(seed, "two sample") % 2**31
    trees = HistGradientBoostingClassifier(
        max_iter=60, learning_rate=0.15, max_leaf_nodes=15, min_samples_leaf=max(2, min(20, n // 10)),
        early_stopping=False, random_state=state,
    )  # fmt: skip
    split = PredefinedSplit(_folds(x, n, folds, state))
    with threadpool_limits(1):  # on so few rows threads wait for each other: 1.1 s instead of 5 on a busy machine
        suspicion = cross_val_predict(trees, x, y, cv=split, method="decision_function")
    auc, error = area_under_curve(suspicion[n:], suspicion[:n])
    return TwoSample(auc, error * math.sqrt(1 + folds / (folds - 1)), n)


def _folds(x: np.ndarray, n: int, folds: int, state: int) -> np.ndarray:
    """The fold of each row (2 n,), of which the first n are real."""
    values, value = np.unique(x + 0.0, axis=0, return_inverse=True)  # -0.0 + 0.0 is 0.0: one zero
    real, generated = (np.bincount(side, minlength=len(values)) for side in (value[:n], value[n:]))
    total = real + generated
    twins = (total * (2 * n - total) / (2 * n - 1) - (real - generated) ** 2).sum() / 2
    originals: list[list[int]] = [[] for _ in values]
    for i in range(n):
        originals[value[i]].append(i)
    with_row, stratum = np.arange(2 * n), np.repeat([0, 1], n)  # the row whose fold each has; what it is: real, generated, both
    for j in range(n, 2 * n):
        if twins > 0 and originals[value[j]]:
            with_row[j] = originals[value[j]].pop()
            stratum[with_row[j]] = 2
            twins -= 1
    heads = np.flatnonzero(with_row == np.arange(2 * n))
    dealt = heads[np.lexsort((np.random.default_rng(state).random(len(heads)), stratum[heads]))]
    fold = np.empty(2 * n, int)
    fold[dealt] = np.arange(len(dealt)) % folds  # as many of each stratum in every fold
    return fold[with_row]


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> tuple[float, float]:
    """P(positive > negative) + P(equal) / 2, and its standard error by DeLong's formula."""
    positive, negative = np.sort(positive), np.sort(negative)
    beaten = _share_below(negative, positive)  # of the negatives, by each positive
    unbeaten = 1 - _share_below(positive, negative)
    auc = float(beaten.mean())
    if min(len(positive), len(negative)) < 2:
        return auc, float("nan")
    return auc, float(np.sqrt(beaten.var(ddof=1) / len(positive) + unbeaten.var(ddof=1) / len(negative)))


def _share_below(others: np.ndarray, values: np.ndarray) -> np.ndarray:
    return (np.searchsorted(others, values, "left") + np.searchsorted(others, values, "right")) / (2 * len(others))


def _shuffled(rows: np.ndarray, seed: int) -> np.ndarray:
    return rows[np.random.default_rng(key(seed, "two sample rows")).permutation(len(rows))]

"""The classifier two-sample test: can a classifier tell generated from real?

A classifier is trained to tell two sets apart and scored on points it has not seen, by the area under its ROC curve
(AUC): the probability that it finds a generated point more suspicious than a real one. 0.5 is a coin: nothing it can
see tells them apart; 1 is certainty. Real against real is the baseline that no honest model undercuts.

Lopez-Paz & Oquab 2017, arXiv:1610.06545; Friedman 2003. Standard error: DeLong, DeLong & Clarke-Pearson 1988.
"""

from __future__ import annotations

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
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
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
    split = StratifiedKFold(folds, shuffle=True, random_state=state)
    with threadpool_limits(1):  # on so few rows threads wait for each other: 1.1 s instead of 5 on a busy machine
        suspicion = cross_val_predict(trees, x, y, cv=split, method="decision_function")
    return TwoSample(*area_under_curve(suspicion[n:], suspicion[:n]), n)


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

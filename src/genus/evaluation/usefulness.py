"""Usefulness: train on synthetic, test on real.

A predictor of one column, trained on synthetic rows, scored on real rows it never saw, beside one trained on as many real
rows. Esteban, Hyland & Ratsch 2017, arXiv:1706.02633.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from genus.fields import perhaps
from genus.randomness import key
from genus.spaces import Table


@dataclass(frozen=True)
class Usefulness:
    """Score on real rows of a predictor trained on synthetic ones, and of one trained on real ones."""

    score: str  # "accuracy" or "R^2"
    synthetic: float
    real: float


def usefulness(space: Table, real: np.ndarray, synthetic: np.ndarray, target: Any, seed: int = 0) -> Usefulness:
    """Scores of predictors of the column `target` of encoded tables (n, columns); rows where it is missing are dropped."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    names = [column.name for column in space.columns]
    if target not in names:
        raise ValueError(f"target={target!r} is no column{perhaps(target, names)}; choose one of {', '.join(map(str, names))}")
    at = names.index(target)
    if len(names) < 2:
        raise ValueError(f"target={target!r} is the only column; there is nothing to predict it from")
    column = space.columns[at]
    real, synthetic = (rows[~np.isnan(rows[:, at])] for rows in (real, synthetic))
    held = len(real) // 2
    n = min(len(real) - held, len(synthetic))
    test, rest = real[:held], real[held:]
    if column.numeric and len(np.unique(test[:, at])) < 2:
        raise ValueError(
            f"target={target!r} is the same in all of the {held} real rows to predict it in, so R^2 is 0 / 0; choose a column that varies"
        )
    make = HistGradientBoostingRegressor if column.numeric else HistGradientBoostingClassifier
    scores = []
    for train in (synthetic[:n], rest[:n] if n else rest):  # where synthetic rows tell nothing, real ones still tell what they can
        others, values = np.delete(train, at, 1), train[:, at]
        if len(np.unique(values)) < 2:  # only one answer was ever seen
            predicted = np.full(held, values[0] if len(values) else np.nan)
        else:
            with threadpool_limits(1):
                predictor = make(random_state=key(seed, "usefulness") % 2**31, early_stopping=False)
                predicted = predictor.fit(others, values).predict(np.delete(test, at, 1))
        truth = test[:, at]
        if column.numeric:
            scores.append(float(1 - ((truth - predicted) ** 2).sum() / ((truth - truth.mean()) ** 2).sum()))
        else:
            scores.append(float((truth == predicted).mean()))
    return Usefulness("R^2" if column.numeric else "accuracy", *scores)

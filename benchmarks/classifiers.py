"""Classifiers beside scikit-learn's, fit and predict of 100 000 labelled points: float64 numbers, and zeros and ones.

Both sides first learn from and predict a few points, so that what they import is not measured. The share of right answers
on the data themselves tells that they learned the same.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.harness import Measured, Row, stopwatch

N, D, CLASSES, BITS, FEW = 100_000, 50, 5, 64, 500


def data(binary: bool) -> tuple[Any, Any]:
    """Points of five classes, and the class of each: (N, D) float64 about a mean, or (N, BITS) uint8 of a rate, of its own."""
    import numpy as np

    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=N)
    if binary:
        rates = 0.3 + 0.4 * rng.random((CLASSES, BITS))
        return (rng.random((N, BITS)) < rates[labels]).astype("uint8"), labels
    return rng.standard_normal((N, D)) + 0.3 * rng.standard_normal((CLASSES, D))[labels], labels


def ours(name: str, binary: bool) -> Measured:
    import genus

    x, labels = data(binary)
    model = getattr(genus, name)()
    model.fit(x[:FEW], labels[:FEW], progress=False).predict(x[:FEW])
    with stopwatch() as clock:
        predicted = model.fit(x, labels, progress=False).predict(x)
    return Measured(N / clock.seconds, {"accuracy": float((predicted == labels).mean())})


def theirs(name: str, binary: bool) -> Measured:
    from sklearn import discriminant_analysis, naive_bayes

    x, labels = data(binary)
    model = getattr(naive_bayes if name.endswith("NB") else discriminant_analysis, name)()
    model.fit(x[:FEW], labels[:FEW]).predict(x[:FEW])
    with stopwatch() as clock:
        predicted = model.fit(x, labels).predict(x)
    return Measured(N / clock.seconds, {"accuracy": float((predicted == labels).mean())})


ROWS = [
    Row(
        name=row,
        what=f"{name}, fit and predict {N // 1000}k x {BITS if binary else D}, {'bits' if binary else 'float64'}, {CLASSES} classes",
        unit="points/s",
        ours=partial(ours, name, binary),
        theirs=partial(theirs, peer, binary),
        peer="scikit-learn",
        needs=("sklearn",),
        target=target,
        agree={"accuracy": 1e-4},
    )
    for row, name, peer, binary, target in (
        ("naive-bayes", "NaiveBayes", "GaussianNB", False, 0.8),
        ("naive-bayes-bits", "NaiveBayes", "BernoulliNB", True, 3.0),
        ("linear-discriminant", "LinearDiscriminant", "LinearDiscriminantAnalysis", False, 1.0),
        ("quadratic-discriminant", "QuadraticDiscriminant", "QuadraticDiscriminantAnalysis", False, 1.0),
    )
]

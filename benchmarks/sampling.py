"""Discrete draws: two million of 100 000 values, beside numpy's Generator.choice, which searches the cumulative sum.

The alias table is made inside what is measured, as numpy's cumulative sum is; both return int64.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Measured, Row, stopwatch

VALUES, DRAWS, REPEATS = 100_000, 2_000_000, 5


def probabilities() -> Any:
    """Zipf's law over values in no order."""
    import numpy as np

    p = 1 / np.arange(1, VALUES + 1)
    return np.random.default_rng(0).permutation(p / p.sum())


def ours() -> Measured:
    from genus.sampling import AliasTable

    p = probabilities()
    with stopwatch() as clock:
        for seed in range(REPEATS):
            draws = AliasTable(p).draw(DRAWS, seed=seed)
    return Measured(REPEATS * DRAWS / clock.seconds, {"mean": float(draws.double().mean())})


def theirs() -> Measured:
    import numpy as np

    p = probabilities()
    with stopwatch() as clock:
        for seed in range(REPEATS):
            draws = np.random.default_rng(seed).choice(VALUES, DRAWS, p=p)
    return Measured(REPEATS * DRAWS / clock.seconds, {"mean": float(draws.mean())})


ROWS = [
    Row(
        name="discrete-draws",
        what=f"{DRAWS // 10**6} million draws of {VALUES} values: alias table beside search of the cumulative sum",
        unit="draws/s",
        ours=ours,
        theirs=theirs,
        peer="numpy",
        target=2.0,
        agree={"mean": 0.01},
    )
]

"""The distance to the fifth nearest of 100 000 points in 8 dimensions, of 5 000 queries, beside the same trees asked directly.

Numbers are standardised here, so the peer is given standardised ones; either tree is grown before the clock starts.
"""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Measured, Row, stopwatch

N, QUERIES, D = 100_000, 5_000, 8


def data() -> tuple[Any, Any]:
    """Points (N, D) and queries of the same normal distribution, each column with mean 0 and variance 1."""
    import numpy as np

    x = np.random.default_rng(0).standard_normal((N + QUERIES, D))
    points, queries = x[:N], x[N:]
    mean, spread = points.mean(0), points.std(0)
    return ((points - mean) / spread).astype("float32"), ((queries - mean) / spread).astype("float32")


def ours() -> Measured:
    import genus

    points, queries = data()
    model = genus.NearestNeighbours(n_neighbors=5).fit(points, progress=False)
    model.score_samples(queries[:10])
    with stopwatch() as clock:
        scores = model.score_samples(queries)
    return Measured(QUERIES / clock.seconds, {"distance": float(-scores.mean())})


def theirs() -> Measured:
    from sklearn.neighbors import NearestNeighbors

    points, queries = data()
    tree = NearestNeighbors(n_neighbors=5).fit(points)
    tree.kneighbors(queries[:10])
    with stopwatch() as clock:
        distances, _ = tree.kneighbors(queries)
    return Measured(QUERIES / clock.seconds, {"distance": float(distances[:, -1].mean())})


ROWS = [
    Row(
        name="neighbours",
        what=f"distance to the fifth nearest of {N // 1000}k points x {D}",
        unit="queries/s",
        ours=ours,
        theirs=theirs,
        peer="scikit-learn",
        needs=("sklearn",),
        target=0.9,
        agree={"distance": 1e-5},
    )
]

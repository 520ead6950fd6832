"""A Gaussian kernel density of 100 000 points in 8 dimensions, asked for 10 000 densities: scipy's bandwidth matrix on
either side (Scott's factor of the full covariance). scipy computes in float64 throughout; genus takes distances in the
precision of the data, where they allow it, and so many exponentials in float32."""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.harness import Measured, Row, stopwatch

N, QUERIES, D = 100_000, 10_000, 8
SCIPYS = 1000  # of the queries, that scipy is timed on


def data(dtype: str) -> tuple[Any, Any]:
    """Points (N, D) of two bananas, and queries of the same kind."""
    import numpy as np

    rng = np.random.default_rng(0)
    x = rng.standard_normal((N + QUERIES, D))
    x[:, 1] += 0.5 * x[:, 0] ** 2
    x[:, 2] += np.sign(x[:, 3]) * 2
    x = x.astype(dtype)
    return x[:N], x[N:]


def ours(dtype: str) -> Measured:
    import genus

    points, queries = data(dtype)
    model = genus.KernelDensity(covariance_type="full").fit(points, progress=False)
    with stopwatch() as clock:
        scores = model.log_likelihood(queries)
    return Measured(
        QUERIES / clock.seconds,
        {"density": float(scores.nats[:SCIPYS].exp().mean()), "log_density": float(scores.nats[:SCIPYS].mean())},
    )


def theirs(dtype: str) -> Measured:
    import numpy as np
    from scipy.stats import gaussian_kde

    points, queries = (part.astype("float64") for part in data(dtype))
    model = gaussian_kde(points.T)
    with stopwatch() as clock:
        density = model(queries[:SCIPYS].T)
    return Measured(SCIPYS / clock.seconds, {"density": float(density.mean()), "log_density": float(np.log(density).mean())})


ROWS = [
    Row(
        name=f"kde-{name}",
        what=f"Gaussian kernel density, {N // 1000}k points x {D}, full covariance, {dtype} data",
        unit="densities/s",
        ours=partial(ours, dtype),
        theirs=partial(theirs, dtype),
        peer="scipy",
        needs=("scipy",),
        target=5.0,
        agree={"density": 1e-4, "log_density": 1e-4},
    )
    for name, dtype in (("f64", "float64"), ("f32", "float32"))
]

"""A mixture of 32 full Gaussians on 200 000 x 16: EM from the same start, for the same number of iterations.

Both sides are measured end to end through their public `fit`, with everything that is not an iteration inside:
checking and standardising the data here, the last E step on either side. tol=0 keeps both from stopping early; the
floor under covariances and the support of small components are off, so that both climb the same likelihood. float32
data gain less here than there: where components are narrow, genus computes in float64 rather than lose digits.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.harness import Measured, Row, stopwatch

N, D, K, ITERATIONS = 200_000, 16, 32, 10


def data(dtype: str) -> tuple[Any, Any]:
    """Points (N, D) of a mixture whose components overlap, and the means (K, D) to start from: K of the points."""
    import numpy as np

    rng = np.random.default_rng(0)
    centres = 1.5 * rng.standard_normal((K, D))
    maps = rng.standard_normal((K, D, D)) / D**0.5
    which = rng.integers(K, size=N)
    x = centres[which] + np.einsum("nij,nj->ni", maps[which], rng.standard_normal((N, D)))
    return x.astype(dtype), x[:K].copy()


def ours(dtype: str) -> Measured:
    import torch

    import genus

    x, means = data(dtype)

    class Started(genus.GaussianMixture):
        """A mixture that starts where it is told, in the coordinates it learns in."""

        def initialise(self, some: torch.Tensor) -> None:
            location, scale = self.fitted_space.location_scale
            self.means = (torch.from_numpy(means) - location) / scale
            self.covariances = torch.diag(1 / scale**2).repeat(K, 1, 1)

    model = Started(n_components=K, max_iter=ITERATIONS, tol=0.0, covariance_floor=0.0, support=0.0)
    with stopwatch() as clock:
        model.fit(x, progress=False)
    return Measured(ITERATIONS / clock.seconds, {"log_likelihood": model.score(x[:20_000])})


def theirs(dtype: str) -> Measured:
    import numpy as np
    from sklearn.mixture import GaussianMixture

    x, means = data(dtype)
    start = {
        "weights_init": np.full(K, 1 / K, dtype), "means_init": means.astype(dtype),
        "precisions_init": np.tile(np.eye(D, dtype=dtype), (K, 1, 1)),
    }  # fmt: skip
    model = GaussianMixture(K, tol=0.0, reg_covar=0.0, max_iter=ITERATIONS, **start)
    with stopwatch() as clock:
        model.fit(x)
    assert model.n_iter_ == ITERATIONS
    return Measured(ITERATIONS / clock.seconds, {"log_likelihood": float(model.score(x[:20_000].astype("float64")))})


ROWS = [
    Row(
        name=f"gmm-{short}",
        what=f"EM of a full mixture, {N // 1000}k x {D}, K={K}, {dtype}",
        unit="iterations/s",
        ours=partial(ours, dtype),
        theirs=partial(theirs, dtype),
        peer="scikit-learn",
        needs=("sklearn",),
        target=4.0,
        agree={"log_likelihood": allowed},
    )
    for short, dtype, allowed in (("f64", "float64", 1e-9), ("f32", "float32", 1e-5))
]

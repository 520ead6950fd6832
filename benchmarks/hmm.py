"""A Gaussian hidden Markov model with 16 full states on items of 8 numbers: Baum-Welch and Viterbi, beside hmmlearn.

Both sides start from the same parameters and are measured end to end through their public methods, checking the data
included. 500 sequences of 200 steps run side by side here; the single sequence of 10 000 steps cannot, and is there to show
that it loses nothing by it. hmmlearn computes in float64 only.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from benchmarks.harness import Measured, Row, stopwatch

D, K, ITERATIONS = 8, 16, 10


def data(n: int, length: int, dtype: str) -> tuple[Any, Any]:
    """n sequences (n, length, D) of states that persist and overlap, and the means (K, D) to start from."""
    import numpy as np

    rng = np.random.default_rng(0)
    transition = 0.3 * rng.dirichlet(np.full(K, 0.5), K) + 0.7 * np.eye(K)
    centres = 0.7 * rng.standard_normal((K, D))
    maps = 0.7 * np.eye(D) + 0.3 * rng.standard_normal((K, D, D))
    z, x = rng.integers(K, size=n), np.empty((n, length, D))
    for t in range(length):
        x[:, t] = centres[z] + np.einsum("nij,nj->ni", maps[z], rng.standard_normal((n, D)))
        z = (transition[z].cumsum(1) < rng.random((n, 1))).sum(1).clip(max=K - 1)
    return x.astype(dtype), centres + 0.1 * rng.standard_normal((K, D))


def ours(n: int, length: int, dtype: str, verb: str) -> Measured:
    import torch

    import genus

    x, means = data(n, length, dtype)
    sequences = list(torch.from_numpy(x))

    class Started(genus.HiddenMarkov):
        """A model that starts where it is told, in the coordinates it learns in."""

        def initialise(self, some: Any) -> None:
            location, scale = self.fitted_space.item.location_scale  # type: ignore[attr-defined]
            self.emissions.means = (torch.from_numpy(means) - location) / scale
            self.emissions.covariances = torch.diag(1 / scale**2).repeat(K, 1, 1)

    iterations = ITERATIONS if verb == "fit" else 1
    model = Started(n_states=K, max_iter=iterations, tol=0.0, smoothing=0.0)
    with stopwatch() as clock:
        model.fit(sequences, progress=False)
    score = {"log_likelihood": model.log_likelihood(sequences).mean}
    if verb == "fit":
        return Measured(iterations / clock.seconds, score)
    with stopwatch() as clock:
        states = model.states(sequences)
    return Measured(n * length / clock.seconds, {"share": float((torch.cat(states) == 0).double().mean())})


def theirs(n: int, length: int, dtype: str, verb: str) -> Measured:
    import numpy as np
    from hmmlearn.hmm import GaussianHMM

    x, means = data(n, length, dtype)
    x, lengths = x.reshape(-1, D).astype("float64"), [length] * n
    iterations = ITERATIONS if verb == "fit" else 1
    model = GaussianHMM(K, "full", n_iter=iterations, tol=-np.inf, init_params="", min_covar=0, covars_prior=0, covars_weight=0)
    model.startprob_, model.transmat_ = np.full(K, 1 / K), np.full((K, K), 1 / K)
    model.means_, model.covars_ = means, np.tile(np.eye(D), (K, 1, 1))
    with stopwatch() as clock:
        model.fit(x, lengths)
    if verb == "fit":
        return Measured(iterations / clock.seconds, {"log_likelihood": float(model.score(x, lengths)) / n})
    with stopwatch() as clock:
        states = model.predict(x, lengths)
    return Measured(n * length / clock.seconds, {"share": float((states == 0).mean())})


ROWS = [
    Row(
        name=f"hmm-{name}",
        what=f"{what}, {n} x {length} x {D}, K={K}, {dtype}",
        unit=unit,
        ours=partial(ours, n, length, dtype, verb),
        theirs=partial(theirs, n, length, dtype, verb),
        peer="hmmlearn",
        needs=("hmmlearn",),
        target=target,
        agree=agree,
    )
    for name, what, n, length, dtype, verb, unit, target, agree in (
        ("f64", "Baum-Welch", 500, 200, "float64", "fit", "iterations/s", 8.0, {"log_likelihood": 1e-7}),
        ("f32", "Baum-Welch", 500, 200, "float32", "fit", "iterations/s", 15.0, {"log_likelihood": 1e-5}),
        ("viterbi", "Viterbi", 500, 200, "float64", "states", "items/s", 4.0, {"share": 1e-6}),
        ("single", "Baum-Welch of one sequence", 1, 10_000, "float64", "fit", "iterations/s", 1.0, {"log_likelihood": 1e-7}),
        ("single-viterbi", "Viterbi of one sequence", 1, 10_000, "float64", "states", "items/s", 1.0, {"share": 1e-6}),
    )
]

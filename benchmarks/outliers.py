"""python -m benchmarks.outliers: how well typical points are told from outliers, on seven sets of ADBench.

A model learns from half of the normal points, drawn anew for every seed; all the rest is scored, and the AUROC of minus
the score says how often an outlier is less typical than a normal point. Every model is at its defaults and sees only
normal points: nothing is tuned, neither on the test part nor per set. A column that is constant among the points learned
from has no density and is dropped, for all models alike (these seven sets have none). The sets: Han et al. 2022.
"""

from __future__ import annotations

import argparse
import tempfile
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

import genus
from genus.cli import main as command
from genus.model import HasScore
from genus.registry import name_of

SETS = ("pendigits", "pima", "thyroid", "vowels", "wbc", "wdbc", "wine")
PUBLISHED: dict[type[HasScore], float] = {genus.GaussianMixture: 93.7, genus.KernelDensity: 95.2, genus.NearestNeighbours: 94.8}


def halves(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Half of the normal points; all other points; which of those are outliers."""
    data = genus.load_dataset(f"adbench/{name}", split=(1, 0, 0)).train
    x, outlier = np.asarray(data.raw, dtype=np.float64), np.asarray(data.labels) == 1
    normal = np.random.default_rng(seed).permutation(np.flatnonzero(~outlier))
    learned, scored = normal[: len(normal) // 2], np.setdiff1d(np.arange(len(x)), normal[: len(normal) // 2])
    varies = np.ptp(x[learned], axis=0) > 0
    return x[learned][:, varies], x[scored][:, varies], outlier[scored]


def by_python(cls: type[HasScore], learned: np.ndarray, scored: np.ndarray, seed: int) -> np.ndarray:
    return cls().fit(learned, seed=seed, progress=False).score_samples(scored)


def by_command(cls: type[HasScore], learned: np.ndarray, scored: np.ndarray, seed: int) -> np.ndarray:
    """The same through `genus fit` and `genus score`, by way of files."""
    with tempfile.TemporaryDirectory() as folder:
        train, test, run, scores = (str(Path(folder) / name) for name in ("train.npy", "test.npy", "run", "scores.csv"))
        np.save(train, learned), np.save(test, scored)
        fit = ["fit", name_of(cls), "--data", train, "--split", "1,0,0", "--seed", str(seed), "--run", run]
        for words in (fit, ["score", run, "--data", test, "-o", scores]):
            with redirect_stdout(StringIO()):
                if command(words) != 0:
                    raise RuntimeError(f"genus {' '.join(words)} failed")
        return pd.read_csv(scores).iloc[:, 0].to_numpy()


def table(seeds: int, through: str) -> pd.DataFrame:
    """Mean AUROC in percent over the seeds: a row a set, a column a model, and the spread of the mean of all sets."""
    scores = by_command if through == "command" else by_python
    found = np.empty((len(SETS), len(PUBLISHED), seeds))
    for i, name in enumerate(SETS):
        for seed in range(seeds):
            learned, scored, outlier = halves(name, seed)
            for j, cls in enumerate(PUBLISHED):
                found[i, j, seed] = 100 * roc_auc_score(outlier, -scores(cls, learned, scored, seed))
    columns = [name_of(cls) for cls in PUBLISHED]
    rows = pd.DataFrame(found.mean(2), index=pd.Index(SETS), columns=columns)
    means = found.mean(0)
    rows.loc["mean"] = means.mean(1)
    rows.loc["+- over seeds"] = means.std(1)
    rows.loc["published"] = list(PUBLISHED.values())
    return rows.round(2)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outliers", description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=5, help="splits to average over (default 5)")
    parser.add_argument("--through", choices=("python", "command"), default="python", help="score_samples, or genus score")
    asked = parser.parse_args()
    print(table(asked.seeds, asked.through).to_string())

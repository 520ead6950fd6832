"""Adult, 15 mixed columns with missing cells: fit a mixture, hide a tenth of the known test cells, put them back.

    python -m benchmarks.adult [components]

Numbers: the root mean squared error as a share of that of the column's mean. The others: how often right, beside the
column's most frequent value. Below 1, or above the mode, something was learned of how the columns hang together.
"""

from __future__ import annotations

import sys
import time
from typing import Any

import numpy as np
import pandas as pd

import genus

HIDDEN = 0.1  # of the known test cells


def hide(frame: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The frame with a share of its known cells missing, and which these are."""
    chosen = np.random.default_rng(seed).random(frame.shape) < HIDDEN
    hidden = pd.DataFrame(chosen, frame.index, frame.columns) & frame.notna()
    whole = {name: "Int64" for name in frame if pd.api.types.is_integer_dtype(frame[name].dtype)}
    return frame.astype(whole).mask(hidden), hidden


def judge(filled: pd.DataFrame, test: pd.DataFrame, hidden: pd.DataFrame, train: pd.DataFrame) -> pd.DataFrame:
    """What filling in is worth, column by column: the error or the hits of ours and of the column's mean or mode."""
    rows: list[dict[str, Any]] = []
    for name in test:
        truth, ours = test[name][hidden[name]], filled[name][hidden[name]]
        if pd.api.types.is_numeric_dtype(truth.dtype):
            error = [
                float(((guess - truth.astype(float)) ** 2).mean() ** 0.5) for guess in (ours.astype(float), train[name].mean())
            ]
            rows.append(
                {"column": name, "measure": "RMSE", "mixture": error[0], "mean or mode": error[1], "ratio": error[0] / error[1]}
            )
        else:
            truth, ours = truth.astype(object), ours.astype(object)
            hits = [float((truth == guess).mean()) for guess in (ours, train[name].mode()[0])]
            rows.append(
                {"column": name, "measure": "right", "mixture": hits[0], "mean or mode": hits[1], "ratio": hits[0] / hits[1]}
            )
    return pd.DataFrame(rows).set_index("column")


def main(n_components: int) -> None:
    data = genus.load_dataset("adult")
    start = time.process_time()
    model = genus.Mixture(n_components=n_components).fit(data)
    print(f"fitted {n_components} components to {len(data.train)} rows in {time.process_time() - start:.0f} s of processor time")
    independent = genus.Mixture(n_components=1).fit(data, progress=False)
    print(f"test: {model.log_likelihood(data.test)}; independent columns {independent.log_likelihood(data.test).mean:.2f}")
    test = data.test.raw
    holes, hidden = hide(test)
    print(judge(model.impute(holes), test, hidden, data.train.raw).round(3).to_string())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)

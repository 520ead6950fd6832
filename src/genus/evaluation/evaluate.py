"""evaluate: any tool's synthetic data against real data.

Everything is measured twice: synthetic against real, and held-out real against real, which is what perfect data would
get. A number means little without that second one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genus.data import Dataset, Examples, load_dataset
from genus.data.readers import read
from genus.evaluation.coverage import NEIGHBOURS, coverage
from genus.evaluation.features import features_of_both, narrowed, pieces
from genus.evaluation.marginals import column_distances, correlation_difference
from genus.evaluation.memorisation import memorisation
from genus.evaluation.two_sample import FEWEST, ROWS, two_sample_test
from genus.evaluation.usefulness import usefulness
from genus.files import json_values
from genus.probability.kernels import mmd
from genus.probability.transport import frechet_distance, sliced_wasserstein
from genus.randomness import check_seed, generator
from genus.spaces import Encoded, Ragged, Space, Table, Tokens, infer_space
from genus.spaces.arrays import scalar
from genus.warn import warn

COPIED = 50_000  # rows looked through for exact copies


@dataclass(frozen=True)
class Evaluation:
    """Measures of synthetic data, each beside what real data get; for tables, the columns too."""

    measures: list[dict[str, Any]]  # name, value, real (the same of held-out real data), standard_error, meaning
    columns: list[dict[str, Any]] = field(default_factory=list)
    n_real: int = 0
    n_synthetic: int = 0
    pictured: tuple[Space, Any, Any] | None = None  # the space, and some real and synthetic points for the report

    @property
    def frame(self) -> Any:
        """The measures as a DataFrame: measure, value, standard_error, real, meaning."""
        import pandas as pd

        return pd.DataFrame(self.measures)

    @property
    def column_frame(self) -> Any:
        """Of tables: a row a column, with its distance."""
        import pandas as pd

        return pd.DataFrame(self.columns)

    def __getitem__(self, name: str) -> float:
        """The value of a measure, as in result["auc"]."""
        for row in self.measures:
            if row["measure"] == name:
                return row["value"]
        raise KeyError(f"no measure is called {name!r}; there are {', '.join(row['measure'] for row in self.measures)}")

    @property
    def told_copies(self) -> str:
        """How many synthetic examples are copies of real ones, in words; empty if none is."""
        looked_at = min(self.n_synthetic, COPIED)
        n = round(self["copies"] * looked_at)
        among = f" of the first {looked_at:,}" if looked_at < self.n_synthetic else ""
        return f"; {n:,}{among} {'is an exact copy of a real one' if n == 1 else 'are exact copies of real ones'}" if n else ""

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON values; an infinite number is the string "Infinity" or "-Infinity"."""
        counts = {"n_real": self.n_real, "n_synthetic": self.n_synthetic}
        return json_values({**counts, "measures": self.measures, "columns": self.columns})

    def save(self, path: str | Path, title: str | None = None) -> Path:
        """Write the report, one HTML file; returns its path. Raises ValueError for another suffix."""
        from genus.evaluation.evaluation_report import evaluation_report
        from genus.evaluation.page import write_page

        return write_page(path, lambda: evaluation_report(self, title))

    def __repr__(self) -> str:
        number = lambda v: "-" if v is None or v != v else f"{v:.4f}"  # noqa: E731
        lines = [f"{self.n_synthetic} synthetic rows beside {self.n_real} real ones{self.told_copies}", ""]
        lines.append(f"{'measure':<24}{'synthetic':>10}{'real':>10}  meaning")
        lines += [f"{m['measure']:<24}{number(m['value']):>10}{number(m['real']):>10}  {m['meaning']}" for m in self.measures]
        if self.columns:
            lines += ["", f"{'column':<24}{'distance':>10}{'real':>10}  measure"]
            lines += [f"{c['column']!s:<24}{c['distance']:>10.4f}{c['real']:>10.4f}  {c['measure']}" for c in self.columns]
        return "\n".join(lines)


def evaluate(real: Any, synthetic: Any, *, target: Any = None, seed: int = 0) -> Evaluation:
    """Synthetic data of any tool against the real data they should be like.

    real, synthetic: arrays, DataFrames, lists of strings, images, ragged lists, a Dataset (its train part), or paths of
    files. target: a column of a table that others predict; a predictor trained on synthetic rows is then scored on real
    ones. Raises ValueError or TypeError for data that are not of one kind, and for fewer than 20 real or 10 synthetic.
    """
    seed = check_seed(seed)
    space, x, s = _encoded(_raw(real, "real"), _raw(synthetic, "synthetic"))
    if len(x) < 2 * FEWEST or len(s) < FEWEST:
        raise ValueError(
            f"evaluate needs at least {2 * FEWEST} real and {FEWEST} synthetic examples, not {len(x)} and {len(s)}; pass more"
        )
    if target is not None and not isinstance(space, Table):
        raise ValueError(f"target={target!r} names a column of a table, and these data are {space!r}; leave target out")
    x, s = _shuffled(x, seed, "real"), _shuffled(s, seed, "synthetic")
    # the reference, real data held out from it, and as many synthetic
    n = min(ROWS, len(x) // 2, len(s))
    reference, held_out, drawn = x[: len(x) - n][:ROWS], x[len(x) - n :], s[:n]
    a, b = features_of_both(space, reference, drawn)
    a_, h = features_of_both(space, reference, held_out)
    measures = [*_likeness(a, b, a_, h, space, held_out, drawn, seed), *_copies(space, x, s)]
    columns: list[dict[str, Any]] = []
    if isinstance(space, Table):
        columns = column_distances(space, reference.numpy(), drawn.numpy())  # type: ignore[union-attr]
        usual = column_distances(space, reference.numpy(), held_out.numpy())  # type: ignore[union-attr]
        columns = [{**row, "real": other["distance"]} for row, other in zip(columns, usual, strict=True)]
        mean = lambda rows: float(np.mean([row["distance"] for row in rows]))  # noqa: E731
        measures.append(
            _measure("column_distance", mean(columns), mean(usual), "mean distance of a column's distributions; 0 is equal")
        )
        if len(space.columns) > 1:
            measures.append(
                _measure(
                    "correlation_difference",
                    correlation_difference(a, b),
                    correlation_difference(a_, h),
                    "mean difference of the correlations of pairs; 0 is equal",
                )
            )
    if target is not None:
        assert isinstance(space, Table)
        useful = usefulness(space, x.numpy(), s.numpy(), target, seed)  # type: ignore[union-attr]
        measures.append(
            _measure(
                "usefulness",
                useful.synthetic,
                useful.real,
                f"{useful.score} on real rows of a predictor of {target} trained on them",
            )
        )
    return Evaluation(measures, columns, len(x), len(s), (space, x[:ROWS], s[:ROWS]))


def _likeness(
    a: np.ndarray, b: np.ndarray, a_: np.ndarray, h: np.ndarray, space: Space, held_out: Encoded, drawn: Encoded, seed: int
) -> list[dict[str, Any]]:
    """Measures of synthetic b against reference a, and of held-out real h against the same."""
    test, usual = two_sample_test(a, b, seed=seed), two_sample_test(a_, h, seed=seed)
    a, b = narrowed(a, b)
    a_, h = narrowed(a_, h)
    found = [
        _measure("auc", test.auc, usual.auc, "of a classifier that tells them from real; 0.5 is not at all", test.standard_error)
    ]
    if min(len(a), len(b)) > NEIGHBOURS:
        here, there = coverage(a, b), coverage(a_, h)
        found += [
            _measure("precision", here.precision, there.precision, "share of synthetic among the real; 1 is faithful"),
            _measure("recall", here.recall, there.recall, "share of real among the synthetic; 1 is diverse"),
            _measure("density", here.density, there.density, "how thick the real are around the synthetic; about 1 is faithful"),
            _measure("coverage", here.coverage, there.coverage, "share of real with a synthetic neighbour; 1 is diverse"),
        ]
    pairs = (
        ("sliced_wasserstein", sliced_wasserstein, "mean transport distance along directions; 0 is equal"),
        ("kernel_mmd", mmd, "squared kernel distance; 0 is equal"),
        ("frechet_distance", frechet_distance, "squared, of fitted normals on the data's features; 0 is equal"),
    )
    x, y, x_, z = (torch.as_tensor(points).double() for points in (a, b, a_, h))
    return found + [_measure(name, float(measure(x, y)), float(measure(x_, z)), meaning) for name, measure, meaning in pairs]


def _copies(space: Space, x: Encoded, s: Encoded) -> list[dict[str, Any]]:
    found = memorisation(space, x[:COPIED], s[:COPIED])
    return [
        _measure("copies", found.copies, found.real_copies, "share that is a real row, exactly; of real: another real row"),
        _measure("nearest_ratio", found.nearest_ratio, 1.0, "distance to the nearest real row, real to real being 1; 0 is copied"),
    ]


def _measure(name: str, value: float, real: float, meaning: str, standard_error: float | None = None) -> dict[str, Any]:
    return {"measure": name, "value": value, "standard_error": standard_error, "real": real, "meaning": meaning}


# -- any data ------------------------------------------------------------------------------------------------------


def _raw(data: Any, name: str) -> Any:
    """Raw data of an argument: what it is, or what the file it names holds."""
    if isinstance(data, str | Path):
        data = read(Path(data)).train if data != "" and Path(data).exists() else load_dataset(data)
    if isinstance(data, Dataset):
        data = data.train
    if isinstance(data, Examples):
        data = data.raw
    if data is None or not hasattr(scalar(data), "__len__"):
        raise TypeError(f"{name}: {type(data).__name__} is no data; pass an array, a DataFrame, a list or a path")
    if not len(data):
        raise ValueError(f"{name}: is empty; pass at least {FEWEST} examples")
    return data


def _encoded(real: Any, synthetic: Any) -> tuple[Space, Encoded, Encoded]:
    """Both in one space: that of the real data, or, where synthetic ones do not fit it, of both together."""
    is_frame = [type(d).__name__ == "DataFrame" for d in (real, synthetic)]
    if all(is_frame):
        if missing := [c for c in real.columns if c not in synthetic.columns]:
            raise ValueError(f"synthetic: has no column {missing[0]!r}; the real data have {', '.join(map(str, real.columns))}")
        if extra := [c for c in synthetic.columns if c not in real.columns]:
            told = ", ".join(map(repr, extra))
            warn(f"synthetic: what the real data have no column for is left out: {told}")
        synthetic = synthetic[list(real.columns)]
    elif any(is_frame):
        raise TypeError("real and synthetic: one is a DataFrame and the other is not; pass two of a kind")
    space = infer_space(real)
    try:
        x, s = space.encode(real), space.encode(synthetic)
    except (ValueError, TypeError) as error:
        if isinstance(error, TypeError) and all(is_frame):  # texts where the real data have numbers
            raise TypeError(f"synthetic: {str(error).removeprefix('data: ')}; make it what the real one is") from error
        both = _joined(real, synthetic)
        if both is None:
            raise ValueError(f"synthetic: is not of the real data's kind: {error}") from error
        space = infer_space(both)
        x, s = space.encode(real), space.encode(synthetic)
    if isinstance(space, Tokens) and space.ragged and min(len(x), len(s)) == 1:  # one long text: its pieces are the examples
        space = Tokens(None if space.tokenizer else space.vocabulary, tokenizer=space.tokenizer)
        x, s = (Ragged.of(pieces([t[t < space.vocabulary] for t in part])) for part in (x, s))
    return space.fit([x]), x, s


def _joined(real: Any, synthetic: Any) -> Any:
    if type(real).__name__ == "DataFrame":
        import pandas as pd

        both = pd.concat([real, synthetic], ignore_index=True)
        for name in both.columns:  # categories of both
            if str(real[name].dtype) == "category":
                both[name] = both[name].astype(object)
        return both
    if isinstance(real, list) and isinstance(synthetic, list):
        return real + synthetic
    a, b = np.asarray(real), np.asarray(synthetic)
    return np.concatenate([a, b]) if a.shape[1:] == b.shape[1:] else None


def _shuffled(x: Encoded, seed: int, stream: str) -> Any:
    order = torch.randperm(len(x), generator=generator(seed, stream))
    return x[order] if isinstance(x, Tensor | Ragged) else x

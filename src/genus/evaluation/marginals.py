"""Column by column: how far the marginal distributions and the correlations of two tables are apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from genus.spaces import Table


def kolmogorov_smirnov(a: np.ndarray, b: np.ndarray) -> float:
    """Largest gap between the two empirical distribution functions, 0 to 1. Kolmogorov 1933; Smirnov 1939."""
    a, b = np.sort(a), np.sort(b)
    both = np.concatenate([a, b])
    return float(np.abs(np.searchsorted(a, both, "right") / len(a) - np.searchsorted(b, both, "right") / len(b)).max())


def total_variation(a: np.ndarray, b: np.ndarray) -> float:
    """Half the sum of differences of the frequencies of values, 0 to 1."""
    values, index = np.unique(np.concatenate([a, b]), return_inverse=True)
    first = np.bincount(index[: len(a)], minlength=len(values)) / len(a)
    second = np.bincount(index[len(a) :], minlength=len(values)) / len(b)
    return float(np.abs(first - second).sum() / 2)


def column_distances(space: Table, real: np.ndarray, synthetic: np.ndarray) -> list[dict[str, Any]]:
    """For each column of encoded tables (n, columns): its kind, measure and distance, with missing values a value."""
    rows = []
    for i, column in enumerate(space.columns):
        a, b = real[:, i], synthetic[:, i]
        gap = abs(np.isnan(a).mean() - np.isnan(b).mean())
        if column.numeric:
            a, b = a[~np.isnan(a)], b[~np.isnan(b)]
            distance = kolmogorov_smirnov(a, b) if len(a) and len(b) else float(len(a) != len(b))  # no values are far from any
            measure = "Kolmogorov-Smirnov"
        else:
            distance = total_variation(np.where(np.isnan(a), -1, a), np.where(np.isnan(b), -1, b))
            measure = "total variation"
        rows.append(
            {"column": column.name, "kind": column.kind, "measure": measure, "distance": distance, "missing_gap": float(gap)}
        )
    return rows


def correlation_difference(real: np.ndarray, synthetic: np.ndarray) -> float:
    """Mean absolute difference of the correlations between pairs of columns, 0 to 2; constant columns are left out."""
    keep = (np.nanstd(real, 0) > 0) & (np.nanstd(synthetic, 0) > 0)
    if keep.sum() < 2:
        return float("nan")
    a, b = (np.corrcoef(np.nan_to_num(x[:, keep]).T) for x in (real, synthetic))
    above = np.triu_indices(int(keep.sum()), 1)
    return float(np.abs(a - b)[above].mean())

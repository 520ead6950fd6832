"""Plots that need matplotlib, the extra genus[plot]. Each returns a matplotlib Figure: `.savefig("file.png")`, or show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genus.forecast import Forecast
from genus.models.classical.probabilistic_pca import ProbabilisticPCA
from genus.sampling import Chains

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float) -> Figure:
    """An empty figure in inches that belongs to no window; ImportError with what to install."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install 'genus[plot]'") from error
    return Figure((width, height), layout="constrained")


def scree_plot(model: Any) -> Figure:
    """How much of the variance each principal component explains, and all up to it: those that the model keeps, and the rest.

    Raises TypeError for a model that is no ProbabilisticPCA, RuntimeError for one that is not fitted. Cattell 1966.
    """
    if not isinstance(model, ProbabilisticPCA):
        raise TypeError(f"model: {type(model).__name__} has no principal components; pass a fitted ProbabilisticPCA")
    kept, dims = model.n_components, model.fitted_space.dims
    share = (model.variances / model.variances.sum()).cpu().numpy()
    number = np.arange(1, dims + 1)
    figure = new_figure(7, 3.6)
    axes: Any = figure.subplots()
    axes.bar(number, share, width=0.7, color=["C0" if i <= kept else "0.8" for i in number])
    axes.plot(number, share.cumsum(), "o-", color="C1", linewidth=1.5, markersize=4 if dims <= 40 else 0)
    axes.text(dims, 0.93, "up to here, together ", color="C1", ha="right", va="top")
    axes.set_xlabel(f"principal component ({kept} of {dims} kept)")
    axes.set_ylabel("share of the variance")
    axes.set_ylim(0, 1.04)
    axes.set_xticks(number[:: 1 + dims // 20])
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def trace_plot(chains: Chains, coordinates: int = 4, max_lag: int = 100) -> Figure:
    """Where each chain was at each step, and how long it remembers: a row for each of the first coordinates.

    On the left the traces, which should be a caterpillar in which no chain stands apart; on the right the autocorrelation of
    each chain, which should fall at once; R-hat and effective sample size above.
    """
    steps, n, *shape = chains.draws.shape
    if steps < 2:
        raise ValueError(f"chains: hold {steps} draws of each chain; a trace needs at least 2")
    draws = chains.draws.reshape(steps, n, -1)[:, :, :coordinates]
    chosen = Chains(draws)
    rhat, ess, memory = chosen.rhat, chosen.ess, chosen.autocorrelation(max_lag).cpu().numpy()
    names = [f"x[{', '.join(map(str, index))}]" if index else "x" for index in np.ndindex(*shape)]
    rows = draws.shape[2]
    figure = new_figure(9, 1 + 1.7 * rows)
    axes: Any = figure.subplots(rows, 2, squeeze=False, sharex="col", width_ratios=(3, 1))
    for row, (trace, correlation) in enumerate(axes):
        for chain in range(n):
            style = {"color": f"C{chain % 10}", "alpha": 0.8 if n <= 10 else 0.3}
            trace.plot(draws[:, chain, row].cpu(), linewidth=0.6, **style)
            correlation.plot(memory[:, chain, row], linewidth=1, **style)
        trace.set_title(f"R-hat {rhat[row]:.3f}, worth {ess[row]:.0f} of {steps * n} draws", loc="left", fontsize=10)
        trace.set_ylabel(names[row])
        trace.margins(x=0)
        correlation.axhline(0, color="0.6", linewidth=0.8)
        correlation.margins(x=0)
        for side in (trace, correlation):
            side.spines[["top", "right"]].set_visible(False)
    axes[0, 1].set_title("autocorrelation", loc="left", fontsize=10)
    axes[-1, 0].set_xlabel("draw")
    axes[-1, 1].set_xlabel("lag")
    return figure


def forecast_plot(series: Any, forecast: Forecast, names: Sequence[str] = ()) -> Figure:
    """The end of a series (t, *item) and where it goes: a row for each number of a step, with the mean and the interval.

    names: of the numbers. Raises ValueError where series and forecast do not fit.
    """
    past = np.asarray(series, dtype=float).reshape(len(series), -1)
    ahead = {what: np.asarray(getattr(forecast, what)).reshape(len(forecast), -1) for what in ("mean", "low", "high")}
    dims = ahead["mean"].shape[1]
    if past.shape[1] != dims:
        raise ValueError(f"series: has {past.shape[1]} numbers a step, but the forecast has {dims}; pass what was forecast")
    shown = past[-max(6 * len(forecast), 30) :]
    before = np.arange(len(past) - len(shown), len(past))
    after = np.arange(len(past), len(past) + len(forecast))
    figure = new_figure(9, 1.2 + 2.2 * dims)
    rows: Any = figure.subplots(dims, 1, squeeze=False, sharex=True)
    for i, axes in enumerate(rows[:, 0]):
        axes.plot(before, shown[:, i], color="0.25", linewidth=1.2, label="the series")
        axes.fill_between(
            after,
            ahead["low"][:, i],
            ahead["high"][:, i],
            color="C0",
            alpha=0.2,
            linewidth=0,
            label=f"{forecast.level:.0%} interval",
        )
        axes.plot(after, ahead["mean"][:, i], color="C0", linewidth=1.6, marker="o" if len(after) == 1 else None, label="forecast")
        axes.set_ylabel(names[i] if i < len(names) else "")
        axes.margins(x=0)
        axes.spines[["top", "right"]].set_visible(False)
    rows[0, 0].legend(loc="lower left", bbox_to_anchor=(0, 1), frameon=False, ncols=3)
    rows[-1, 0].set_xlabel("step")
    return figure

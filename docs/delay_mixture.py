"""The picture of delay_mixture.md: `python docs/delay_mixture.py` (sunspots, a few seconds)."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import genus

FIRST, READ, LAG = 1749, 190, 3  # the first year; years that are read; years between the axes of the cloud


def yearly() -> np.ndarray:
    months = genus.load_dataset("sunspots", split=(1, 0, 0)).train.x[0].numpy()  # 235 whole years
    return months.reshape(-1, 12).mean(1)


def main() -> None:
    x = yearly()
    past, future = x[:READ], x[READ:]
    for n_components in (1, 2):
        model = genus.DelayMixture(delay=9, n_components=n_components, n_init=3).fit([past], progress=False)
        nats = (model.log_likelihood([past]).total - model.log_likelihood([x]).total) / len(future)
        print(f"{n_components} component(s): {nats:.3f} nats a held-out year, each given the years before")
    ahead, path = model.forecast(past, len(future)), model.continuations(past, len(future), seed=2)[0]

    years, then = FIRST + READ + np.arange(len(future)), FIRST + np.arange(READ)
    figure, axes = plt.subplot_mosaic([["whole", "whole"], ["seen", "drawn"]], figsize=(8.2, 7), layout="constrained")
    whole = axes["whole"]
    whole.plot(then[-80:], past[-80:], color="#222222", linewidth=1.4)
    whole.fill_between(years, ahead.low, ahead.high, color="#1b6ca8", alpha=0.15, linewidth=0, label="90 % interval")
    whole.plot(years, ahead.mean, color="#1b6ca8", linewidth=2.2, label="mean")
    whole.plot(years, path, color="#d98c2b", linewidth=1.4, label="one continuation")
    whole.plot(years, future, color="#222222", linewidth=1.4, linestyle=(0, (2, 1)), label="what came")
    whole.set_title("Sunspots a year: read up to 1938, then imagined", loc="left", fontsize=14, weight="bold")
    whole.set_ylim(-45, 265)
    whole.legend(frameon=False, fontsize=10, ncols=4, loc="upper left")

    drawn = model.continuations(past, 2000, seed=0)[0].numpy()
    for name, series, title in (("seen", past, "Years seen"), ("drawn", drawn, "Years drawn, 2000 of them")):
        cloud = axes[name]
        cloud.scatter(series[:-LAG], series[LAG:], s=14 if name == "seen" else 5, alpha=0.7, linewidths=0,
                      color="#222222" if name == "seen" else "#d98c2b")  # fmt: skip
        cloud.set(xlim=(-45, 210), ylim=(-45, 210), xlabel=f"{LAG} years before", ylabel="this year")
        cloud.set_title(title, loc="left", fontsize=12)
    for each in axes.values():
        each.grid(alpha=0.25)
        each.spines[["top", "right"]].set_visible(False)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()

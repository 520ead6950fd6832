"""The picture in docs/densities.md: `python docs/densities.py`."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap, LogNorm
from sklearn.model_selection import KFold, cross_val_score

import genus

MODELS = {
    "histogram, 10 x 10 cells": genus.Histogram(bins=10, factorisation="joint"),
    "kernel density, a bump a point": genus.KernelDensity(bandwidth="likelihood"),
    "mixture of two Gaussians": genus.GaussianMixture(n_components=2),
}
PAPER = LinearSegmentedColormap.from_list("paper", ["#ffffff", "#cfe3f2", "#6aa5cf", "#235a8c", "#0b2540"])


def main() -> None:
    x = genus.load_dataset("faithful", split=(1, 0, 0)).train.raw.to_numpy(dtype=np.float64)
    minutes, wait = np.linspace(1, 5.8, 240), np.linspace(35, 105, 240)
    grid = np.stack(np.meshgrid(minutes, wait), -1).reshape(-1, 2)
    plt.rcParams.update({"font.size": 12, "axes.titlesize": 13, "axes.spines.top": False, "axes.spines.right": False})
    figure, axes = plt.subplots(1, 3, figsize=(12, 4.6), sharey=True, layout="constrained")
    for axis, (name, model) in zip(axes, MODELS.items()):
        left_out = cross_val_score(model, x, cv=KFold(10, shuffle=True, random_state=0), params={"progress": False})
        density = model.fit(x, progress=False).log_prob(grid).exp().numpy().reshape(240, 240)
        picture = axis.pcolormesh(minutes, wait, density, cmap=PAPER, norm=LogNorm(1e-5, 0.06, clip=True), rasterized=True)
        axis.scatter(*x.T, s=7, color="#e4572e", alpha=0.55, linewidths=0)
        axis.set_title(f"{name}\nleft out: {left_out.mean():.2f} nats a point", loc="left")
        axis.set_xlabel("eruption, minutes")
    axes[0].set_ylabel("wait before the next, minutes")
    figure.colorbar(picture, ax=axes, label="density, per minute$^2$", pad=0.01)
    figure.savefig(Path(__file__).with_name("densities.png"), dpi=110)


if __name__ == "__main__":
    main()

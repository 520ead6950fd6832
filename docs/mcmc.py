"""docs/mcmc.png: a random walk with three step sizes and a Hamiltonian trajectory, on the same narrow Gaussian."""

from pathlib import Path

import torch
from matplotlib.figure import Figure
from PIL import Image

from genus.sampling import hamiltonian, metropolis

COVARIANCE = torch.tensor([[1.0, 0.95], [0.95, 1.0]])
PRECISION = COVARIANCE.inverse()
STEPS, SHOWN, LAGS = 1000, 40, 60


def log_density(x):
    return -((x @ PRECISION) * x).sum(1) / 2


def main() -> None:
    start = torch.tensor([[-2.5, 2.5], [2.5, -2.5], [-2.5, -2.5], [2.5, 2.5]])
    runs = {
        "random walk, small steps": metropolis(log_density, start, STEPS, step_size=0.08, num_warmup=0, seed=0),
        "random walk, large steps": metropolis(log_density, start, STEPS, step_size=8.0, num_warmup=0, seed=0),
        "random walk, tuned": metropolis(log_density, start, STEPS, seed=0),
        "Hamiltonian, tuned": hamiltonian(log_density, start, STEPS, seed=0),
    }
    figure = Figure((10, 7.4), layout="constrained")
    axes = figure.subplots(3, len(runs), sharex="row", sharey="row", height_ratios=(2.1, 1, 1))
    grid = torch.linspace(-3.4, 3.4, 120)
    plane = torch.cartesian_prod(grid, grid)
    height = log_density(plane).exp().view(120, 120).T
    for (path, trace, memory), (name, chains) in zip(axes.T, runs.items()):
        path.contour(grid, grid, height, levels=[0.011, 0.135, 0.6], colors="0.75", linewidths=1)
        for chain in range(2):
            x, y = chains.draws[:SHOWN, chain].T
            path.plot(x, y, "o-", color=f"C{chain}", linewidth=0.8, markersize=3, alpha=0.8)
        accepted, rhat, ess = chains.acceptance.mean(), chains.rhat[0], chains.ess[0]
        path.set_title(f"{name}\n{accepted:.0%} accepted, R-hat {rhat:.2f}\nworth {ess:.0f} of {4 * STEPS} draws", fontsize=11)
        path.set(aspect="equal", xlim=(-4.5, 4.5), ylim=(-4.5, 4.5), xticks=(-3, 0, 3), yticks=(-3, 0, 3))
        for chain in range(4):
            trace.plot(chains.draws[:, chain, 0], color=f"C{chain}", linewidth=0.6)
            memory.plot(chains.autocorrelation(LAGS)[:, chain, 0], color=f"C{chain}", linewidth=1.2, alpha=0.8)
        memory.axhline(0, color="0.7", linewidth=0.8)
        trace.set_xlabel("draw")
        memory.set_xlabel("lag")
    axes[0, 0].set_ylabel(f"first {SHOWN} draws of two chains", fontsize=11)
    axes[1, 0].set_ylabel("trace", fontsize=11)
    axes[2, 0].set_ylabel("autocorrelation", fontsize=11)
    for panel in axes.flat:
        panel.spines[["top", "right"]].set_visible(False)
    file = Path(__file__).with_suffix(".png")
    figure.savefig(file, dpi=110)
    Image.open(file).convert("RGB").quantize(64).save(file, optimize=True)  # a third of the bytes, and no eye sees it


if __name__ == "__main__":
    main()

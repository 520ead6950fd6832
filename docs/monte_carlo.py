"""docs/monte_carlo.png: pi from points in a square, and how the error of an expectation falls."""

import math
from pathlib import Path

import torch
from matplotlib.figure import Figure

from genus.sampling import estimate, sample_complexity

SIZES = [10 * 2**k for k in range(14)]


def in_circle(x):
    return 4.0 * (x.square().sum(1) < 1)


def square(n):
    return torch.rand(n, 2)


QUESTIONS = {  # name: f, draws, truth
    "π, points in the square": (in_circle, square, math.pi),
    "E[x⁴] = 3 under a Gaussian": (lambda x: x**4, torch.randn, 3.0),
    "P(x > 2) = 0.0228 under it": (lambda x: (x > 2).double(), torch.randn, 0.0227501319),
}


def main() -> None:
    figure = Figure((11, 4.9), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.25))

    torch.manual_seed(0)
    points = square(2000)
    found = estimate(in_circle, points)
    inside = in_circle(points) > 0
    left.scatter(*points[inside].T, s=5, color="C0", linewidths=0)
    left.scatter(*points[~inside].T, s=5, color="C1", linewidths=0)
    angle = torch.linspace(0, math.pi / 2, 100)
    left.plot(angle.cos(), angle.sin(), color="0.2", linewidth=1.2)
    left.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", xticks=(0, 1), yticks=(0, 1))
    low, high = found.interval(0.95)
    left.set_title(f"4 × {inside.double().mean():.3f} = {found.mean:.3f};  π is in [{low:.3f}, {high:.3f}], says 95 %", fontsize=12)

    for colour, (name, (f, draw, truth)) in enumerate(QUESTIONS.items()):
        curve = sample_complexity(f, draw, truth, SIZES, repeats=200, seed=0)
        right.loglog(curve.sizes, curve.error, "o", color=f"C{colour}", markersize=5, label=f"{name}; slope {curve.slope:.2f}")
        right.loglog(curve.sizes, curve.standard_error, color=f"C{colour}", linewidth=1)
    right.set_xlabel("draws n", fontsize=12)
    right.set_title("root mean square error of 200 estimates, and sd / √n", fontsize=12)
    right.legend(frameon=False, fontsize=11)
    right.spines[["top", "right"]].set_visible(False)
    right.grid(True, color="0.92")
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()

"""The picture of divergences.md: `python docs/divergences.py`, a few seconds."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal

from genus.probability.divergences import kl

TARGET = MixtureSameFamily(Categorical(torch.tensor([0.35, 0.65])), Normal(torch.tensor([-2.5, 2.0]), torch.tensor([0.7, 0.9])))
WIDTH = 0.01
X = torch.arange(-7, 7, WIDTH)
BLUE, ORANGE, GREY = "#0b6e99", "#d9730d", "#222222"


def forward_fit() -> Normal:
    """The least KL(p || q) among normal distributions has the moments of p."""
    return Normal(TARGET.mean, TARGET.stddev)


def reverse_fit(start: float) -> Normal:
    """The least KL(q || p) near a start, by gradient through draws of q (Kingma & Welling 2014)."""
    mean, log_scale = torch.tensor(start, requires_grad=True), torch.tensor(0.0, requires_grad=True)
    optimiser = torch.optim.Adam([mean, log_scale], lr=0.02)
    torch.manual_seed(0)
    for _ in range(600):
        q = Normal(mean, log_scale.exp())
        x = q.rsample((256,))
        loss = (q.log_prob(x) - TARGET.log_prob(x)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return Normal(mean.detach(), log_scale.exp().detach())


def main() -> None:
    fits = {"least KL(p‖q): covers both": (forward_fit(), BLUE, "-"), "least KL(q‖p): keeps to one": (reverse_fit(1.0), ORANGE, "-"),
            "the same, from another start": (reverse_fit(-3.0), ORANGE, (0, (3, 2)))}  # fmt: skip
    plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10.5, 4.4), layout="constrained")
    left.fill_between(X, TARGET.log_prob(X).exp(), color=GREY, alpha=0.15, linewidth=0, label="p, the target")
    for name, (q, colour, style) in fits.items():
        left.plot(X, q.log_prob(X).exp(), color=colour, linestyle=style, linewidth=2.2, label=name)
        one, other = kl(TARGET, q), kl(q, TARGET)
        print(f"{name}: mean {float(q.mean):.2f}, sd {float(q.stddev):.2f}; ", end="")
        print(f"KL(p||q) {one.nats:.3f} +- {one.standard_error:.3f}, KL(q||p) {other.nats:.3f} +- {other.standard_error:.3f}")
    left.set(ylim=(0, 0.85), xlim=(-7, 7), yticks=[], xlabel="x")
    left.spines["left"].set_visible(False)
    left.set_title("One bell for two hills", loc="left", weight="bold")
    left.legend(frameon=False, fontsize=10.5, loc="upper left")

    means = torch.linspace(-4, 4, 300)[:, None, None]
    scales = torch.linspace(0.3, 3.5, 60)[:, None]
    q, log_p = Normal(means, scales).log_prob(X), TARGET.log_prob(X)  # (means, scales, x)
    to_q = (log_p.exp() * (log_p - q)).sum(-1) * WIDTH
    to_p = (q.exp() * (q - log_p)).sum(-1) * WIDTH
    right.plot(means.flatten(), to_q.amin(1), color=BLUE, linewidth=2.2, label="KL(p‖q)")
    right.plot(means.flatten(), to_p.amin(1), color=ORANGE, linewidth=2.2, label="KL(q‖p)")
    right.set(ylim=(0, 1.5), xlabel="mean of q, its width the best", ylabel="nats")
    right.set_title("What each has to lose", loc="left", weight="bold")
    right.legend(frameon=False)
    right.grid(alpha=0.25)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()

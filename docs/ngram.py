"""The picture of ngram.md: `python docs/ngram.py` (tiny Shakespeare, a minute)."""

from pathlib import Path

import matplotlib.pyplot as plt

import genus

NAMES = {
    "modified-kneser-ney": ("modified Kneser-Ney", "#1b6ca8"),
    "kneser-ney": ("Kneser-Ney", "#6fb1dd"),
    "witten-bell": ("Witten-Bell", "#d98c2b"),
    "add-k": ("add-k, k = 0.1", "#b5484b"),
}
ORDERS = range(1, 11)


def main() -> None:
    data = genus.load_dataset("tiny_shakespeare", split=(0.9, 0, 0.1))
    figure, axes = plt.subplots(figsize=(8.2, 4.6), layout="constrained")
    for smoothing, (name, colour) in NAMES.items():
        nats = []
        for order in ORDERS:
            model = genus.NGram(order=order, smoothing=smoothing).fit(data, progress=False)
            nats.append(model.log_likelihood(data.test).nats_per_dim)
            if smoothing == "modified-kneser-ney" and order in (1, 2, 3, 5, 7):
                print(f"--- {order}-gram, {nats[-1]:.4f} nats\n{model.generate('ROMEO:', max_new_tokens=220)}")
        axes.plot(ORDERS, nats, "o-", color=colour, label=name, markersize=5, linewidth=2)
    axes.set_title("Longer memories help, if they know when to forget", loc="left", fontsize=14, weight="bold")
    axes.set_xlabel("order: characters of the longest n-gram", fontsize=12)
    axes.set_ylabel("nats a character, held out", fontsize=12)
    axes.set_xticks(ORDERS)
    axes.tick_params(labelsize=11)
    axes.set_ylim(1.4, 3.45)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=11)
    figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)


if __name__ == "__main__":
    main()

"""The picture of docs/classifiers.md: `GENUS_DATA=... python docs/classifiers.py`, a few minutes."""

from pathlib import Path

import matplotlib.pyplot as plt

import genus

PANELS = (  # title, data, sizes
    ("black-and-white digits, 10 classes", genus.load_dataset("binary_digits"), (20, 40, 80, 160, 320, 640, 1437)),
    ("census income, 2 classes", genus.load_dataset("adult", given="income"), (16, 32, 64, 128, 256, 512, 2048, 8192, 32561)),
)
LOOKS = {"naive-bayes": ("#0b6e99", "naive Bayes (generative)"), "logistic-regression": ("#d9730d", "logistic regression")}

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
for axis, (title, data, sizes) in zip(axes, PANELS):
    frame = genus.compare_classifiers("naive-bayes", data, sizes=sizes, repeats=12)
    print(frame.round(3).to_string())
    for name, (colour, label) in LOOKS.items():
        rows = frame[frame["model"] == name]
        error, spread = 1 - rows["accuracy"], rows["accuracy_error"].fillna(0)
        axis.plot(rows["size"], error, "o-", color=colour, label=label, lw=2, ms=5)
        axis.fill_between(rows["size"], error - spread, error + spread, color=colour, alpha=0.2, lw=0)
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes], fontsize=10)
    axis.minorticks_off()
    axis.set(title=title, xlabel="training examples", ylim=(0.12, None))
    axis.grid(alpha=0.25)
axes[0].set_ylabel("held-out error")
axes[0].legend(frameon=False)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)

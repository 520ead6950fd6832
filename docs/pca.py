"""The picture of docs/pca.md: `python docs/pca.py`."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

import genus
from genus.evaluation.plots import scree_plot

data = genus.load_dataset("iris", split=(1, 0, 0))
x, kind = torch.tensor(data.train.raw.to_numpy()), data.train.labels
model = genus.ProbabilisticPCA(n_components=2).fit(x)
z = model.encode(x)

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
figure, (raw, components, scree) = plt.subplots(1, 3, figsize=(10, 3.7), layout="constrained", width_ratios=(1, 1, 0.8))
for k, name in enumerate(data.classes):
    raw.scatter(*x[kind == k, :2].T, s=14, label=name)
    components.scatter(*z[kind == k].T, s=14)
raw.set(title="two of the four columns", xlabel="sepal length, cm", ylabel="sepal width, cm")
raw.legend(frameon=False, fontsize=10, handletextpad=0.1, loc="upper right")
components.set(title="two components of all four", xlabel="$z_1$", ylabel="$z_2$")
share = (model.variances / model.variances.sum()).tolist()
scree.bar(range(1, 5), share, color=["0.3", "0.3", "0.8", "0.8"], width=0.7)
for number, height in enumerate(share, 1):
    scree.text(number, height + 0.015, f"{height:.1%}", ha="center", fontsize=10)
scree.set(title="share of the variance", xlabel="component", xticks=range(1, 5), ylim=(0, 1.02))
figure.savefig(Path(__file__).with_suffix(".png"), dpi=96, pil_kwargs={"optimize": True})
scree_plot(model)  # the picture on the right, of any model
print(model.components, model.explained_variance_ratio, model.score(x))

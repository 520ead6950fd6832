"""The picture of docs/em.md: `GENUS_DATA=... python docs/em.py`."""

import math
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Ellipse

import genus

SHOWN = (0, 1, 2, 4, 8, 16)  # steps
COLOURS = torch.tensor([[0.043, 0.431, 0.600], [0.851, 0.451, 0.051]], dtype=torch.float64)

x = torch.from_numpy(genus.load_dataset("faithful").train.raw.to_numpy())  # (218, 2)
model = genus.GaussianMixture(n_components=2).fit(x, progress=False)
reached = model.score(x)
z, _ = model.space.standardise(x)
location, scale = model.space.location_scale
model.weights.fill_(0.5)  # forget what was learned: begin again from a start that is wrong
model.means.copy_(torch.tensor([[-1.5, 1.0], [1.5, -1.0]]))
model.covariances.copy_(0.3 * torch.eye(2))

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
figure, axes = plt.subplots(2, 3, figsize=(10, 6.4), sharex=True, sharey=True, layout="constrained")
panels = iter(axes.flat)
for step in range(max(SHOWN) + 1):
    if step in SHOWN:
        axis = next(panels)
        axis.scatter(*x.T, c=(model.responsibilities(x) @ COLOURS).clamp(0, 1), s=12, lw=0)
        for mean, covariance, colour in zip(model.means, model.covariances, COLOURS.tolist()):
            values, vectors = torch.linalg.eigh(scale[:, None] * covariance * scale)
            angle = math.degrees(math.atan2(vectors[1, 1], vectors[0, 1]))
            for deviations in (1, 2):
                width, height = 2 * deviations * values.sqrt().flip(0)
                shape = Ellipse(mean * scale + location, width, height, angle=angle, fill=False, ec=colour, lw=2.4 - deviations / 2)
                axis.add_patch(shape)
        axis.set_title(f"{step} step{'s' * (step != 1)}: {model.score(x):.3f} nats a point")
    model.maximise(model.expect(z))
axes[0, 0].set(xlim=(1, 6), ylim=(36, 102))
figure.supxlabel("minutes an eruption lasts", fontsize=12)
figure.supylabel("minutes to the next", fontsize=12)
figure.savefig(Path(__file__).with_suffix(".png"), dpi=96, pil_kwargs={"optimize": True})
print(f"after {max(SHOWN)} steps {model.score(x):.4f}, fit reached {reached:.4f} nats a point")

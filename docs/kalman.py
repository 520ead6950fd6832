"""The picture of docs/kalman.md: `GENUS_DATA=... python docs/kalman.py`."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch
from matplotlib.patches import Ellipse

import genus

AHEAD = 15  # years


def flights(n: int, steps: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Where n birds are, and where a radar sees them (n, steps, 2): speed changes a little, and the radar is off by much."""
    make = torch.Generator().manual_seed(1)
    speed = torch.randn(n, 1, 2, generator=make) + 0.35 * torch.randn(n, steps, 2, generator=make).cumsum(1)
    path = speed.cumsum(1)
    return path, path + 5 * torch.randn(n, steps, 2, generator=make)


plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", width_ratios=(1.15, 1))

flow = genus.load_dataset("nile", split=(1, 0, 0)).train.x[0].double()  # (100,)
lost = flow.clone()
lost[20:40] = lost[60:80] = torch.nan  # Durbin & Koopman's example
model = genus.LinearDynamicalSystem(latent_dim=1, max_iter=1000).fit([flow], progress=False)
states = model.smooth(lost)
ahead = model.forecast(lost, AHEAD)
year, future = 1871 + torch.arange(len(flow)), 1971 + torch.arange(AHEAD)
reach = 1.645 * states.signal_variance.sqrt()
left.plot(year, flow, "o", color="0.75", markersize=3, mfc="none", label="hidden from the smoother")
left.plot(year, lost, "o", color="0.25", markersize=3, label="flow")
left.plot(year, states.signal, color="C0", label="smoothed, 90 %")
left.fill_between(year, states.signal - reach, states.signal + reach, color="C0", alpha=0.25, lw=0)
left.plot(future, ahead.mean, color="C1", label="forecast, 90 %")
left.fill_between(future, ahead.low, ahead.high, color="C1", alpha=0.25, lw=0)
left.set(title="the Nile at Aswan", ylabel="flow a year, $10^8$ m³", ylim=(400, 1690))
left.legend(frameon=False, fontsize=9.5, ncols=2, loc="upper right")

paths, seen = flights(100)
model = genus.LinearDynamicalSystem(latent_dim=4).fit(seen[1:], progress=False)  # not on the first, which is shown
seen[0, 34:44] = torch.nan
states = model.smooth(seen[0])
right.plot(*seen[0].T, "o", color="0.25", markersize=3)
right.plot(*paths[0].T, color="0.6", lw=4, alpha=0.6, label="true path")
right.plot(*states.signal.T, color="C0", label="smoothed")
for x, variance in zip(states.signal, states.signal_variance):
    right.add_patch(Ellipse(x, *(2 * 1.645 * variance.sqrt()), color="C0", alpha=0.06, lw=0))
right.set(title="a bird on a radar, ten steps lost", xlabel="east", ylabel="north", aspect="equal")
right.legend(frameon=False, fontsize=9.5)
off = lambda x: float((x - paths[0]).square().sum(1).nanmean().sqrt())  # noqa: E731
print(f"root mean square error: radar {off(seen[0]):.2f}, smoothed {off(states.signal):.2f}")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=96, pil_kwargs={"optimize": True})

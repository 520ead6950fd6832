"""The picture of docs/hidden_markov.md: `GENUS_DATA=... python docs/hidden_markov.py`."""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

import genus

AHEAD, COLOURS = 15, ("#d95f02", "#1b7fb5")

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained", width_ratios=(1.15, 1))

flow = genus.load_dataset("nile", split=(1, 0, 0)).train.x[0].double()  # (100,)
model = genus.HiddenMarkov(n_states=2, n_init=5).fit([flow], progress=False)
states, sure = model.states([flow])[0], model.posterior_states([flow])[0]
ahead = model.forecast(flow, AHEAD, n_samples=20_000)
location, scale = model.space.item.location_scale
level = (model.emissions.means * scale + location)[:, 0]
year, future = 1871 + torch.arange(len(flow)), 1971 + torch.arange(AHEAD)
left.plot(year, flow, color="0.8", lw=1, zorder=0)
for number, k in enumerate(level.argsort(descending=True).tolist()):
    here = states == k
    left.plot(year[here], flow[here], "o", color=COLOURS[number], markersize=4)
    left.plot(year[here], level[k].expand(int(here.sum())), color=COLOURS[number], lw=2.5)
left.plot(future, ahead.mean, color="0.35", lw=2)
left.fill_between(future, ahead.low, ahead.high, color="0.35", alpha=0.2, lw=0)
left.annotate("forecast, 90 %", (1986, float(ahead.high[-1])), ha="right", va="bottom", fontsize=10.5, color="0.35")
drop = int(year[1:][states[1:] != states[:-1]][0])
left.set(title=f"the Nile at Aswan: the state changes in {drop}", ylabel="flow a year, $10^8$ m³")
print("years of change:", year[1:][states[1:] != states[:-1]].tolist(), "surest and least sure:", sure.amax(1).aminmax())

raw = genus.load_dataset("tiny_shakespeare").train
text = "".join(c if c.isalpha() else " " for c in raw.raw[0][:40_000].lower())
text = " ".join(text.split())
model = genus.HiddenMarkov(n_states=2, n_init=3, max_iter=300).fit([text], progress=False)
symbols = sorted(set(text))
p = model.emissions.probabilities[:, [int(model.space.encode_prompt(c)[0]) for c in symbols]]
vowels = int(p[:, symbols.index("e")].argmax())
p = p[[vowels, 1 - vowels]]
for number, row in enumerate(p):
    right.bar(range(len(symbols)), row * (1 - 2 * number), color=COLOURS[number], width=0.8)
for i, c in enumerate(symbols):
    right.text(i, 0.42, {" ": "␣"}.get(c, c), ha="center", fontsize=12, color=COLOURS[int(p[:, i].argmax())], family="monospace")
right.axhline(0, color="0.3", lw=0.8)
right.set(title="what two states emit of Shakespeare", ylabel="p(letter | state)", xticks=[], ylim=(-0.22, 0.46))
right.set_yticks([-0.2, 0, 0.2, 0.4], ["0.2", "0", "0.2", "0.4"])
right.spines["bottom"].set_visible(False)
print("transitions:", model.transition_matrix.tolist())
figure.savefig(Path(__file__).with_suffix(".png"), dpi=110)

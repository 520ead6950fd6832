"""The picture of docs/adult.md: `GENUS_DATA=... python docs/adult.py`, half a minute."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import genus

REAL, OURS = "#9aa5ab", "#0b6e99"

data = genus.load_dataset("adult")
model = genus.Mixture(n_components=40).fit(data, progress=False)
train = data.train.raw
women = train[train["sex"] == "Female"]
imagined = model.sample(20_000, given={"sex": "Female"})

plt.rcParams.update({"font.size": 12, "axes.spines.top": False, "axes.spines.right": False})
figure, (left, middle, right) = plt.subplots(1, 3, figsize=(11, 4.6), layout="constrained", width_ratios=(1, 1.1, 1))

bins = np.arange(17, 91, 2)
left.hist(women["age"], bins, density=True, color=REAL, alpha=0.7, label="women in the data")
left.hist(imagined["age"], bins, density=True, histtype="step", color=OURS, lw=2, label="sampled, given Female")
left.set(title="age", xlabel="years", yticks=[])
left.legend(frameon=False, fontsize=10, loc="upper right")
left.spines["left"].set_visible(False)

shares = [frame["occupation"].value_counts(normalize=True) for frame in (women, imagined, train[train["sex"] == "Male"])]
names = list(shares[0].index[:8])[::-1]
places = np.arange(len(names))
middle.barh(places + 0.2, [shares[0][name] for name in names], 0.4, color=REAL)
middle.barh(places - 0.2, [shares[1].get(name, 0) for name in names], 0.4, color=OURS)
middle.plot([shares[2].get(name, 0) for name in names], places, "|", color="#d9730d", ms=22, mew=2.5)
middle.plot([], [], "|", color="#d9730d", ms=11, mew=2.5, label="men in the data")
middle.set_yticks(places, names)
middle.set(title="occupation")
middle.xaxis.set_major_formatter("{x:.0%}")
middle.legend(frameon=False, fontsize=10, loc="upper right", bbox_to_anchor=(1, 0.36))

names = ["education", "marital_status", "relationship", "occupation", "sex", "income"]
test = data.test.raw
places = np.arange(len(names))[::-1]
for name, place in zip(names, places):
    known = test[name].notna()
    guess = model.impute(test.assign(**{name: test[name].astype(object).mask(known, None)}))[name]
    hits = [float((test[name].astype(object) == one)[known].mean()) for one in (guess.astype(object), train[name].mode()[0])]
    right.plot(hits, [place, place], color=REAL, lw=2, zorder=1)
    right.scatter(hits, [place, place], c=[OURS, REAL], s=70, zorder=2)
    print(f"{name}: {hits[0]:.3f}, most frequent {hits[1]:.3f}")
right.set_yticks(places, names)
right.set(title="test cells guessed right", xlim=(0, 1))
right.xaxis.set_major_formatter("{x:.0%}")
right.scatter([], [], c=OURS, s=70, label="from the other columns")
right.scatter([], [], c=REAL, s=70, label="most frequent")
right.set_ylim(-0.5, len(names) + 0.6)
right.legend(frameon=False, fontsize=10, loc="upper left")
figure.savefig(Path(__file__).with_suffix(".png"), dpi=100, pil_kwargs={"optimize": True})
print(model.log_likelihood(data.test))

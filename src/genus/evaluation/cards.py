"""Cards: one model of a comparison, what it is, what it makes, how it learned; and the map of its two hidden numbers."""

from __future__ import annotations

from html import escape

import numpy as np
import torch

from genus.evaluation import charts
from genus.evaluation.features import features_of, some
from genus.evaluation.latent_map import latent_map
from genus.evaluation.leaderboard import NO_LIKELIHOOD, Entry, Leaderboard
from genus.evaluation.page import figure, paragraph, section
from genus.evaluation.pictures import is_image, is_plane
from genus.evaluation.views import points_view, strip_view
from genus.evaluation.wording import anchor, badge, key, plus_minus, seconds
from genus.model import HasLatent
from genus.spaces.points import distances

STRIP = 12  # images of a strip
SEEN = 5000  # training points looked through for the nearest


def card(board: Leaderboard, entry: Entry) -> str:
    """The part of the report that is about one model."""
    model, space = entry.model, board.space
    facts = []
    if entry.likelihood is not None:
        facts.append(f"{plus_minus(entry.likelihood.mean, entry.likelihood.mean_standard_error, 2)} nats")
    if entry.two_sample is not None:
        facts.append(f"AUC {entry.two_sample.auc:.3f}")
    if entry.n_parameters is not None:
        facts.append(f"{entry.n_parameters:,} parameters")
    if entry.fit_seconds is not None:
        facts.append(f"fitted in {seconds(entry.fit_seconds)}")
    if entry.memorisation is not None:
        memory = entry.memorisation
        facts.append(f"{memory.copies:.0%} exact copies of training data")
    if entry.memorisation is not None and memory.nearest_ratio == memory.nearest_ratio:
        facts.append(f"{memory.nearest_ratio:.2f} × as far from the nearest training point as real points are from each other")
    about = entry.about or " ".join((type(model).__doc__ or "").split("\n\n")[0].split())
    parts = [
        f'<div class="head"><h3>{escape(entry.name)}</h3>{badge(entry.kind)}</div>',
        paragraph(escape(about)) if about else "",
        f'<div class="facts">{" · ".join(facts)}</div>' if facts else "",
        paragraph(escape(entry.note), "note") if entry.note not in ("", NO_LIKELIHOOD) else "",
    ]
    if entry.model.space is not None:
        left = _looks(board, entry)
        right = figure(_curve(entry), "Learning curve." if entry.history else "")
        parts.append(f'<div class="pair"><div>{left or right}</div><div>{right if left else ""}</div></div>')
        if entry.samples is not None and not is_image(space) and not is_plane(space):
            drawn = entry.samples
            if not space.ragged and model.given_space is None:  # enough of them for marginals
                drawn = model.sample(2000, seed=board.seed)  # type: ignore[attr-defined]
            real = None if space.ragged else some(board.data.train, 4000, 0, "real")
            parts.append(points_view(space, drawn, real) + key(space))  # type: ignore[arg-type]
    return f'<article class="model" id="{anchor(entry.name)}">' + "\n".join(p for p in parts if p) + "</article>"


def _looks(board: Leaderboard, entry: Entry) -> str:
    """For images: samples above the training images nearest to them; held-out images above their reconstructions."""
    space, model, parts = board.space, entry.model, []
    if not is_image(space):
        return ""
    if entry.samples is not None:
        drawn = entry.samples[:STRIP]
        seen = board.data.train[:SEEN]
        distance = distances(*(torch.from_numpy(features_of(space, x)) for x in (space.encode(drawn), seen.x)))
        nearest = distance.argmin(1)
        neighbours = space.decode(seen.points[nearest])
        parts.append(
            strip_view(
                space,
                [drawn, neighbours],
                f"Samples of {entry.name} and the training images nearest to them",
                "Above, samples; below, the training image nearest to each. Equal ones would be copies.",
            )
        )
    if isinstance(model, HasLatent) and model.given_space is None:
        shown = board.data.test[:STRIP]
        parts.append(
            strip_view(
                space,
                [shown.raw, model.reconstruct(shown)],
                "Held-out images and their reconstructions",
                f"Above, held-out images; below, what is left of them after {model.latent_dim} numbers.",
            )
        )
    return "".join(parts)


def _curve(entry: Entry) -> str:
    """The learning curve of a run's history: losses against steps, or log-likelihood against EM iterations."""
    records = entry.history
    if not records:
        return ""
    if "iteration" in records[0]:
        starts = sorted({r["start"] for r in records})
        series = [
            charts.Series(
                f"start {start + 1}", np.array([r["iteration"] for r in records if r["start"] == start]),
                np.array([r["log_likelihood"] for r in records if r["start"] == start]), "abc"[i % 3],
            )
            for i, start in enumerate(starts[:3])
        ]  # fmt: skip
        return charts.line_chart(
            series, "EM iterations", "log-likelihood of training data, standardised", f"Learning curve of {entry.name}"
        )
    names = [key for key in records[-1] if key != "step" and isinstance(records[-1][key], int | float)]
    series = []
    for i, name in enumerate(names[:3]):
        kept = [r for r in records if isinstance(r.get(name), int | float)]
        shown = {"model": "training"}.get(name, name)
        series.append(charts.Series(shown, np.array([r["step"] for r in kept]), np.array([r[name] for r in kept], float), "abc"[i]))
    return charts.line_chart(series, "steps", "loss", f"Learning curve of {entry.name}")


def map_section(board: Leaderboard, entry: Entry) -> str:
    told = (
        f"<strong>{escape(entry.name)}</strong> squeezes each example into two numbers and draws it again from these. "
        "Two numbers make a map. Nobody told it what kinds there are: what is alike has come to lie together."
    )
    return section("A map of everything it knows", paragraph(told), latent_map(entry.model, board.space, board.data), id="map")  # type: ignore[arg-type]

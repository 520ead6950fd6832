"""The report of a comparison: the data, the leaderboard, the samples side by side, a card for each model."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np
import torch

from genus.evaluation import charts
from genus.evaluation.evaluate import Evaluation
from genus.evaluation.features import features_of, some
from genus.evaluation.latent_map import has_map, latent_map
from genus.evaluation.leaderboard import KINDS, NO_LIKELIHOOD, Entry, Leaderboard
from genus.evaluation.page import figure, page, paragraph, section, table
from genus.evaluation.pictures import is_image, is_plane
from genus.evaluation.views import TINY, points_view, scatter_view, sheet_view, strip_view
from genus.model import HasLatent
from genus.spaces import Images, Space, Table, Tokens

STRIP = 12  # images of a strip
SEEN = 5000  # training points looked through for the nearest


def report(board: Leaderboard, title: str | None = None) -> str:
    """The page of a leaderboard."""
    data, entries = board.data, board.entries
    title = title or f"{_count(len(entries))} model{'s' if len(entries) != 1 else ''} of {data.name}"
    lead = (
        f"{len(data.train):,} {_things(board.space, len(data.train))} to learn from, {len(data.test):,} held out to judge by. "
        "All models are asked the same: how probable is what you have not seen, and can your own be told from it?"
    )
    body = [
        section("The data", _real_view(board), id="data"),
        section("Leaderboard", _highlights(board), _table(board), _notes(board), _yardsticks(board), id="leaderboard"),
    ]
    if is_image(board.space) or is_plane(board.space):
        body.append(section("Samples, side by side", _gallery(board), id="samples"))
    for entry in entries:
        if has_map(entry.model):
            body.append(_map_section(board, entry))
    body.append(section("The models, one by one", *[_card(board, entry) for entry in entries], id="models"))
    body.append(section("How to read this page", GUIDE, id="guide"))
    return page(title, lead, "\n".join(body), _foot(board.seed))


def evaluation_report(result: Evaluation, title: str | None = None) -> str:
    """The page of `evaluate`: the measures, the columns, some of both."""
    lead = f"{result.n_synthetic:,} synthetic examples beside {result.n_real:,} real ones. Each measure stands beside what held-out real data get."
    rows = [
        [
            escape(m["measure"].replace("_", " ")),
            _pm(m["value"], m["standard_error"], 3),
            _number(m["real"], 3),
            escape(m["meaning"]),
        ]
        for m in result.measures
    ]
    body = [section("Measures", table(["measure", "synthetic", "real", ""], rows, numeric=(1, 2)))]
    if result.columns:
        rows = [
            [
                escape(str(c["column"])),
                escape(c["kind"]),
                _number(c["distance"], 3),
                _number(c["real"], 3),
                _number(c["missing_gap"], 3),
                c["measure"],
            ]
            for c in result.columns
        ]
        heads = ["column", "kind", "synthetic", "real", "gap in missing", "measure"]
        body.append(
            section(
                "Column by column",
                table(heads, rows, numeric=(2, 3, 4)),
                paragraph("0 is equal, 1 is as far apart as can be.", "note"),
            )
        )
    if result.pictured is not None:
        space, x, s = result.pictured
        raw_x, raw_s = space.decode(x[:256]), space.decode(s[:256])
        if is_image(space):
            pair = figure(sheet_view(space, raw_x, "real"), "Real") + figure(sheet_view(space, raw_s, "synthetic"), "Synthetic")
            body.append(section("Examples", f'<div class="pair">{pair}</div>'))
        elif is_plane(space):
            pair = figure(scatter_view(space, x, x, "real"), "Real") + figure(scatter_view(space, s, x, "synthetic"), "Synthetic")
            body.append(section("Examples", f'<div class="pair">{pair}</div>'))
        else:
            shown = space.decode(s[: min(len(s), 2000)])
            body.append(section("Synthetic examples", points_view(space, shown, None if space.ragged else x), _key(space)))
    return page(title or "Synthetic beside real", lead, "\n".join(body), _foot(None))


# -- the data ------------------------------------------------------------------------------------------------------


def _real_view(board: Leaderboard) -> str:
    data, space = board.data, board.space
    part = data.train[: 64 if is_image(space) else 2000]
    told = f"{escape(data.name)}: {escape(_space_words(space))}."
    if data.classes and data.train.labels is not None:
        told += f" {len(data.classes)} kinds ({escape(', '.join(data.classes[:10]))}{', …' if len(data.classes) > 10 else ''}), which are not shown to the models."
    if is_image(space):
        return paragraph(told) + figure(
            sheet_view(space, part[:48].raw, "real data", columns=16), _drawn(space, "Real, from the training data.")
        )
    if is_plane(space):
        return paragraph(told) + figure(scatter_view(space, part.x, part.x, "real data"), "Real, from the training data.")
    return paragraph(told) + points_view(space, part.raw)


def _gallery(board: Leaderboard) -> str:
    data, space = board.data, board.space
    cells = []
    if is_image(space):
        cells.append(figure(sheet_view(space, data.test[:64].raw, "real, held out"), "<strong>Real</strong>, held out"))
    else:
        reference = some(data.train, 4000, 0, "frame")
        cells.append(
            figure(
                scatter_view(space, some(data.test, 600, 0, "dots"), reference, "real, held out"), "<strong>Real</strong>, held out"
            )
        )  # type: ignore[arg-type]
    for entry in board.entries:
        if entry.samples is None:
            continue
        if is_image(space):
            picture = sheet_view(space, entry.samples, f"sampled from {entry.name}")
        else:
            drawn = (
                space.encode(entry.model.sample(600, seed=board.seed))
                if entry.model.given_space is None
                else space.encode(entry.samples)
            )  # type: ignore[attr-defined]
            picture = scatter_view(space, drawn, reference, f"sampled from {entry.name}", entry.model)  # type: ignore[arg-type]
        test = "" if entry.two_sample is None else f", AUC {entry.two_sample.auc:.2f}"
        cells.append(figure(picture, f"<strong>{escape(entry.name)}</strong>{test}"))
    return f'<div class="gallery">{"".join(cells)}</div>'


# -- the leaderboard -----------------------------------------------------------------------------------------------


def _highlights(board: Leaderboard) -> str:
    """The first thing to know, in two sentences."""
    parts = []
    for kind, words in (("exact", "Among exact likelihoods"), ("lower bound", "among lower bounds")):
        group = [e for e in board.entries if e.kind == kind]
        if group:
            words = words if parts else words[0].upper() + words[1:]
            parts.append(f"{words} <strong>{escape(group[0].name)}</strong> leads with {_number(group[0].likelihood.mean, 1)} nats")  # type: ignore[union-attr]
    told = f"{'; '.join(parts)}. " if parts else ""
    tested = [e for e in board.entries if e.two_sample is not None]
    if tested:
        best = min(tested, key=lambda e: e.two_sample.auc)  # type: ignore[union-attr]
        real = f" (real data would get {board.baseline.auc:.2f})" if board.baseline else ""
        told += f"Hardest to tell from real: samples of <strong>{escape(best.name)}</strong>, with an AUC of {best.two_sample.auc:.2f}{real}."  # type: ignore[union-attr]
    return paragraph(told) if told else ""


def _table(board: Leaderboard) -> str:
    text = isinstance(board.space, Tokens) and board.space.ragged
    samples = next((len(e.samples) for e in board.entries if e.samples is not None), 64)
    heads = ["", "model", "nats", "bits/character" if text else "bits/dim", "AUC", "parameters", "fit", f"sample {samples}"]
    heads += ["nats/character"] if text else []
    best_auc = min((e.two_sample.auc for e in board.entries if e.two_sample), default=None)
    parts = []
    for kind in KINDS:
        rows = [row for row in board.rows if row["kind"] == kind]
        if not rows:
            continue
        parts.append(
            f'<tr class="group"><td colspan="{len(heads)}">{badge(kind)} <span class="note">{_group_words(kind, len(rows))}</span></td></tr>'
        )
        for row in rows:
            name = f'<a href="#{_anchor(row["model"])}" style="color:inherit">{escape(row["model"])}</a>'
            if row["note"] and not (kind == "none" and row["note"] == NO_LIKELIHOOD):  # the badge says so
                name += f'<br><span class="note">{escape(row["note"])}</span>'
            auc = _pm(row["auc"], row["auc_standard_error"], 3)
            cells = [
                f"{row['rank']}" if row["rank"] else "",
                name,
                _pm(row["nats"], row["standard_error"], 2),
                _number(row["bits_per_dim"], 3),
                f'<span class="best">{auc}</span>' if row["auc"] is not None and row["auc"] == best_auc else auc,
                "—" if row["parameters"] is None else f"{row['parameters']:,}",
                _seconds(row["fit_seconds"]),
                _seconds(row["sample_seconds"]),
            ]
            cells += [_number(row["nats_per_character"], 3)] if text else []
            mark = lambda i: "" if i == 1 else ' class="n"'  # noqa: E731
            parts.append("<tr>" + "".join(f"<td{mark(i)}>{cell}</td>" for i, cell in enumerate(cells)) + "</tr>")
    head = "".join(f'<th scope="col"{"" if i == 1 else " class=" + chr(34) + "n" + chr(34)}>{h}</th>' for i, h in enumerate(heads))
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>\n' + "\n".join(parts) + "\n</tbody></table></div>"


def _notes(board: Leaderboard) -> str:
    return '<ul class="notes">' + "".join(f"<li>{escape(note)}</li>" for note in board.footnotes) + "</ul>"


def _yardsticks(board: Leaderboard) -> str:
    measured = [(e.name, e.kind, e.likelihood.mean, e.likelihood.mean_standard_error) for e in board.entries if e.likelihood]
    measured = [(name, kind, mean, 0.0 if error != error else error) for name, kind, mean, error in measured]
    tested = [(e.name, "auc", e.two_sample.auc, e.two_sample.standard_error) for e in board.entries if e.two_sample]
    if board.baseline and tested:
        tested.append(("real data", "auc none", board.baseline.auc, board.baseline.standard_error))
    parts = []
    if len(measured) > 1:
        bounds = any(kind == "lower bound" for _, kind, _, _ in measured)
        told = "Log-likelihood of held-out data: further right is better."
        told += " The arrow of a lower bound points to where the truth may be." if bounds else ""
        parts.append(figure(charts.yardstick(measured, "nats per example", "Log-likelihood by model"), told))
    if len(tested) > 1:
        tested.sort(key=lambda row: row[2])
        parts.append(
            figure(
                charts.yardstick(tested, "AUC", "Two-sample test by model"),
                "Told from held-out data by a classifier: further left is better.",
            )
        )
    return f'<div class="pair">{"".join(parts)}</div>' if parts else ""


def badge(kind: str) -> str:
    words = "no likelihood" if kind == "none" else kind
    return f'<span class="badge {kind.split()[-1] if kind in KINDS[:3] else "none"}">{words}</span>'


def _group_words(kind: str, n: int) -> str:
    if kind in ("none", "not fitted"):
        return "not ranked" if kind == "none" else ""
    return "ranked among themselves" if n > 1 else ""


# -- one model -----------------------------------------------------------------------------------------------------


def _card(board: Leaderboard, entry: Entry) -> str:
    model, space = entry.model, board.space
    facts = []
    if entry.likelihood is not None:
        facts.append(f"{_pm(entry.likelihood.mean, entry.likelihood.mean_standard_error, 2)} nats")
    if entry.two_sample is not None:
        facts.append(f"AUC {entry.two_sample.auc:.3f}")
    if entry.n_parameters is not None:
        facts.append(f"{entry.n_parameters:,} parameters")
    if entry.fit_seconds is not None:
        facts.append(f"fitted in {_seconds(entry.fit_seconds)}")
    if entry.memorisation is not None:
        memory = entry.memorisation
        facts.append(f"{memory.copies:.0%} exact copies of training data")
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
        parts.append(f'<div class="pair"><div>{left}</div><div>{right}</div></div>' if left and right else left or right)
        if entry.samples is not None and not is_image(space) and not is_plane(space):
            drawn = entry.samples
            if not space.ragged and model.given_space is None:  # enough of them for marginals
                drawn = model.sample(2000, seed=board.seed)  # type: ignore[attr-defined]
            real = None if space.ragged else some(board.data.train, 4000, 0, "real")
            parts.append(points_view(space, drawn, real) + _key(space))  # type: ignore[arg-type]
    return f'<article class="model" id="{_anchor(entry.name)}">' + "\n".join(p for p in parts if p) + "</article>"


def _looks(board: Leaderboard, entry: Entry) -> str:
    """For images: samples above the training images nearest to them; held-out images above their reconstructions."""
    space, model, parts = board.space, entry.model, []
    if not is_image(space):
        return ""
    if entry.samples is not None:
        drawn = entry.samples[:STRIP]
        seen = board.data.train[:SEEN]
        distance = torch.cdist(*(torch.from_numpy(features_of(space, x)) for x in (space.encode(drawn), seen.x)))
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


def _map_section(board: Leaderboard, entry: Entry) -> str:
    told = (
        f"<strong>{escape(entry.name)}</strong> squeezes each example into two numbers and draws it again from these. Two numbers make a map. "
        "Nobody told it what kinds there are: what is alike has come to lie together."
    )
    return section("A map of everything it knows", paragraph(told), latent_map(entry.model, board.space, board.data), id="map")  # type: ignore[arg-type]


def _drawn(space: Space, caption: str) -> str:
    tiny = max(space.shape[-2:]) < TINY
    return f"{caption} So few pixels are drawn smoothly, here and below, as the eye sees them from afar." if tiny else caption


# -- words ---------------------------------------------------------------------------------------------------------

GUIDE = """
<details open><summary>Nats and bits per dimension</summary><p>A good model finds data that it has never seen probable. The log-likelihood is
the logarithm of that probability, in nats (natural logarithm), averaged over the held-out examples: higher is better, and
one nat more means finding them e ≈ 2.7 times as probable. Bits per dimension is the same, turned round: how many bits a
pixel, a column or a character would cost if this model compressed the data. Lower is better.</p></details>
<details><summary>Exact, lower bound, estimate, none</summary><p>Some models can say exactly how probable an example is. Others can only
prove that it is at least so probable: the truth lies at or above a lower bound. The two are not ranked against each
other, but where a lower bound lies above an exact value, it has won for certain. Some models (a GAN) have no likelihood at all.</p></details>
<details><summary>AUC, the two-sample test</summary><p>A classifier is trained to tell samples from real data. AUC is how often it finds the
sample more suspicious than the real one: 0.5 is a coin toss, 1 is always. Real training data in place of samples are the baseline:
it need not be 0.5, for held-out data may differ a little from training data.</p></details>
<details><summary>Copies</summary><p>A model that gives back its training data would look perfect and be useless. So samples are
compared with the training example nearest to them.</p></details>
"""


def _foot(seed: int | None) -> str:
    import genus

    told = f"Made by genus {genus.__version__} with torch {torch.__version__}"
    return f"{told}, seed {seed}." if seed is not None else f"{told}."


def _key(space: Space) -> str:
    if isinstance(space, Tokens) or space.ragged:
        return ""
    return paragraph("Filled: real. Line: generated.", "note")


def _things(space: Space, n: int) -> str:
    words = (
        "image"
        if is_image(space)
        else "row"
        if isinstance(space, Table)
        else "text"
        if isinstance(space, Tokens) and space.tokenizer
        else "example"
    )
    return words if n == 1 else f"{words}s"


def _space_words(space: Space) -> str:
    if isinstance(space, Images):
        return f"images of {space.height} × {space.width} pixels, {'in colour, ' if space.channels >= 3 else ''}{space.levels} levels of brightness"
    if isinstance(space, Table):
        return f"a table of {len(space.columns)} columns"
    if isinstance(space, Tokens) and space.tokenizer is not None:
        return (
            f"text, {space.vocabulary} different {'characters' if space.tokenizer.config()['kind'] == 'characters' else 'tokens'}"
        )
    if is_plane(space):
        return "pairs of numbers"
    return repr(space)


def _count(n: int) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
    return words[n] if n < len(words) else str(n)


def _anchor(name: str) -> str:
    return "model-" + "".join(c if c.isalnum() else "-" for c in name)


def _number(value: Any, digits: int) -> str:
    if value is None or value != value:
        return "—"
    shown = f"{value:.1e}" if 0 < abs(value) < 0.5 * 10**-digits else f"{value:,.{digits}f}"
    return shown.replace("-", "−")


def _pm(value: Any, error: Any, digits: int) -> str:
    if value is None or value != value:
        return "—"
    shown = _number(value, digits)
    return shown if error is None or error != error else f'{shown} <span class="pm">± {error:.{digits}f}</span>'


def _seconds(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value * 1000:.0f} ms" if value < 0.95 else f"{value:.1f} s" if value < 60 else f"{value / 60:.1f} min"

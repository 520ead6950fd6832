"""The report of a comparison: the data, the leaderboard, the samples side by side, a card for each model."""

from __future__ import annotations

from html import escape
from pathlib import Path

from genus.evaluation import charts
from genus.evaluation.cards import card, map_section
from genus.evaluation.features import some
from genus.evaluation.latent_map import has_map
from genus.evaluation.leaderboard import KINDS, NO_LIKELIHOOD, Leaderboard
from genus.evaluation.page import figure, page, paragraph, section
from genus.evaluation.pictures import is_image, is_plane
from genus.evaluation.views import DOTS, TINY, points_view, scatter_view, sheet_view
from genus.evaluation.wording import anchor, badge, count, foot, number, plus_minus, seconds, space_words, things
from genus.model import CanSample
from genus.spaces import Space, Tokens

GUIDE = Path(__file__).with_name("guide.html")  # how to read the page


def report(board: Leaderboard, title: str | None = None) -> str:
    """The page of a leaderboard."""
    data, entries = board.data, board.entries
    title = title or f"{count(len(entries))} model{'s' if len(entries) != 1 else ''} of {data.name}"
    lead = (
        f"{len(data.train):,} {things(board.space, len(data.train))} to learn from, {len(data.test):,} held out to judge by. "
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
            body.append(map_section(board, entry))
    body.append(section("The models, one by one", *[card(board, entry) for entry in entries], id="models"))
    body.append(section("How to read this page", GUIDE.read_text("utf-8"), id="guide"))
    return page(title, lead, "\n".join(body), foot(board.seed))


# -- the data ------------------------------------------------------------------------------------------------------


def _real_view(board: Leaderboard) -> str:
    data, space = board.data, board.space
    part = data.train[: 64 if is_image(space) else 2000]
    told = f"{escape(data.name)}: {escape(space_words(space))}."
    if data.classes and data.train.labels is not None:
        named = ", ".join(data.classes[:10]) + (", …" if len(data.classes) > 10 else "")
        shown = [escape(e.name) for e in board.entries if e.model.given_space is not None]
        told += f" {len(data.classes)} kinds ({escape(named)}), "
        told += f"which were shown to {', '.join(shown)} only." if shown else "which are not shown to the models."
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
        real = scatter_view(space, some(data.test, DOTS, 0, "dots"), reference, "real, held out")
        cells.append(figure(real, "<strong>Real</strong>, held out"))
    for entry in board.entries:
        if entry.samples is None:
            continue
        if is_image(space):
            picture = sheet_view(space, entry.samples, f"sampled from {entry.name}")
        else:
            more = isinstance(entry.model, CanSample) and entry.model.given_space is None
            drawn = entry.model.sample(DOTS, seed=board.seed) if more else entry.samples
            picture = scatter_view(space, space.encode(drawn), reference, f"sampled from {entry.name}", entry.model)
        test = "" if entry.two_sample is None else f", AUC {entry.two_sample.auc:.2f}"
        cells.append(figure(picture, f"<strong>{escape(entry.name)}</strong>{test}"))
    return f'<div class="gallery">{"".join(cells)}</div>'


# -- the leaderboard -----------------------------------------------------------------------------------------------


def _highlights(board: Leaderboard) -> str:
    """The first thing to know, in two sentences."""
    parts: list[str] = []
    for kind, words in (("exact", "Among exact likelihoods"), ("lower bound", "among lower bounds")):
        group = [e for e in board.entries if e.kind == kind]
        if group:
            words = words if parts else words[0].upper() + words[1:]
            nats = number(group[0].likelihood.mean, 1) if group[0].likelihood else ""
            parts.append(f"{words} <strong>{escape(group[0].name)}</strong> leads with {nats} nats")
    told = f"{'; '.join(parts)}. " if parts else ""
    tested = [(e.two_sample.auc, e.name) for e in board.entries if e.two_sample is not None]
    if tested:
        auc, name = min(tested)
        real = f" (real data would get {board.baseline.auc:.2f})" if board.baseline else ""
        told += f"Hardest to tell from real: samples of <strong>{escape(name)}</strong>, with an AUC of {auc:.2f}{real}."
    return paragraph(told) if told else ""


def _table(board: Leaderboard) -> str:
    text = isinstance(board.space, Tokens) and board.space.ragged
    samples = next((len(e.samples) for e in board.entries if e.samples is not None), 64)
    heads = ["", "model", "nats", "bits/character" if text else "bits/dim", "AUC", "parameters", "fit", f"sample {samples}"]
    heads += ["nats/character"] if text else []
    best_auc = min((e.two_sample.auc for e in board.entries if e.two_sample), default=None)
    mark = lambda i: "" if i == 1 else ' class="n"'  # noqa: E731
    parts: list[str] = []
    for kind in KINDS:
        rows = [row for row in board.rows if row["kind"] == kind]
        if not rows:
            continue
        words = f'{badge(kind)} <span class="note">{_group_words(kind, len(rows))}</span>'
        parts.append(f'<tr class="group"><td colspan="{len(heads)}">{words}</td></tr>')
        for row in rows:
            name = f'<a href="#{anchor(row["model"])}" style="color:inherit">{escape(row["model"])}</a>'
            if row["note"] and not (kind == "none" and row["note"] == NO_LIKELIHOOD):  # the badge says so
                name += f'<br><span class="note">{escape(row["note"])}</span>'
            auc = plus_minus(row["auc"], row["auc_standard_error"], 3)
            cells = [
                f"{row['rank']}" if row["rank"] else "",
                name,
                plus_minus(row["nats"], row["standard_error"], 2),
                number(row["bits_per_dim"], 3),
                f'<span class="best">{auc}</span>' if row["auc"] is not None and row["auc"] == best_auc else auc,
                "—" if row["parameters"] is None else f"{row['parameters']:,}",
                seconds(row["fit_seconds"]),
                seconds(row["sample_seconds"]),
            ]
            cells += [number(row["nats_per_character"], 3)] if text else []
            parts.append("<tr>" + "".join(f"<td{mark(i)}>{cell}</td>" for i, cell in enumerate(cells)) + "</tr>")
    head = "".join(f'<th scope="col"{mark(i)}>{cell}</th>' for i, cell in enumerate(heads))
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


def _group_words(kind: str, n: int) -> str:
    if kind in ("none", "not scored", "not fitted"):
        return "not ranked" if kind == "none" else ""
    return "ranked among themselves" if n > 1 else ""


def _drawn(space: Space, caption: str) -> str:
    tiny = max(space.shape[-2:]) < TINY
    return f"{caption} So few pixels are drawn smoothly, here and below, as the eye sees them from afar." if tiny else caption

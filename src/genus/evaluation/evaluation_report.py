"""The report of `evaluate`: the measures, the columns, some of both."""

from __future__ import annotations

from html import escape

from genus.evaluation.evaluate import Evaluation
from genus.evaluation.page import figure, page, paragraph, section, table
from genus.evaluation.pictures import is_image, is_plane
from genus.evaluation.views import points_view, scatter_view, sheet_view
from genus.evaluation.wording import foot, key, number, plus_minus


def evaluation_report(result: Evaluation, title: str | None = None) -> str:
    """The page of `evaluate`: the measures, the columns, some of both."""
    lead = f"{result.n_synthetic:,} synthetic examples beside {result.n_real:,} real ones{result.told_copies}. "
    lead += "Each measure stands beside what held-out real data get."
    rows = [
        [
            escape(m["measure"].replace("_", " ")),
            plus_minus(m["value"], m["standard_error"], 3),
            number(m["real"], 3),
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
                number(c["distance"], 3),
                number(c["real"], 3),
                number(c["missing_gap"], 3),
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
            body.append(section("Synthetic examples", points_view(space, shown, None if space.ragged else x), key(space)))
    return page(title or "Synthetic beside real", lead, "\n".join(body), foot(None))

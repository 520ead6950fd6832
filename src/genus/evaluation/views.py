"""Views: points of a space as HTML, each kind in the way one looks at it."""

from __future__ import annotations

import base64
import math
from html import escape
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genus.evaluation import charts
from genus.evaluation.page import figure, image, table
from genus.evaluation.pictures import brightness, is_image, is_plane, png, sheet
from genus.model import HasDensity, Model
from genus.spaces import Ragged, Space, Table, Tokens

COLUMNS = 9  # of a table or vector that are drawn
LETTERS = 1600  # of a text that are shown
DOTS = 600  # of a scatter
SIDE = 80  # cells a side of a density's picture
TINY = 20  # pixels a side below which images are drawn smoothly


def sheet_view(space: Space, raw: Any, label: str, columns: int | None = None) -> str:
    """A sheet of as many images as can be looked at; nothing for points that are none."""
    if not is_image(space):
        return ""
    images = brightness(space, raw)
    if columns is None:
        images = images[: 36 if images.shape[1] <= 32 else 25 if images.shape[1] <= 64 else 16]
    wide = 480 if columns is None else 1200
    return image(sheet(images, columns, wide, smooth=is_tiny(images)), f"{len(images)} images: {label}", "100%")


def is_tiny(images: np.ndarray) -> bool:
    """Whether images (n, height, width, channels) have so few pixels that they are recognised best when drawn smoothly."""
    return max(images.shape[1:3]) < TINY


def scatter_view(space: Space, points: Tensor, reference: Tensor, label: str, model: Model | None = None) -> str:
    """Pairs of numbers as dots, over the model's density where it has one; the frame is that of the reference."""
    if not is_plane(space):
        return ""
    at = points.reshape(len(points), -1)[:DOTS].double().numpy()
    frame = plane_frame(reference)
    behind = density_image(model, space, frame) if isinstance(model, HasDensity) and model.given_space is None else ""
    return charts.scatter(at, label, frame=frame, behind=behind)


def plane_frame(reference: Tensor, size: float = 320) -> charts.Frame:
    """A frame that shows nearly all of the reference points with some room."""
    flat = reference.reshape(len(reference), -1).double()
    low, high = flat.quantile(0.002, 0), flat.quantile(0.998, 0)
    room = (high - low) * 0.12 + 1e-9
    (x0, y0), (x1, y1) = (low - room).tolist(), (high + room).tolist()
    return charts.Frame(size, size, (x0, x1), (y0, y1), left=34, right=6, top=6, bottom=22)


def density_image(model: HasDensity, space: Space, frame: charts.Frame, side: int = SIDE) -> str:
    """The density of a model of pairs of numbers as shades behind a scatter."""
    x = torch.linspace(*frame.x, side, dtype=torch.float64)
    y = torch.linspace(frame.y[1], frame.y[0], side, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), -1).reshape(-1, *space.shape)
    with torch.no_grad():
        log_p = model.log_prob(grid.to(next(iter(model.state_dict().values())).dtype)).double().cpu().reshape(side, side)
    strength = (log_p - log_p.max()).exp().sqrt()
    pixels = np.zeros((side, side, 4), np.uint8)
    pixels[..., :3] = (74, 144, 217)
    pixels[..., 3] = (strength.numpy() * 150).astype(np.uint8)
    (left, bottom), (right, top) = frame.at(frame.x[0], frame.y[0]), frame.at(frame.x[1], frame.y[1])
    data = base64.b64encode(png(pixels)).decode()
    return (
        f'<image x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" '
        f'preserveAspectRatio="none" href="data:image/png;base64,{data}"/>'
    )


def points_view(space: Space, raw: Any, real: Any = None) -> str:
    """Points that are no pictures: rows and marginals of a table, an excerpt of a text, lines of a series.

    `real`: encoded real points, whose marginals are drawn beside those of `raw`.
    """
    if isinstance(space, Table):
        return rows_view(raw, len(space.columns)) + marginals_view(space, space.encode(raw), real)
    if isinstance(space, Tokens):
        return text_view(space, raw)
    x = space.encode(raw)
    if isinstance(x, Ragged) or space.dims > 3 * COLUMNS:
        return lines_view(x)
    return marginals_view(space, x, real)


def rows_view(frame: Any, columns: int, n: int = 5) -> str:
    """The first rows of a DataFrame."""
    if not hasattr(frame, "columns"):
        return ""
    shown = frame.iloc[:n, :12]
    numeric = [i for i, name in enumerate(shown.columns) if np.issubdtype(np.asarray(shown[name]).dtype, np.number)]
    cells = [[escape(_cell(value)) for value in row] for row in shown.itertuples(index=False)]
    more = f'<p class="note">The first 12 of {columns} columns.</p>' if columns > 12 else ""
    return table([escape(str(name)) for name in shown.columns], cells, numeric=numeric) + more


def marginals_view(space: Space, x: Tensor, real: Tensor | None) -> str:
    """Each column's distribution: real points as an area, these as a line; of real points alone, an area."""
    x = x.reshape(len(x), -1).double()
    other = x if real is None else real.reshape(len(real), -1).double()
    parts = []
    for i in range(min(x.shape[1], COLUMNS)):
        column = space.columns[i] if isinstance(space, Table) else None
        a, b = other[:, i].numpy(), x[:, i].numpy()
        if column is None or column.numeric:
            parts.append(charts.histogram(a, None if real is None else b, str(column.name) if column else f"x{i}"))
            continue
        names = list(map(str, column.categories)) or ["False", "True"]
        shares = [np.bincount(part[~np.isnan(part)].astype(int), minlength=len(names)) / max(len(part), 1) for part in (a, b)]
        most = np.argsort(-shares[0], kind="stable")[:8]
        parts.append(
            charts.bars([names[j] for j in most], shares[0][most], None if real is None else shares[1][most], str(column.name))
        )
    return f'<div class="small">{"".join(parts)}</div>'


def text_view(space: Tokens, raw: Any, n: int = 6) -> str:
    """An excerpt of texts, or of sequences of whole numbers."""
    lines = [t if isinstance(t, str) else " ".join(str(int(v)) for v in t) for t in list(raw)[:n]]
    each = LETTERS // max(1, min(len(lines), n))
    if any(len(line) > each for line in lines):  # a few long ones
        lines, each = lines[:2], LETTERS // 2
    shown = [escape(line[:each]) + ("…" if len(line) > each else "") for line in lines]
    between = '\n<span class="note">———</span>\n' if any(len(line) > 100 for line in lines) else "\n"
    return f"<pre>{between.join(shown)}</pre>"


def lines_view(x: Any, n: int = 4) -> str:
    """Long vectors and series as lines against their position."""
    parts = []
    for item in list(x[:n]):
        values = item.reshape(len(item), -1).double()[:2000, :3] if item.dim() else item.reshape(1, 1)
        series = [charts.Series(str(j), np.arange(len(values)), values[:, j].numpy(), "abc"[j]) for j in range(values.shape[1])]
        parts.append(charts.line_chart(series, "", "", "A sequence, its values against time", 300, 130))
    return f'<div class="small">{"".join(parts)}</div>'


def strip_view(space: Space, rows: list[Any], label: str, caption: str) -> str:
    """Rows of images above each other, pair by pair."""
    images = np.concatenate([brightness(space, row) for row in rows])
    drawn = sheet(images, columns=len(images) // len(rows), width=800, smooth=is_tiny(images))
    return figure(image(drawn, label, "100%"), caption)


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "—"
    return f"{value:,.4g}" if isinstance(value, float) else str(value)

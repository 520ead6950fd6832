"""Wording: numbers, kinds and spaces as a reader of a report sees them."""

from __future__ import annotations

from typing import Any

import torch

from genus.evaluation.leaderboard import KINDS
from genus.evaluation.page import paragraph
from genus.evaluation.pictures import is_image, is_plane
from genus.spaces import Images, Reals, Sequence, Space, Table, Tokens


def badge(kind: str) -> str:
    words = "no likelihood" if kind == "none" else kind
    return f'<span class="badge {kind.split()[-1] if kind in KINDS[:3] else "none"}">{words}</span>'


def foot(seed: int | None) -> str:
    import genus

    told = f"Made by genus {genus.__version__} with torch {torch.__version__}"
    return f"{told}, seed {seed}." if seed is not None else f"{told}."


def key(space: Space) -> str:
    if isinstance(space, Tokens) or space.ragged:
        return ""
    return paragraph("Filled: real. Line: generated.", "note")


def things(space: Space, n: int) -> str:
    """What to call n points of the space."""
    word = "example"
    if is_image(space):
        word = "image"
    elif isinstance(space, Table):
        word = "row"
    elif isinstance(space, Tokens) and space.tokenizer is not None:
        word = "text"
    elif isinstance(space, Sequence):
        word = "sequence"
    return word if n == 1 else f"{word}s"


def space_words(space: Space) -> str:
    """What a point of the space is."""
    if isinstance(space, Images):
        colour = "in colour, " if space.channels >= 3 else ""
        return f"images of {space.height} × {space.width} pixels, {colour}{space.levels} levels of brightness"
    if isinstance(space, Table):
        return f"a table of {len(space.columns)} columns"
    if isinstance(space, Tokens) and space.tokenizer is not None:
        kind = "characters" if space.tokenizer.config()["kind"] == "characters" else "tokens"
        return f"text, {space.vocabulary} different {kind}"
    if isinstance(space, Sequence):
        return f"sequences of {'rows of ' if isinstance(space.item, Table) else ''}{space_words(space.item)}"
    if isinstance(space, Reals):
        return "numbers" if not space.shape else "pairs of numbers" if is_plane(space) else f"points of {space.dims} numbers"
    return repr(space)


def count(n: int) -> str:
    words = ("No", "One", "Two", "Three", "Four", "Five", "Six", "Seven", "Eight", "Nine", "Ten", "Eleven", "Twelve")
    return words[n] if n < len(words) else str(n)


def anchor(name: str) -> str:
    return "model-" + "".join(c if c.isalnum() else "-" for c in name)


def number(value: Any, digits: int) -> str:
    if value is None or value != value:
        return "—"
    shown = f"{value:.1e}" if 0 < abs(value) < 0.5 * 10**-digits else f"{value:,.{digits}f}"
    return shown.replace("-", "−")


def plus_minus(value: Any, error: Any, digits: int) -> str:
    if value is None or value != value:
        return "—"
    shown = number(value, digits)
    return shown if error is None or error != error else f'{shown} <span class="pm">± {error:.{digits}f}</span>'


def seconds(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value * 1000:.0f} ms" if value < 0.95 else f"{value:.1f} s" if value < 60 else f"{value / 60:.1f} min"

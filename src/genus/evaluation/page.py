"""Pages: one HTML file that needs nothing else: no network, no script; light and dark."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

from genus.files import write_atomically

STYLE = Path(__file__).with_name("report.css")


def page(title: str, lead: str, body: str, foot: str) -> str:
    """A whole page; title is text, the others HTML."""
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{STYLE.read_text('utf-8')}</style>\n</head>\n<body>\n<main>\n"
        f'<header>\n<p class="brand">genus</p>\n<h1>{escape(title)}</h1>\n<p class="lead">{lead}</p>\n</header>\n'
        f"{body}\n</main>\n<footer>{foot}</footer>\n</body>\n</html>\n"
    )


def write_page(path: str | Path, make: Callable[[], str]) -> Path:
    """Write what `make` returns as an .html file; its folder is made. Raises ValueError before anything is computed."""
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{path}: a report is an .html file; name it so, as in {path.with_suffix('.html')}")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file in it, as in {path / 'report.html'}")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, make().encode())
    return path


def section(title: str, *parts: str, id: str = "") -> str:
    """A titled section; parts that are empty are left out."""
    label = f' id="{escape(id, quote=True)}"' if id else ""
    return f"<section{label}>\n<h2>{escape(title)}</h2>\n" + "\n".join(part for part in parts if part) + "\n</section>"


def figure(content: str, caption: str = "", kind: str = "") -> str:
    """A figure with a caption in HTML; nothing if there is no content."""
    if not content:
        return ""
    told = f"<figcaption>{caption}</figcaption>" if caption else ""
    return f'<figure class="{kind}">{content}{told}</figure>' if kind else f"<figure>{content}{told}</figure>"


def image(png: bytes, alt: str, width: str = "") -> str:
    """A PNG inside the page."""
    style = f' style="width:{width}"' if width else ""
    return f'<img src="data:image/png;base64,{base64.b64encode(png).decode()}" alt="{escape(alt, quote=True)}"{style}>'


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], kind: str = "", numeric: Sequence[int] = ()) -> str:
    """A table of HTML cells; columns in `numeric` are set to the right."""
    mark = lambda i: ' class="n"' if i in numeric else ""  # noqa: E731
    head = "".join(f'<th scope="col"{mark(i)}>{cell}</th>' for i, cell in enumerate(heads))
    body = "\n".join("<tr>" + "".join(f"<td{mark(i)}>{cell}</td>" for i, cell in enumerate(row)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table class="{kind}"><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>'


def paragraph(text: Any, kind: str = "") -> str:
    return f'<p class="{kind}">{text}</p>' if kind else f"<p>{text}</p>"

"""Charts as SVG inside a page: their colours are the page's own, so that they follow light and dark."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape

import numpy as np


@dataclass(frozen=True)
class Series:
    """One line: a name, its points, and the class that the style sheet colours it by."""

    name: str
    x: np.ndarray
    y: np.ndarray
    style: str = "a"


@dataclass(frozen=True)
class Frame:
    """A plot's area and the ranges that it shows."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]
    left: float = 48
    top: float = 10
    right: float = 12
    bottom: float = 34

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Data to pixels."""
        across = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1)
        up = (y - self.y[0]) / ((self.y[1] - self.y[0]) or 1)
        return self.left + across * (self.width - self.left - self.right), self.height - self.bottom - up * (
            self.height - self.top - self.bottom
        )

    def axes(self, x_label: str = "", y_label: str = "") -> str:
        """Ticks, rules and labels."""
        parts = []
        for value in ticks(*self.y):
            _, y = self.at(self.x[0], value)
            parts.append(f'<line class="rule" x1="{self.left}" x2="{self.width - self.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text x="{self.left - 6}" y="{y + 3.5:.1f}" text-anchor="end">{number(value)}</text>')
        for value in ticks(*self.x):
            x, _ = self.at(value, self.y[0])
            parts.append(f'<text x="{x:.1f}" y="{self.height - self.bottom + 15:.1f}" text-anchor="middle">{number(value)}</text>')
        base = self.height - self.bottom
        parts.append(f'<line class="axis" x1="{self.left}" x2="{self.width - self.right}" y1="{base}" y2="{base}"/>')
        if x_label:
            parts.append(f'<text x="{self.width - self.right}" y="{self.height - 4}" text-anchor="end">{escape(x_label)}</text>')
        if y_label:
            parts.append(f'<text x="2" y="{max(9, self.top - 14)}">{escape(y_label)}</text>')
        return "".join(parts)


def svg(width: float, height: float, body: str, label: str) -> str:
    """An SVG element that says in words what it shows."""
    return (
        f'<svg viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img" aria-label="{escape(label, quote=True)}">'
        f"<title>{escape(label)}</title>{body}</svg>"
    )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers between low and high."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / about
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    """A short number for a tick."""
    if value == 0:
        return "0"
    if abs(value) >= 1e6 or abs(value) < 1e-3:
        return f"{value:.3g}".replace("e+0", "e").replace("e-0", "e-").replace("-", "−")
    return f"{value:,.10g}".replace("-", "−")


def line_chart(series: list[Series], x_label: str, y_label: str, label: str, width: int = 380, height: int = 210) -> str:
    """Lines with a legend. The y range leaves out the first, wild tenth of a run where that would flatten the rest."""
    shown = [s for s in series if len(s.x) and np.isfinite(s.y).any()]
    if not shown:
        return ""
    late = np.concatenate([s.y[min(len(s.y) // 10, len(s.y) - 1) :] for s in shown])
    low, high = _range(late)
    x_low, x_high = min(float(s.x.min()) for s in shown), max(float(s.x.max()) for s in shown)
    frame = Frame(width, height, (min(0.0, x_low), x_high or 1.0), (low, high), top=26)
    body = frame.axes(x_label, y_label)
    for s in shown:
        points = " ".join("{:.1f},{:.1f}".format(*frame.at(float(a), float(b))) for a, b in zip(s.x, s.y) if low <= b <= high)
        body += f'<polyline class="line {s.style}" points="{points}"/>'
    if len(shown) > 1:
        at = width - frame.right
        for s in reversed(shown):
            body += f'<text class="key {s.style}" x="{at}" y="12" text-anchor="end">{escape(s.name)}</text>'
            at -= 6.4 * len(s.name) + 14
    return svg(width, height, body, label)


def histogram(real: np.ndarray, generated: np.ndarray | None, name: str, width: int = 230, height: int = 130) -> str:
    """A column of numbers: real filled, generated as a line over it."""
    real = real[np.isfinite(real)]
    generated = real if generated is None else generated[np.isfinite(generated)]
    if not len(real) or not len(generated):
        return ""
    low, high = np.quantile(np.concatenate([real, generated]), [0.002, 0.998])
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, 25)
    heights = [np.histogram(np.clip(part, low, high), edges)[0] / len(part) for part in (real, generated)]
    top = max(map(np.max, heights)) * 1.05
    frame = Frame(width, height, (float(low), float(high)), (0.0, float(top)), left=6, right=6, top=20, bottom=20)
    body = f'<text class="name" x="6" y="12">{escape(_short(name))}</text>'
    for value, left, right in zip(heights[0], edges, edges[1:]):
        (x0, y), (x1, base) = frame.at(left, value), frame.at(right, 0)
        body += f'<rect class="real" x="{x0:.1f}" y="{y:.1f}" width="{x1 - x0 + 0.3:.1f}" height="{base - y:.1f}"/>'
    points = []
    for value, left, right in zip(heights[1], edges, edges[1:]):
        points += ["{:.1f},{:.1f}".format(*frame.at(left, value)), "{:.1f},{:.1f}".format(*frame.at(right, value))]
    if generated is not real:
        body += f'<polyline class="line a" points="{" ".join(points)}"/>'
    for value in ticks(float(low), float(high), 3):
        body += f'<text x="{frame.at(value, 0)[0]:.1f}" y="{height - 5}" text-anchor="middle">{number(value)}</text>'
    return svg(width, height, body, f"Distribution of {name}: real and generated")


def bars(names: list[str], real: np.ndarray, generated: np.ndarray | None, name: str, width: int = 230, height: int = 130) -> str:
    """A column of categories: shares of real filled, generated as a mark over it."""
    drawn, generated = generated is not None, real if generated is None else generated
    top = float(max(real.max(), generated.max())) * 1.05 or 1.0
    frame = Frame(width, height, (0.0, float(len(names))), (0.0, top), left=6, right=6, top=20, bottom=20)
    body = f'<text class="name" x="6" y="12">{escape(_short(name))}</text>'
    room = (width - 12) / len(names)
    for i, (category, a, b) in enumerate(zip(names, real, generated)):
        (x0, y), (x1, base) = frame.at(i + 0.12, a), frame.at(i + 0.88, 0)
        _, mark = frame.at(0, b)
        body += f'<rect class="real" x="{x0:.1f}" y="{y:.1f}" width="{x1 - x0:.1f}" height="{base - y:.1f}"/>'
        if drawn:
            body += f'<line class="line a" x1="{x0:.1f}" x2="{x1:.1f}" y1="{mark:.1f}" y2="{mark:.1f}"/>'
        category = escape(_short(category, int(room / 6.2)))
        body += f'<text x="{(x0 + x1) / 2:.1f}" y="{height - 5}" text-anchor="middle">{category}</text>'
    return svg(width, height, body, f"Shares of {name}: real and generated")


def scatter(
    points: np.ndarray, label: str, *, frame: Frame, behind: str = "", style: str = "a", axes: tuple[str, str] = ("", "")
) -> str:
    """Points (n, 2) as dots; `behind` is drawn first."""
    body = behind + frame.axes(*axes)
    for x, y in points:
        if frame.x[0] <= x <= frame.x[1] and frame.y[0] <= y <= frame.y[1]:
            a, b = frame.at(float(x), float(y))
            body += f'<circle class="dot {style}" cx="{a:.1f}" cy="{b:.1f}" r="1.9"/>'
    return svg(frame.width, frame.height, body, label)


def lettered(points: np.ndarray, letters: list[str], styles: list[str], label: str, frame: Frame) -> str:
    """Points (n, 2), each written as its own label."""
    (left, bottom), (right, top) = frame.at(frame.x[0], frame.y[0]), frame.at(frame.x[1], frame.y[1])
    body = f'<rect class="border" x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" rx="3"/>'
    radius = 4 if len(points) < 100 else 2.2
    for (x, y), letter, style in zip(points, letters, styles):
        a, b = frame.at(float(np.clip(x, *frame.x)), float(np.clip(y, *frame.y)))
        mark = f'<text class="letter {style}" x="{a:.1f}" y="{b + 4:.1f}" text-anchor="middle">{escape(letter)}</text>'
        body += mark if letter else f'<circle class="dot {style}" cx="{a:.1f}" cy="{b:.1f}" r="{radius}"/>'
    return svg(frame.width, frame.height, body, label)


def yardstick(rows: list[tuple[str, str, float, float]], x_label: str, label: str, width: int = 460) -> str:
    """Models on one axis, (name, kind, value, standard error): a lower bound is an arrow towards where the truth may be."""
    low, high = min(r[2] - 3 * r[3] for r in rows), max(r[2] + 3 * r[3] for r in rows)
    room = (high - low) or 1.0
    row, height = 26, 26 * len(rows) + 40
    rows = [(_short(name, 28), *rest) for name, *rest in rows]  # type: ignore[misc]
    left = 18 + 6.6 * max(len(r[0]) for r in rows)
    frame = Frame(width, height, (low - 0.04 * room, high + 0.14 * room), (0.0, float(len(rows))), left=left, top=4, bottom=36)
    body = ""
    for value in ticks(*frame.x):
        x, _ = frame.at(value, 0)
        body += f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="4" y2="{height - 36}"/>'
        body += f'<text x="{x:.1f}" y="{height - 22}" text-anchor="middle">{number(value)}</text>'
    for i, (name, kind, value, error) in enumerate(rows):
        x, _ = frame.at(value, 0)
        y = 4 + row * (i + 0.5)
        style = kind.split()[-1]
        body += f'<text class="name" x="{left - 10:.1f}" y="{y + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        if kind == "lower bound":
            end = width - frame.right
            body += f'<line class="beyond" x1="{x:.1f}" x2="{end - 4:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
            body += f'<polyline class="head" points="{end - 9:.1f},{y - 4:.1f} {end - 3:.1f},{y:.1f} {end - 9:.1f},{y + 4:.1f}"/>'
        if error == error and error > 0:
            a, b = frame.at(value - 2 * error, 0)[0], frame.at(value + 2 * error, 0)[0]
            body += f'<line class="error {style}" x1="{a:.1f}" x2="{b:.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        body += f'<circle class="value {style}" cx="{x:.1f}" cy="{y:.1f}" r="5"/>'
    body += f'<text x="{width - frame.right}" y="{height - 5}" text-anchor="end">{escape(x_label)}</text>'
    return svg(width, height, body, label)


def _range(values: np.ndarray) -> tuple[float, float]:
    values = values[np.isfinite(values)]
    low, high = float(values.min()), float(values.max())
    room = (high - low) or abs(high) or 1.0
    return low - 0.06 * room, high + 0.06 * room


def _short(text: str, most: int = 30) -> str:
    return text if len(text) <= most else text[: max(1, most - 1)] + "…"

"""Curves as inline SVG: axes, units and colours from the page's style sheet, no script."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 12, 40
BUCKETS = 160
"""Points of a drawn curve at most; more could not be told apart at this width."""

Point = tuple[float, float]
Look = Literal["main", "nothing", "real"]


@dataclass(frozen=True)
class Bucket:
    """Neighbouring points as one: their mean place, and the lowest and highest of them."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Axes:
    """The ranges of a plot, and where its values lie in the drawing."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Steps to horizontal place."""
        return LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """A value to vertical place, held within the plot."""
        share = (value - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - min(max(share, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Sequence[Point]) -> str:
        """The points as the `d` of a path."""
        places = (f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        return "M" + "L".join(places)


def finite(points: Sequence[tuple[float, float | None]]) -> list[Point]:
    """The points that can be drawn, in order of x."""
    return sorted((x, y) for x, y in points if y is not None and math.isfinite(x) and math.isfinite(y))


def thinned(points: Sequence[Point], buckets: int = BUCKETS) -> list[Bucket]:
    """At most `buckets` points: runs of neighbours of equal number become one each."""
    size = max(1, math.ceil(len(points) / buckets))
    out = []
    for begin in range(0, len(points), size):
        xs, ys = zip(*points[begin : begin + size], strict=True)
        out.append(Bucket(sum(xs) / len(xs), sum(ys) / len(ys), min(ys), max(ys)))
    return out


def smoothed(values: Sequence[float], reach: int) -> list[float]:
    """The mean of each value and up to `reach` neighbours to each side (as many on both, so that ends do not lag)."""
    out = []
    for i in range(len(values)):
        near = min(reach, i, len(values) - 1 - i)
        out.append(sum(values[i - near : i + near + 1]) / (2 * near + 1))
    return out


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within `low`..`high`: multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def short(value: float) -> str:
    """A number as an axis shows it: `0.25`, `1,500`, `20k`, `1.5M`."""
    for size, mark in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            unit = 1e6 if mark == "M" else 1e3
            return f"{value / unit:.3g}{mark}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def span(values: Sequence[float]) -> tuple[float, float]:
    """The range of a value axis: from zero where nothing is below it, never empty, with a little room."""
    low, high = min(values), max(values)
    low = min(low, 0.0) if low >= 0 or high > 0 else low
    if high <= low:
        high = low + 1.0
    room = 0.06 * (high - low)
    return (low - room if low < 0 else low), high + room


def term_chart(name: str, points: Sequence[tuple[float, float | None]]) -> str:
    """A term over steps: the smoothed course, and behind it the range of single steps (cut where rarely so wide)."""
    drawn = thinned(finite(points))
    if not drawn:
        return ""
    means = smoothed([b.y for b in drawn], len(drawn) // 24)
    lows, highs = sorted(b.low for b in drawn), sorted(b.high for b in drawn)
    rare = len(drawn) // 20
    seen = [*(b.y for b in drawn), lows[rare], highs[-1 - rare]]
    axes = _axes([b.x for b in drawn], span(seen))
    upper = [(b.x, b.high) for b in drawn]
    lower = [(b.x, b.low) for b in reversed(drawn)]
    course = [(b.x, y) for b, y in zip(drawn, means, strict=True)]
    inner = f'<path class="band" d="{axes.path([*upper, *lower])}Z"/>' if len(drawn) > 1 else _dots(axes, course)
    inner += f'<path class="main" d="{axes.path(course)}"/>'
    return _figure(axes, f"{name} over steps, at the end {short(means[-1])}", "value", inner)


def kid_chart(
    route: str,
    points: Sequence[tuple[float, float | None]],
    lines: Sequence[tuple[Look, float | None]],
    best: float | None,
    distance: str,
) -> str:
    """A distance of one route over steps, with level lines for what to compare it with, and a ring at the step `best`.

    Values are given, and told, times 1000.
    """
    drawn = finite(points)
    if not drawn:
        return ""
    levels = [(look, y) for look, y in lines if y is not None and math.isfinite(y)]
    axes = _axes([0.0, *(x for x, _ in drawn)], span([*(y for _, y in drawn), *(y for _, y in levels)]))
    inner = "".join(
        f'<path class="{look}" d="{axes.path([(axes.x_low, y), (axes.x_high, y)])}"/>' for look, y in levels
    )
    inner += f'<path class="main" d="{axes.path(drawn)}"/>' + _dots(axes, drawn)
    inner += "".join(
        f'<circle class="best" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="7"/>' for x, y in drawn if x == best
    )
    told = f"{distance} of {route} over steps, at the end {short(drawn[-1][1])}"
    return _figure(axes, told, f"{distance} x 1000", inner)


def swatch(look: str) -> str:
    """A short piece of a line, for a legend."""
    inner = '<circle class="best" cx="14" cy="6" r="4.5"/>' if look == "best" else f'<path class="{look}" d="M1 6H27"/>'
    return f'<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true">{inner}</svg>'


def _axes(xs: Sequence[float], y_span: tuple[float, float]) -> Axes:
    low, high = min(xs), max(xs)
    return Axes(low, high if high > low else low + 1.0, *y_span)


def _dots(axes: Axes, points: Sequence[Point]) -> str:
    return "".join(f'<circle class="dot" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="3"/>' for x, y in points)


def _figure(axes: Axes, told: str, unit: str, inner: str) -> str:
    """The drawing with its axes; `told` is what somebody hears who cannot see it."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in ticks(axes.y_low, axes.y_high):
        y = axes.y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{short(value)}</text>')
    for value in ticks(axes.x_low, axes.x_high):
        x = axes.x(value)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{short(value)}</text>')
    middle = (TOP + bottom) / 2
    parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">steps</text>')
    parts.append(f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{escape(unit)}</text>')
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(told)}">'
    return f"{head}{''.join(parts)}{inner}</svg>"

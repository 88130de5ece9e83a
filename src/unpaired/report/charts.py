"""Line charts as inline SVG without scripts; colors come from the style sheet of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup, escape

from unpaired.metrics.base import Metric

WIDTH, HEIGHT = 360, 200
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 12, 40
"""Margins of the plot area in the units of the SVG view box."""
MAX_BUCKETS = 160
"""Maximum number of points of a curve; more cannot be distinguished at this width."""

Point = tuple[float, float]
LineStyle = Literal["main", "nothing", "real"]


@dataclass(frozen=True)
class Bucket:
    """Summary of neighboring points: mean x and y, lowest and highest y."""

    x: float
    y: float
    low: float
    high: float


@dataclass(frozen=True)
class Axes:
    """Ranges of a plot, and the mapping from values to SVG coordinates."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def x(self, value: float) -> float:
        """Map a step to an SVG x coordinate."""
        return LEFT + (value - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        """Map a value to an SVG y coordinate, clamped to the plot area."""
        fraction = (value - self.y_low) / (self.y_high - self.y_low)
        return HEIGHT - BOTTOM - min(max(fraction, 0.0), 1.0) * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Sequence[Point]) -> str:
        """Format points as the `d` attribute of an SVG path."""
        places = (f"{self.x(x):.1f} {self.y(y):.1f}" for x, y in points)
        return "M" + "L".join(places)


def select_finite(points: Sequence[tuple[float, float | None]]) -> list[Point]:
    """Return the finite points, sorted by x."""
    return sorted((x, y) for x, y in points if y is not None and math.isfinite(x) and math.isfinite(y))


def bucket_points(points: Sequence[Point], buckets: int = MAX_BUCKETS) -> list[Bucket]:
    """Reduce a curve to at most `buckets` buckets with equal numbers of neighboring points."""
    size = max(1, math.ceil(len(points) / buckets))
    out = []
    for begin in range(0, len(points), size):
        xs, ys = zip(*points[begin : begin + size], strict=True)
        out.append(Bucket(sum(xs) / len(xs), sum(ys) / len(ys), min(ys), max(ys)))
    return out


def smooth(values: Sequence[float], radius_limit: int) -> list[float]:
    """Apply a centered moving average with up to `radius_limit` neighbors per side.

    Near the ends, the window shrinks on both sides equally, so that the curve is not shifted.
    """
    out = []
    for i in range(len(values)):
        radius = min(radius_limit, i, len(values) - 1 - i)
        out.append(sum(values[i - radius : i + radius + 1]) / (2 * radius + 1))
    return out


def make_ticks(low: float, high: float, target_count: int = 5) -> list[float]:
    """Return about `target_count` ticks in `low`..`high`: multiples of 1, 2 or 5 times a power of ten."""
    min_step = (high - low) / target_count
    power = 10.0 ** math.floor(math.log10(min_step))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= min_step * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [i * step for i in range(first, last + 1)]


def format_number(value: float) -> str:
    """Format a number for an axis: `0.25`, `1,500`, `20k`, `1.5M`."""
    for size, mark in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            unit = 1e6 if mark == "M" else 1e3
            return f"{value / unit:.3g}{mark}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def compute_range(values: Sequence[float]) -> tuple[float, float]:
    """Return the padded range of a value axis; it includes 0 unless all values are negative, and is never empty."""
    low, high = min(values), max(values)
    low = min(low, 0.0) if low >= 0 or high > 0 else low
    if high <= low:
        high = low + 1.0
    padding = 0.06 * (high - low)
    return (low - padding if low < 0 else low), high + padding


def render_loss_chart(name: str, points: Sequence[tuple[float, float | None]]) -> Markup:
    """Draw a loss over steps: the smoothed curve, and a band with the range of single steps; outliers are clipped."""
    buckets = bucket_points(select_finite(points))
    if not buckets:
        return Markup()
    means = smooth([b.y for b in buckets], len(buckets) // 24)
    lows, highs = sorted(b.low for b in buckets), sorted(b.high for b in buckets)
    outlier_count = len(buckets) // 20
    shown_values = [*(b.y for b in buckets), lows[outlier_count], highs[-1 - outlier_count]]
    axes = _make_axes([b.x for b in buckets], compute_range(shown_values))
    upper = [(b.x, b.high) for b in buckets]
    lower = [(b.x, b.low) for b in reversed(buckets)]
    smoothed_points = [(b.x, y) for b, y in zip(buckets, means, strict=True)]
    inner = (
        f'<path class="band" d="{axes.path([*upper, *lower])}Z"/>'
        if len(buckets) > 1
        else _render_dots(axes, smoothed_points)
    )
    inner += f'<path class="main" d="{axes.path(smoothed_points)}"/>'
    return _render_figure(axes, f"{name} over steps, at the end {format_number(means[-1])}", "value", inner)


def render_metric_chart(
    route: str,
    points: Sequence[tuple[float, float | None]],
    lines: Sequence[tuple[LineStyle, float | None]],
    best: float | None,
    metric: Metric,
) -> Markup:
    """Draw a metric of one route over steps, with horizontal lines for baselines and a ring at the step `best`."""
    shown_points = select_finite(points)
    if not shown_points:
        return Markup()
    levels = [(style, y) for style, y in lines if y is not None and math.isfinite(y)]
    axes = _make_axes(
        [0.0, *(x for x, _ in shown_points)], compute_range([*(y for _, y in shown_points), *(y for _, y in levels)])
    )
    inner = "".join(
        f'<path class="{style}" d="{axes.path([(axes.x_low, y), (axes.x_high, y)])}"/>' for style, y in levels
    )
    inner += f'<path class="main" d="{axes.path(shown_points)}"/>' + _render_dots(axes, shown_points)
    inner += "".join(
        f'<circle class="best" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="7"/>' for x, y in shown_points if x == best
    )
    label = f"{metric.short} of {route} over steps, at the end {format_number(shown_points[-1][1])}"
    return _render_figure(axes, label, metric.title, inner)


def render_swatch(style: str) -> Markup:
    """Draw a line sample for a legend."""
    inner = (
        '<circle class="best" cx="14" cy="6" r="4.5"/>' if style == "best" else f'<path class="{style}" d="M1 6H27"/>'
    )
    return Markup(f'<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true">{inner}</svg>')


def _make_axes(xs: Sequence[float], y_span: tuple[float, float]) -> Axes:
    low, high = min(xs), max(xs)
    return Axes(low, high if high > low else low + 1.0, *y_span)


def _render_dots(axes: Axes, points: Sequence[Point]) -> str:
    return "".join(f'<circle class="dot" cx="{axes.x(x):.1f}" cy="{axes.y(y):.1f}" r="3"/>' for x, y in points)


def _render_figure(axes: Axes, label: str, unit: str, inner: str) -> Markup:
    """Draw axes and `inner`; `unit` labels the value axis, `label` is the text for screen readers."""
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = []
    for value in make_ticks(axes.y_low, axes.y_high):
        y = axes.y(value)
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{right}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{format_number(value)}</text>')
    for value in make_ticks(axes.x_low, axes.x_high):
        x = axes.x(value)
        parts.append(f'<path class="axis" d="M{x:.1f} {bottom}v4"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 17}" text-anchor="middle">{format_number(value)}</text>')
    middle = (TOP + bottom) / 2
    parts.append(f'<path class="axis" d="M{LEFT} {bottom}H{right}"/>')
    parts.append(f'<text x="{(LEFT + right) / 2}" y="{HEIGHT - 6}" text-anchor="middle">steps</text>')
    parts.append(f'<text transform="translate(11 {middle}) rotate(-90)" text-anchor="middle">{escape(unit)}</text>')
    head = f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
    return Markup(f"{head}{''.join(parts)}{inner}</svg>")

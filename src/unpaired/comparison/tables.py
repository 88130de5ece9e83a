"""The tables of a comparison, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from unpaired.comparison import ranking
from unpaired.comparison.ranking import RankedMethod
from unpaired.comparison.result import Comparison, MethodResult
from unpaired.media.image import text_table
from unpaired.media.image.measurement import RouteMeasures
from unpaired.media.image.report_table import format_number
from unpaired.metrics.significance import finite_or_none

IDENTITY, REAL_HALVES = "doing nothing", "real to real"
SHORT_LABELS = {
    "kid": "KID",
    "fid": "FID",
    "feature_similarity": "kept: features",
    "edge_similarity": "kept: edges",
    "l1": "L1",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
}
"""Heads of columns in the order of importance; further measures follow by their own labels."""
Cells = list[str]


def build_methods_table(comparison: Comparison) -> list[Cells]:
    """Every method: its place by mean KID over all directions, how it was trained, what it costs; a head first."""
    directions = comparison.directions
    order = {s.method: s for s in ranking.rank_overall(comparison.results, directions)}
    has_audits = any(r.hidden for r in comparison.results)
    head = ["rank", "method", "mean KID", "content kept", "steps", "ms/step", "ms/item", "translating", "in all"]
    rows = [build_method_row(r, order.get(r.method), len(directions)) for r in sort_results(comparison.results, order)]
    measures = [m for d in directions for r in comparison.results if (m := r.get_route(d)) is not None]
    measures_by_route = list({m.route: m for m in measures}.values())
    kid = (
        ranking.mean_if_complete([finite_or_none(m.kid_baseline) for m in measures_by_route])
        if measures_by_route
        else None
    )
    table = [head, *rows, ["–", IDENTITY, format_number(kid, 1), "1.00", *["–"] * 5]]
    if not has_audits:
        return table
    hidden_fractions = {r.method: [h.fraction for h in r.hidden.values()] for r in comparison.results} | {
        IDENTITY: [0.0]
    }
    hidden = ["hidden", *(format_number(ranking.mean_if_complete(hidden_fractions[row[1]]), 2) for row in table[1:])]
    return [[*row[:4], cell, *row[4:]] for row, cell in zip(table, hidden, strict=True)]


def sort_results(results: Sequence[MethodResult], order: dict[str, RankedMethod]) -> list[MethodResult]:
    """By the overall ranking; then those that go one way only, then those that were not measured."""
    places = {name: i for i, name in enumerate(order)}
    return sorted(results, key=lambda r: (r.state != "done", places.get(r.method, len(places))))


def build_method_row(r: MethodResult, ranked: RankedMethod | None, direction_count: int) -> Cells:
    """One method's cells."""
    if r.state != "done":
        return ["–", r.method, r.state_label, "–", f"{r.steps:,}", *["–"] * 4]
    rank = str(ranked.rank) if ranked is not None and ranked.rank is not None else "–"
    kid = (
        format_with_error(ranked.kid, ranked.error, 1)
        if ranked is not None
        else format_partial_mean(r, direction_count)
    )
    kept_contents = [k for m in r.routes if (k := ranking.content_kept(m)) is not None]
    return [
        rank,
        r.method,
        kid,
        format_number(sum(kept_contents) / len(kept_contents) if kept_contents else None, 2),
        f"{r.steps:,}",
        format_number(1000 * r.step_s if r.step_s is not None else None, 0),
        format_number(1000 * r.translate_s if r.translate_s is not None else None, 1),
        f"{r.parameters:,}",
        f"{r.total_parameters:,}",
    ]


def format_partial_mean(r: MethodResult, direction_count: int) -> str:
    """Mean KID of a method that does not go every way."""
    kid = ranking.mean_if_complete([finite_or_none(m.kid) for m in r.routes])
    error = ranking.standard_error_of_mean([finite_or_none(m.kid_error) for m in r.routes])
    return f"{format_with_error(kid, error, 1)} ({len(r.routes)} of {direction_count} ways)"


def build_direction_table(comparison: Comparison, direction: str) -> list[Cells]:
    """The ranking of one direction with all measures that there are, and doing nothing in its place; a head first."""
    ranked_methods = ranking.rank_direction(comparison.results, direction)
    measures = [s.measures for s in ranked_methods if s.measures is not None]
    measured_rows = [c for c in text_table.ROWS if any(m.model_dump()[c.name] is not None for m in measures)]
    places = {name: i for i, name in enumerate(SHORT_LABELS)}
    columns = sorted(measured_rows, key=lambda c: places.get(c.name, len(places)))
    head = ["rank", "method", *(SHORT_LABELS.get(c.name, c.label) for c in columns)]
    rows: list[tuple[float, Cells]] = []
    for s in ranked_methods:
        if s.measures is not None:
            rank = str(s.rank) if s.rank is not None else "–"
            rows.append((s.kid if s.kid is not None else 0.0, [rank, s.method, *format_measures(s.measures, columns)]))
    if measures:
        first_measures = measures[0]
        identity_kid = finite_or_none(first_measures.kid_baseline)
        rows.append(
            (
                identity_kid if identity_kid is not None else 1e9,
                ["–", IDENTITY, *format_baseline(first_measures, columns, "baseline")],
            )
        )
        rows.sort(key=lambda pair: pair[0])
        rows.append((0.0, ["–", REAL_HALVES, *format_baseline(first_measures, columns, "real")]))
    hidden_by_method = {r.method: r.hidden[direction] for r in comparison.results if direction in r.hidden}
    if not hidden_by_method:
        return [head, *(row for _, row in rows)]
    hidden_cells = {name: format_with_error(h.fraction, h.error, 2) for name, h in hidden_by_method.items()} | {
        IDENTITY: "0.00"
    }
    return [[*head, "hidden"], *([*row, hidden_cells.get(row[1], "–")] for _, row in rows)]


def format_measures(m: RouteMeasures, columns: Sequence[text_table.MeasureRow]) -> Cells:
    """The measures of one method."""
    values = m.model_dump()
    return [format_with_error(values[c.name], values.get(f"{c.name}_error"), c.digits) for c in columns]


def format_baseline(m: RouteMeasures, columns: Sequence[text_table.MeasureRow], kind: str) -> Cells:
    """The same measures of untranslated items, or between real ones."""
    values = m.model_dump()
    constant = text_table.IDENTITY_VALUES if kind == "baseline" else {}
    return [format_number(values.get(f"{c.name}_{kind}", constant.get(c.name)), c.digits) for c in columns]


def format_with_error(value: float | None, error: float | None, digits: int) -> str:
    """A figure with its error, where that is known."""
    text_value = format_number(value, digits)
    return f"{text_value} ± {format_number(error, digits)}" if finite_or_none(error) is not None else text_value


def render_html(rows: Sequence[Cells], get_row_class: Callable[[Cells], str]) -> str:
    """A table with a head; `mark` gives a row's class."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "".join(
        f'<tr class="{get_row_class(row)}">'
        + "".join(
            f'<th scope="row">{escape(cell)}</th>' if i == 1 else f"<td>{escape(cell)}</td>"
            for i, cell in enumerate(row)
        )
        + "</tr>"
        for row in rows[1:]
    )
    return (
        f'<div class="scroll"><table class="ranked"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def format_text(rows: Sequence[Cells]) -> str:
    """A table for a terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        parts = [c.ljust(w) if i == 1 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)

"""The tables of a comparison, for the page and for the terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape

from unpaired.comparison import ranking
from unpaired.comparison.ranking import Standing
from unpaired.comparison.result import Comparison, Result
from unpaired.evaluation import table
from unpaired.evaluation.measure import RouteMeasures
from unpaired.evaluation.standing import finite
from unpaired.report.table import number

NOTHING, REAL = "doing nothing", "real to real"
SHORT = {
    "kid": "KID",
    "fid": "FID",
    "kept_features": "kept: features",
    "kept_edges": "kept: edges",
    "l1": "L1",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
}
"""Heads of columns in the order of importance; further measures follow by their own labels."""
Cells = list[str]


def methods(comparison: Comparison) -> list[Cells]:
    """Every method: its place by mean KID over all directions, how it was trained, what it costs; a head first."""
    directions = comparison.directions
    order = {s.method: s for s in ranking.overall(comparison.results, directions)}
    audited = any(r.hidden for r in comparison.results)
    head = ["rank", "method", "mean KID", "content kept", "steps", "ms/step", "ms/item", "translating", "in all"]
    rows = [method_row(r, order.get(r.method), len(directions)) for r in in_order(comparison.results, order)]
    nothing = [m for d in directions for r in comparison.results if (m := r.route(d)) is not None]
    first = list({m.route: m for m in nothing}.values())
    kid = ranking.mean([finite(m.kid_nothing) for m in first]) if first else None
    table = [head, *rows, ["–", NOTHING, number(kid, 1), "1.00", *["–"] * 5]]
    if not audited:
        return table
    shares = {r.method: [h.share for h in r.hidden.values()] for r in comparison.results} | {NOTHING: [0.0]}
    hidden = ["hidden", *(number(ranking.mean(shares[row[1]]), 2) for row in table[1:])]
    return [[*row[:4], cell, *row[4:]] for row, cell in zip(table, hidden, strict=True)]


def in_order(results: Sequence[Result], order: dict[str, Standing]) -> list[Result]:
    """By the overall ranking; then those that go one way only, then those that were not measured."""
    places = {name: i for i, name in enumerate(order)}
    return sorted(results, key=lambda r: (r.state != "done", places.get(r.method, len(places))))


def method_row(r: Result, standing: Standing | None, ways: int) -> Cells:
    """One method's cells."""
    if r.state != "done":
        return ["–", r.method, r.state_in_words, "–", f"{r.steps:,}", *["–"] * 4]
    rank = str(standing.rank) if standing is not None and standing.rank is not None else "–"
    kid = plus_minus(standing.kid, standing.error, 1) if standing is not None else some_ways(r, ways)
    keeps = [k for m in r.routes if (k := ranking.kept(m)) is not None]
    return [
        rank,
        r.method,
        kid,
        number(sum(keeps) / len(keeps) if keeps else None, 2),
        f"{r.steps:,}",
        number(1000 * r.step_s if r.step_s is not None else None, 0),
        number(1000 * r.translate_s if r.translate_s is not None else None, 1),
        f"{r.parameters:,}",
        f"{r.parameters_all:,}",
    ]


def some_ways(r: Result, ways: int) -> str:
    """Mean KID of a method that does not go every way."""
    kid = ranking.mean([finite(m.kid) for m in r.routes])
    error = ranking.error_of_mean([finite(m.kid_error) for m in r.routes])
    return f"{plus_minus(kid, error, 1)} ({len(r.routes)} of {ways} ways)"


def direction(comparison: Comparison, words: str) -> list[Cells]:
    """The ranking of one direction with all measures that there are, and doing nothing in its place; a head first."""
    standings = ranking.in_direction(comparison.results, words)
    measures = [s.measures for s in standings if s.measures is not None]
    known = [c for c in table.ROWS if any(m.model_dump()[c.name] is not None for m in measures)]
    places = {name: i for i, name in enumerate(SHORT)}
    columns = sorted(known, key=lambda c: places.get(c.name, len(places)))
    head = ["rank", "method", *(SHORT.get(c.name, c.label) for c in columns)]
    rows: list[tuple[float, Cells]] = []
    for s in standings:
        if s.measures is not None:
            rank = str(s.rank) if s.rank is not None else "–"
            rows.append((s.kid if s.kid is not None else 0.0, [rank, s.method, *cells(s.measures, columns)]))
    if measures:
        one = measures[0]
        nothing = finite(one.kid_nothing)
        rows.append((nothing if nothing is not None else 1e9, ["–", NOTHING, *baseline(one, columns, "nothing")]))
        rows.sort(key=lambda pair: pair[0])
        rows.append((0.0, ["–", REAL, *baseline(one, columns, "real")]))
    found = {r.method: r.hidden[words] for r in comparison.results if words in r.hidden}
    if not found:
        return [head, *(row for _, row in rows)]
    shown = {name: plus_minus(h.share, h.error, 2) for name, h in found.items()} | {NOTHING: "0.00"}
    return [[*head, "hidden"], *([*row, shown.get(row[1], "–")] for _, row in rows)]


def cells(m: RouteMeasures, columns: Sequence[table.Row]) -> Cells:
    """The measures of one method."""
    values = m.model_dump()
    return [plus_minus(values[c.name], values.get(f"{c.name}_error"), c.digits) for c in columns]


def baseline(m: RouteMeasures, columns: Sequence[table.Row], kind: str) -> Cells:
    """The same measures of untranslated items, or between real ones."""
    values = m.model_dump()
    constant = table.DOING_NOTHING if kind == "nothing" else {}
    return [number(values.get(f"{c.name}_{kind}", constant.get(c.name)), c.digits) for c in columns]


def plus_minus(value: float | None, error: float | None, digits: int) -> str:
    """A figure with its error, where that is known."""
    shown = number(value, digits)
    return f"{shown} ± {number(error, digits)}" if finite(error) is not None else shown


def html(rows: Sequence[Cells], mark: Callable[[Cells], str]) -> str:
    """A table with a head; `mark` gives a row's class."""
    head = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in rows[0])
    body = "".join(
        f'<tr class="{mark(row)}">'
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


def text(rows: Sequence[Cells]) -> str:
    """A table for a terminal."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        parts = [c.ljust(w) if i == 1 else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(parts).rstrip())
    return "\n".join(lines)

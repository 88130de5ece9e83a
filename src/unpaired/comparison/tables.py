"""Tables of a comparison for the page and for the terminal, generated from the declarations of the medium's metrics."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from unpaired.comparison import ranking
from unpaired.comparison.ranking import RankedMethod
from unpaired.comparison.result import Comparison, MethodResult
from unpaired.comparison.seed_means import measure_overall_spread
from unpaired.metrics.base import (
    DOING_NOTHING,
    Baseline,
    Metric,
    RouteEvaluation,
    SummaryColumn,
    average_with_error,
    mean_if_complete,
)
from unpaired.metrics.route_table import select_baselines, select_metrics
from unpaired.text_columns import format_columns

MISSING = "–"
Style = Literal["first", "ranks", "none", "nothing", "real"]


@dataclass(frozen=True)
class Row:
    """Table row; `style` distinguishes the best method, methods with and without a rank, baselines and references."""

    cells: list[str]
    style: Style


@dataclass(frozen=True)
class Table:
    """Table with the rank in its first column and the method in its second."""

    head: list[str]
    rows: list[Row]


def build_methods_table(comparison: Comparison) -> Table:
    """Build the table of all methods (rank by the mean over all directions, metrics, training, cost) and baselines."""
    medium, judges = comparison.get_medium(), ranking.choose_judges(comparison)
    order = {m.method: m for m in ranking.rank_overall(comparison.results, comparison.directions, judges)}
    has_audits = any(r.hidden for r in comparison.results)
    head = ["rank", "method", *(f"mean {m.short}{f', {m.unit}' if m.unit else ''}" for m in judges)]
    head += [column.label for column in medium.summary_columns] + ["hidden"] * has_audits
    head += ["seeds"] * comparison.has_spread
    head += ["steps", "ms/step", "ms/item", "parameters to translate", "all parameters"]
    rows = [
        _build_method_row(comparison, r, order.get(r.method), judges, has_audits)
        for r in sort_results(comparison.results, [*order])
    ]
    for baseline in select_baselines(medium, judges, comparison.get_routes()):
        rows.append(_build_baseline_row(comparison, baseline, judges, has_audits))
    return Table(head, rows)


def sort_results(results: Sequence[MethodResult], order: Sequence[str]) -> list[MethodResult]:
    """Sort methods by the overall ranking, followed by methods of some directions only, and unmeasured methods."""
    places = {name: i for i, name in enumerate(order)}
    return sorted(results, key=lambda r: (r.state != "done", places.get(r.method, len(places))))


def _build_method_row(
    comparison: Comparison, r: MethodResult, ranked: RankedMethod | None, judges: Sequence[Metric], has_audits: bool
) -> Row:
    columns = comparison.get_medium().summary_columns
    if r.state != "done":
        empty = [MISSING] * (len(judges) - 1 + len(columns) + has_audits + comparison.has_spread)
        return Row([MISSING, r.method, r.state_label, *empty, f"{r.steps:,}", *[MISSING] * 4], "none")
    hidden = [format_number(mean_if_complete([h.fraction for h in r.hidden.values()]), 2)] if has_audits else []
    cells = [
        MISSING if ranked is None or ranked.rank is None else str(ranked.rank),
        r.method,
        *(_format_mean(r, comparison.directions, metric) for metric in judges),
        *(_format_summary(column, r.routes) for column in columns),
        *hidden,
        *([_format_seed_count(r)] if comparison.has_spread else []),
        f"{r.steps:,}",
        format_number(1000 * r.step_s if r.step_s is not None else None, 0),
        format_number(1000 * r.translate_s if r.translate_s is not None else None, 1),
        f"{r.parameters:,}",
        f"{r.total_parameters:,}",
    ]
    return Row(cells, _get_style(cells[0]))


def _build_baseline_row(comparison: Comparison, baseline: Baseline, judges: Sequence[Metric], has_audits: bool) -> Row:
    medium, directions = comparison.get_medium(), comparison.directions
    values = [[comparison.get_baseline(d, baseline.name, metric) for d in directions] for metric in judges]
    means = [m.format(mean_if_complete(found), MISSING) for m, found in zip(judges, values, strict=True)]
    summary = [
        mean_if_known([comparison.get_baseline(d, baseline.name, m) for d in directions for m in column.metrics])
        for column in medium.summary_columns
    ]
    figures = [format_number(v, c.digits) for v, c in zip(summary, medium.summary_columns, strict=True)]
    hidden = ["0.00" if baseline.name == DOING_NOTHING else MISSING] * has_audits
    costs = [MISSING] * (5 + comparison.has_spread)
    cells = [MISSING, baseline.name, *means, *figures, *hidden, *costs]
    return Row(cells, "real" if baseline.is_reference else "nothing")


def _format_mean(r: MethodResult, directions: Sequence[str], metric: Metric) -> str:
    """Format the mean over a method's routes; append their number if it does not support all directions."""
    value, error = average_with_error(r.routes, metric)
    spread = measure_overall_spread(r, [route.route for route in r.routes], metric)
    partial = f" ({len(r.routes)} of {len(directions)} directions)" if len(r.routes) < len(directions) else ""
    return f"{format_with_error(value, error if spread is None else spread, metric)}{partial}"


def _format_seed_count(r: MethodResult) -> str:
    """Format the number of finished runs of a method, and the number of all if it is larger."""
    return f"{r.finished_seeds} of {len(r.seeds)}" if r.finished_seeds < len(r.seeds) else f"{len(r.seeds)}"


def _format_summary(column: SummaryColumn, routes: Sequence[RouteEvaluation]) -> str:
    return format_number(mean_if_known([r.value(m) for r in routes for m in column.metrics]), column.digits)


def build_direction_table(comparison: Comparison, direction: str) -> Table:
    """Build the ranking of one direction with all measured metrics; baselines without training are sorted in."""
    medium, judges = comparison.get_medium(), ranking.choose_judges(comparison)
    metric = judges[0]
    routes = comparison.get_routes(direction)
    metrics = select_metrics(medium, routes)
    placed: list[tuple[float, Row]] = []
    references: list[Row] = []
    for m in ranking.rank_direction(comparison.results, direction, judges):
        assert m.route is not None
        cells = [MISSING if m.rank is None else str(m.rank), m.method]
        cells += [format_with_error(m.route.value(x), m.route.uncertainty(x), x) for x in metrics]
        placed.append((math.inf if m.value is None else metric.loss(m.value), Row(cells, _get_style(cells[0]))))
    for b in select_baselines(medium, metrics, routes):
        values = [comparison.get_baseline(direction, b.name, x) for x in metrics]
        cells = [MISSING, b.name, *(x.format(value, MISSING) for x, value in zip(metrics, values, strict=True))]
        value = comparison.get_baseline(direction, b.name, metric)
        if b.is_reference:
            references.append(Row(cells, "real"))
        else:
            placed.append((math.inf if value is None else metric.loss(value), Row(cells, "nothing")))
    head = ["rank", "method", *(f"{x.short}{f', {x.unit}' if x.unit else ''}" for x in metrics)]
    table = Table(head, [row for _, row in sorted(placed, key=lambda pair: pair[0])] + references)
    return _add_hidden(comparison, direction, table)


def _add_hidden(comparison: Comparison, direction: str, table: Table) -> Table:
    """Add a column of hidden information if a method was audited."""
    hidden = {r.method: r.hidden[direction] for r in comparison.results if direction in r.hidden}
    if not hidden:
        return table
    cells = {name: f"{h.fraction:.2f} ± {h.error:.2f}" for name, h in hidden.items()} | {DOING_NOTHING: "0.00"}
    rows = [Row([*row.cells, cells.get(row.cells[1], MISSING)], row.style) for row in table.rows]
    return Table([*table.head, "hidden"], rows)


def mean_if_known(values: Sequence[float | None]) -> float | None:
    """Return the mean of the known values; None if there are none."""
    return mean_if_complete([value for value in values if value is not None])


def format_number(value: float | None, digits: int) -> str:
    """Format a number; a dash if it is None or not finite."""
    return MISSING if value is None or not math.isfinite(value) else f"{value:.{digits}f}"


def format_with_error(value: float | None, error: float | None, metric: Metric) -> str:
    """Format a value with its standard error or spread, if known."""
    text = metric.format(value, MISSING)
    return text if error is None else f"{text} ± {error:.{metric.digits}f}"


def format_text(table: Table, max_width: int | None = None) -> str:
    """Format a table for a terminal; if it is wider than `max_width` characters, in several parts."""
    return format_columns(table.head, [row.cells for row in table.rows], left=1, max_width=max_width)


def _get_style(rank: str) -> Style:
    return {"1": "first", MISSING: "none"}.get(rank, "ranks")  # type: ignore[return-value]

"""Format evaluations as text tables for a terminal, in one layout for every medium."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unpaired.metrics.base import Evaluation, Metric
from unpaired.metrics.few_items import describe_few_items
from unpaired.metrics.route_table import (
    TRANSLATED,
    RouteTable,
    TableRow,
    build_route_tables,
    list_definitions,
    list_notes,
)

if TYPE_CHECKING:
    from unpaired.media.base import Medium


def format_evaluation(medium: Medium, evaluation: Evaluation, with_definitions: bool = False) -> str:
    """Format an evaluation: a line on the run and its items, a table and a verdict per route, and remarks.

    With `with_definitions`, the definitions of the metrics follow.
    """
    head = f"{evaluation.run}, the {evaluation.checkpoint} checkpoint (step {evaluation.step}), on {evaluation.items}"
    tables = [
        f"{format_table(table)}\n  verdict: {medium.describe_route(route)}"
        for table, route in zip(build_route_tables(medium, evaluation.routes), evaluation.routes, strict=True)
    ]
    definitions = list_definitions(medium, evaluation.routes) if with_definitions else list_notes(evaluation.routes)
    parts = [head, *tables, describe_few_items(evaluation.routes), "\n".join(definitions)]
    return "\n\n".join(part for part in parts if part)


def format_table(table: RouteTable) -> str:
    """Format the metrics of a route."""
    cells = [["", TRANSLATED, *table.columns, "better"], *(_format_row(row) for row in table.rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [f"{table.route} ({table.counts})"]
    for label, *figures in cells:
        padded = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        lines.append("  ".join(["", label.ljust(widths[0]), *padded]).rstrip())
    return "\n".join(lines)


def _format_row(row: TableRow) -> list[str]:
    error = "" if row.error is None else f" +- {row.error:.{row.metric.digits}f}"
    baselines = (row.metric.format(value) for value in row.baselines)
    return [row.metric.title, row.metric.format(row.value) + error, *baselines, _format_better(row.metric)]


def _format_better(metric: Metric) -> str:
    return metric.scale or {"zero": "0", "one": "1", "none": ""}.get(metric.better, metric.better)

"""Format evaluations as text tables for a terminal, in one layout for every medium."""

from __future__ import annotations

import textwrap
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
from unpaired.text_columns import format_columns, measure_text_width

if TYPE_CHECKING:
    from unpaired.media.base import Medium

INDENT = "  "
"""Indentation of a table below the name of its route."""


def format_evaluation(
    medium: Medium, evaluation: Evaluation, with_definitions: bool = False, max_width: int | None = None
) -> str:
    """Format an evaluation: a line on the run and its items, a table and a verdict per route, and remarks.

    With `with_definitions`, the definitions of the metrics follow. `max_width`: see `format_table`.
    """
    head = f"{evaluation.run}, the {evaluation.checkpoint} checkpoint (step {evaluation.step}), on {evaluation.items}"
    tables = [
        f"{format_table(table, max_width)}\n  verdict: {medium.describe_route(route)}"
        for table, route in zip(build_route_tables(medium, evaluation.routes), evaluation.routes, strict=True)
    ]
    definitions = list_definitions(medium, evaluation.routes) if with_definitions else list_notes(evaluation.routes)
    parts = [head, *tables, describe_few_items(evaluation.routes), "\n".join(definitions)]
    return "\n\n".join(part for part in parts if part)


def format_table(table: RouteTable, max_width: int | None = None) -> str:
    """Format the metrics of a route.

    If lines are longer than `max_width` characters, the last column, which values are better, is left out.
    """
    head, rows = ["", TRANSLATED, *table.columns, "better"], [_format_row(row) for row in table.rows]
    text = format_columns(head, rows, left=0)
    if max_width is not None and measure_text_width(text) + len(INDENT) > max_width:
        text = format_columns(head[:-1], [row[:-1] for row in rows], left=0, max_width=max_width - len(INDENT))
    return f"{table.route} ({table.counts})\n{textwrap.indent(text, INDENT)}"


def _format_row(row: TableRow) -> list[str]:
    error = "" if row.error is None else f" +- {row.error:.{row.metric.digits}f}"
    baselines = (row.metric.format(value) for value in row.baselines)
    return [row.metric.title, row.metric.format(row.value) + error, *baselines, _format_better(row.metric)]


def _format_better(metric: Metric) -> str:
    return metric.scale or {"zero": "0", "one": "1", "none": ""}.get(metric.better, metric.better)

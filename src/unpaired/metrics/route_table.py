"""Table of the metrics of each route, and their definitions, generated from a medium's declarations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unpaired.metrics.base import DOING_NOTHING, Baseline, Metric, RouteEvaluation

if TYPE_CHECKING:
    from unpaired.media.base import Medium

TRANSLATED = "translated"
"""Heading of the column with the metrics of the run's translations."""


@dataclass(frozen=True)
class TableRow:
    """One metric of a route with its baselines. `is_better`: than the unchanged input; None if that is unknown."""

    metric: Metric
    value: float | None
    error: float | None
    baselines: tuple[float | None, ...]
    is_better: bool | None


@dataclass(frozen=True)
class RouteTable:
    """Table of one route; `counts` describes the number of measured items, `columns` names the baselines."""

    route: str
    counts: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def select_metrics(medium: Medium, routes: Sequence[RouteEvaluation]) -> list[Metric]:
    """Return the medium's metrics that at least one route has, for the translations or for a baseline."""
    measured = {name for r in routes for values in (r.values, *r.baselines.values()) for name in values}
    return [metric for metric in medium.metrics if metric.name in measured]


def select_baselines(medium: Medium, metrics: Sequence[Metric], routes: Sequence[RouteEvaluation]) -> list[Baseline]:
    """Return the medium's baselines that have a value for at least one of the metrics."""
    return [
        b for b in medium.baselines if any(r.baseline(b.name, metric) is not None for r in routes for metric in metrics)
    ]


def build_route_tables(medium: Medium, routes: Sequence[RouteEvaluation]) -> list[RouteTable]:
    """Build one table per route, all with the same columns: a row per measured metric, a column per baseline."""
    baselines = select_baselines(medium, select_metrics(medium, routes), routes)
    return [_build_route_table(medium, route, baselines) for route in routes]


def _build_route_table(medium: Medium, route: RouteEvaluation, baselines: Sequence[Baseline]) -> RouteTable:
    rows = tuple(
        TableRow(
            metric,
            route.value(metric),
            route.error(metric),
            tuple(route.baseline(b.name, metric) for b in baselines),
            _is_better_than_nothing(metric, route),
        )
        for metric in select_metrics(medium, [route])
    )
    return RouteTable(route.route, describe_counts(medium, route), tuple(b.name for b in baselines), rows)


def describe_counts(medium: Medium, route: RouteEvaluation) -> str:
    """Describe the number of measured items of a route, and the number of available ones if it is larger."""
    available = f" of {route.available:,}" if route.available > route.sources else ""
    pairs = f", {route.pairs:,} true pairs" if route.pairs else ""
    return f"{route.sources:,}{available} {medium.files_noun} translated, {route.targets:,} of the target{pairs}"


def list_definitions(medium: Medium, routes: Sequence[RouteEvaluation]) -> list[str]:
    """Return one line per definition for these routes: metrics, baselines, networks, then notes."""
    metrics = select_metrics(medium, routes)
    labels: dict[str, list[str]] = {}
    for metric in metrics:
        labels.setdefault(metric.definition, []).append(metric.label)
    lines = [f"{', '.join(names)}: {definition}" for definition, names in labels.items()]
    lines += [f"{b.name}: {b.definition}" for b in select_baselines(medium, metrics, routes)]
    lines += dict.fromkeys(f"{what}: {name}" for r in routes for what, name in r.networks.items())
    return [*map(_end_sentence, lines), *list_notes(routes)]


def list_notes(routes: Sequence[RouteEvaluation]) -> list[str]:
    """Return the remarks on the metrics of these routes, without duplicates."""
    return [_end_sentence(note) for note in dict.fromkeys(note for r in routes for note in r.notes)]


def _end_sentence(line: str) -> str:
    return line if line.endswith(".") else f"{line}."


def _is_better_than_nothing(metric: Metric, route: RouteEvaluation) -> bool | None:
    value, nothing = route.value(metric), route.baselines.get(DOING_NOTHING, {}).get(metric.name)
    if value is None or nothing is None or value == nothing or metric.better not in ("lower", "higher"):
        return None
    return metric.is_better(value, nothing)

"""The table of one route and the meaning of its figures, drawn from the declarations of a medium's metrics."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unpaired.metrics.base import DO_NOTHING, Baseline, Metric, RouteEvaluation

if TYPE_CHECKING:
    from unpaired.media.base import Medium

TRANSLATED = "translated"
"""Heading of the run's own figures."""


@dataclass(frozen=True)
class TableRow:
    """A metric of a route with the baselines beside it. `is_better`: than doing nothing, where that was measured."""

    metric: Metric
    value: float | None
    error: float | None
    baselines: tuple[float | None, ...]
    is_better: bool | None


@dataclass(frozen=True)
class RouteTable:
    """The rows of a route; `counts` says on how many items they were measured."""

    route: str
    counts: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def select_metrics(medium: Medium, routes: Sequence[RouteEvaluation]) -> list[Metric]:
    """Return the medium's metrics that were measured on some route, of the translations or of a baseline."""
    measured = {name for r in routes for values in (r.values, *r.baselines.values()) for name in values}
    return [metric for metric in medium.metrics if metric.name in measured]


def select_baselines(medium: Medium, metrics: Sequence[Metric], routes: Sequence[RouteEvaluation]) -> list[Baseline]:
    """Return the medium's baselines that have a value of one of the metrics."""
    return [
        b for b in medium.baselines if any(r.baseline(b.name, metric) is not None for r in routes for metric in metrics)
    ]


def build_route_tables(medium: Medium, routes: Sequence[RouteEvaluation]) -> list[RouteTable]:
    """Lay out routes with equal columns: a row for each metric that was measured, a column for each baseline."""
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
    """Say on how many items a route was measured, and of how many that there are."""
    available = f" of {route.available:,}" if route.available > route.sources else ""
    pairs = f", {route.pairs:,} true pairs" if route.pairs else ""
    return f"{route.sources:,}{available} {medium.files_noun} translated, {route.targets:,} of the target{pairs}"


def list_definitions(medium: Medium, routes: Sequence[RouteEvaluation]) -> list[str]:
    """Say what the figures of these routes mean, a line each: metrics, baselines, networks, then notes."""
    metrics = select_metrics(medium, routes)
    labels: dict[str, list[str]] = {}
    for metric in metrics:
        labels.setdefault(metric.definition, []).append(metric.label)
    lines = [f"{', '.join(names)}: {definition}" for definition, names in labels.items()]
    lines += [f"{b.name}: {b.definition}" for b in select_baselines(medium, metrics, routes)]
    lines += dict.fromkeys(f"{what}: {name}" for r in routes for what, name in r.networks.items())
    lines += dict.fromkeys(note for r in routes for note in r.notes)
    return [line if line.endswith(".") else f"{line}." for line in lines]


def _is_better_than_nothing(metric: Metric, route: RouteEvaluation) -> bool | None:
    value, nothing = route.value(metric), route.baselines.get(DO_NOTHING, {}).get(metric.name)
    if value is None or nothing is None or value == nothing or metric.better not in ("lower", "higher"):
        return None
    return metric.is_better(value, nothing)

"""Ranking of methods by a metric; methods without a significant difference share a rank.

A difference between two methods is significant if it exceeds twice its standard error, sqrt(a^2 + b^2). This is
conservative because both were measured against the same real items. A metric without standard errors has a relative
tolerance instead. If methods were trained with several seeds, the difference must also exceed the combined standard
deviation over seeds. The rank of a method is one more than the number of significantly better methods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unpaired.comparison.result import Comparison, MethodResult
from unpaired.comparison.seed_means import measure_overall_spread
from unpaired.metrics.base import Metric, RouteEvaluation, mean_if_complete
from unpaired.metrics.significance import significantly_better


@dataclass(frozen=True)
class RankedMethod:
    """Method in the ranking of one direction, or of all (`route` is None); `rank` is None without a value.

    `spread` is the standard deviation over seeds; None for a single run.
    """

    method: str
    value: float | None
    error: float | None
    route: RouteEvaluation | None = None
    rank: int | None = None
    spread: float | None = None


def choose_ranking_metric(comparison: Comparison) -> Metric:
    """Return the first of the medium's ranking metrics that all measured routes have, else the last."""
    metrics, routes = comparison.get_medium().ranking_metrics, comparison.get_routes()
    return next((m for m in metrics if routes and all(r.value(m) is not None for r in routes)), metrics[-1])


def assign_ranks(methods: Sequence[RankedMethod], metric: Metric) -> list[RankedMethod]:
    """Return the methods with ranks, from best to worst; methods without a value come last."""
    ranked = [
        replace(m, rank=None if m.value is None else 1 + sum(is_significantly_better(o, m, metric) for o in methods))
        for m in methods
    ]
    return sorted(ranked, key=lambda m: math.inf if m.value is None else metric.loss(m.value))


def is_significantly_better(method: RankedMethod, other: RankedMethod, metric: Metric) -> bool:
    """Return whether a method is significantly better than another; False if a value is missing."""
    if method.value is None or other.value is None:
        return False
    spreads = (method.spread, other.spread)
    return significantly_better(metric, method.value, other.value, method.error, other.error, spreads=spreads)


def is_tied(best: RankedMethod, other: RankedMethod, metric: Metric) -> bool:
    """Return whether `other` is not significantly worse than `best`; False if a value is missing."""
    return None not in (best.value, other.value) and not is_significantly_better(best, other, metric)


def rank_direction(results: Sequence[MethodResult], direction: str, metric: Metric) -> list[RankedMethod]:
    """Rank the measured methods of one direction."""
    routes = [(r.method, route) for r in results if (route := r.get_route(direction)) is not None]
    methods = [
        RankedMethod(name, route.value(metric), route.error(metric), route, spread=route.spread(metric))
        for name, route in routes
    ]
    return assign_ranks(methods, metric)


def rank_overall(results: Sequence[MethodResult], directions: Sequence[str], metric: Metric) -> list[RankedMethod]:
    """Rank the methods that support all directions by their mean over the directions."""
    methods = []
    for result in results:
        routes = [route for d in directions if (route := result.get_route(d)) is not None]
        if directions and len(routes) == len(directions):
            value, error = average_with_error(routes, metric)
            spread = measure_overall_spread(result, directions, metric)
            methods.append(RankedMethod(result.method, value, error, spread=spread))
    return assign_ranks(methods, metric)


def average_with_error(routes: Sequence[RouteEvaluation], metric: Metric) -> tuple[float | None, float | None]:
    """Return the mean of a metric over routes and its standard error; each is None unless all routes have one."""
    errors = [error for r in routes if (error := r.error(metric)) is not None]
    error = math.hypot(*errors) / len(errors) if errors and len(errors) == len(routes) else None
    return mean_if_complete([r.value(metric) for r in routes]), error

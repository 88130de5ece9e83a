"""Ranking of methods by a metric; methods without a significant difference share a rank.

A difference between two methods is significant if it exceeds twice its standard error, sqrt(a^2 + b^2). This is
conservative because both were measured against the same real items. A metric without standard errors has a relative
tolerance instead. If a medium has several independent judges (metrics of one kind by different networks), a method is
better than another if one judge finds it significantly better and no judge finds it significantly worse. The rank of a
method is one more than the number of significantly better methods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from unpaired.comparison.result import Comparison, MethodResult
from unpaired.metrics.base import Metric, RouteEvaluation, average_with_error
from unpaired.metrics.significance import Judgement, better_by_all_judges


@dataclass(frozen=True)
class RankedMethod:
    """Method in the ranking of one direction, or of all (`route` is None); `rank` is None without a value.

    `others` are the values and standard errors of further judges.
    """

    method: str
    value: float | None
    error: float | None
    route: RouteEvaluation | None = None
    rank: int | None = None
    others: tuple[tuple[Metric, float | None, float | None], ...] = ()


def choose_ranking_metric(comparison: Comparison) -> Metric:
    """Return the first of the medium's ranking metrics that all measured routes have, else the last."""
    metrics, routes = comparison.get_medium().ranking_metrics, comparison.get_routes()
    return next((m for m in metrics if routes and all(r.value(m) is not None for r in routes)), metrics[-1])


def choose_judges(comparison: Comparison) -> tuple[Metric, ...]:
    """Return the ranking metric and the medium's further judges of its kind that all measured routes have."""
    metric, routes = choose_ranking_metric(comparison), comparison.get_routes()
    judges = comparison.get_medium().judge_metrics
    if metric not in judges:
        return (metric,)
    return (metric, *(m for m in judges if m is not metric and all(r.value(m) is not None for r in routes)))


def assign_ranks(methods: Sequence[RankedMethod], metric: Metric) -> list[RankedMethod]:
    """Return the methods with ranks, from best to worst; methods without a value come last."""
    ranked = [
        replace(m, rank=None if m.value is None else 1 + sum(is_significantly_better(o, m, metric) for o in methods))
        for m in methods
    ]
    return sorted(ranked, key=lambda m: (m.rank or math.inf, math.inf if m.value is None else metric.loss(m.value)))


def is_significantly_better(method: RankedMethod, other: RankedMethod, metric: Metric) -> bool:
    """Return whether a method is significantly better than another by all judges; False if a value is missing."""
    if method.value is None or other.value is None:
        return False
    judgements = [Judgement(metric, method.value, other.value, (method.error, other.error))]
    for (judge, value, error), (_, other_value, other_error) in zip(method.others, other.others, strict=True):
        if value is not None and other_value is not None:
            judgements.append(Judgement(judge, value, other_value, (error, other_error)))
    return better_by_all_judges(judgements)


def is_tied(best: RankedMethod, other: RankedMethod, metric: Metric) -> bool:
    """Return whether `other` is not significantly worse than `best`; False if a value is missing."""
    return None not in (best.value, other.value) and not is_significantly_better(best, other, metric)


def rank_direction(results: Sequence[MethodResult], direction: str, judges: Sequence[Metric]) -> list[RankedMethod]:
    """Rank the measured methods of one direction; `judges` are the ranking metric and further judges."""
    routes = [(r.method, route) for r in results if (route := r.get_route(direction)) is not None]
    return assign_ranks([_create_ranked(name, [route], judges, route) for name, route in routes], judges[0])


def rank_overall(
    results: Sequence[MethodResult], directions: Sequence[str], judges: Sequence[Metric]
) -> list[RankedMethod]:
    """Rank the methods that support all directions by their mean over the directions."""
    methods = []
    for result in results:
        routes = [route for d in directions if (route := result.get_route(d)) is not None]
        if directions and len(routes) == len(directions):
            methods.append(_create_ranked(result.method, routes, judges))
    return assign_ranks(methods, judges[0])


def _create_ranked(
    name: str, routes: Sequence[RouteEvaluation], judges: Sequence[Metric], route: RouteEvaluation | None = None
) -> RankedMethod:
    value, error = average_with_error(routes, judges[0])
    others = tuple((metric, *average_with_error(routes, metric)) for metric in judges[1:])
    return RankedMethod(name, value, error, route, others=others)

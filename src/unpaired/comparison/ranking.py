"""Ranking of methods by a metric; methods without a significant difference share a rank.

A difference between two methods is significant if it exceeds twice its standard error, sqrt(a^2 + b^2). This is
conservative because both were measured against the same real items. A metric without standard errors has a relative
tolerance instead. If methods were trained with several seeds, the difference must also exceed the combined standard
deviation over seeds. If a medium has several independent judges (metrics of one kind by different networks), a method
is better than another if one judge finds it significantly better and no judge finds it significantly worse. The rank of
a method is one more than the number of significantly better methods.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from unpaired.comparison.result import Comparison, MethodResult
from unpaired.comparison.seed_means import measure_overall_spread
from unpaired.metrics.base import Metric, RouteEvaluation, average_with_error
from unpaired.metrics.significance import Judgement, better_by_all_judges


class Score(NamedTuple):
    """Value of one judge, its standard error, and its standard deviation over seeds (None for a single run)."""

    metric: Metric
    value: float | None
    error: float | None
    spread: float | None = None


@dataclass(frozen=True)
class RankedMethod:
    """Method in the ranking of one direction, or of all (`route` is None); `rank` is None without a value.

    `spread` is the standard deviation over seeds; None for a single run. `others` are the scores of further judges.
    """

    method: str
    value: float | None
    error: float | None
    route: RouteEvaluation | None = None
    rank: int | None = None
    spread: float | None = None
    others: tuple[Score, ...] = ()

    def get_score(self, metric: Metric) -> Score:
        """Return the score of the ranking metric."""
        return Score(metric, self.value, self.error, self.spread)


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
    judgements = [_compare_scores(method.get_score(metric), other.get_score(metric))]
    judgements += [_compare_scores(a, b) for a, b in zip(method.others, other.others, strict=True)]
    return better_by_all_judges([judgement for judgement in judgements if judgement is not None])


def is_tied(best: RankedMethod, other: RankedMethod, metric: Metric) -> bool:
    """Return whether `other` is not significantly worse than `best`; False if a value is missing."""
    return None not in (best.value, other.value) and not is_significantly_better(best, other, metric)


def rank_direction(results: Sequence[MethodResult], direction: str, judges: Sequence[Metric]) -> list[RankedMethod]:
    """Rank the measured methods of one direction; `judges` are the ranking metric and further judges."""
    routes = [(r.method, route) for r in results if (route := r.get_route(direction)) is not None]
    ranked = [
        _create_ranked(name, [Score(m, route.value(m), route.error(m), route.spread(m)) for m in judges], route)
        for name, route in routes
    ]
    return assign_ranks(ranked, judges[0])


def rank_overall(
    results: Sequence[MethodResult], directions: Sequence[str], judges: Sequence[Metric]
) -> list[RankedMethod]:
    """Rank the methods that support all directions by their mean over the directions."""
    methods = []
    for result in results:
        routes = [route for d in directions if (route := result.get_route(d)) is not None]
        if directions and len(routes) == len(directions):
            scores = [
                Score(m, *average_with_error(routes, m), measure_overall_spread(result, directions, m)) for m in judges
            ]
            methods.append(_create_ranked(result.method, scores))
    return assign_ranks(methods, judges[0])


def _create_ranked(name: str, scores: Sequence[Score], route: RouteEvaluation | None = None) -> RankedMethod:
    first, *others = scores
    return RankedMethod(name, first.value, first.error, route, spread=first.spread, others=tuple(others))


def _compare_scores(score: Score, other: Score) -> Judgement | None:
    """Return two scores of one judge for comparison; None if a value is missing."""
    if score.value is None or other.value is None:
        return None
    errors, spreads = (score.error, other.error), (score.spread, other.spread)
    return Judgement(score.metric, score.value, other.value, errors, spreads)

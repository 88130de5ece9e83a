"""Who is better than whom, and what is within the error. Pure functions of measures.

KID has a standard error. Two methods are told apart where their KIDs differ by more than twice the error of the
difference, sqrt(a^2 + b^2): since both were measured against the same real items, this is on the careful side. A
method's rank is one more than the number of methods that are better than it beyond the error, so equal ones share it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unpaired.comparison.result import MethodResult
from unpaired.media.image.measurement import RouteMeasures
from unpaired.metrics.significance import finite_or_none, significantly_lower

MIN_CONTENT_DIFFERENCE = 0.05
"""Difference of the share of content kept from which it is worth a word."""
MIN_RELATED_SIMILARITY = 0.1
"""Content kept by features below which translations might as well be of other items."""


@dataclass(frozen=True)
class RankedMethod:
    """A method in the ranking of one direction (or of all); `rank` is None without a KID."""

    method: str
    rank: int | None
    kid: float | None
    error: float | None
    measures: RouteMeasures | None = None


def assign_ranks(methods: Sequence[RankedMethod]) -> list[RankedMethod]:
    """In order of KID (those without one last), with ranks."""
    measured = [s for s in methods if s.kid is not None]

    def compute_rank(method: RankedMethod) -> int | None:
        if method.kid is None:
            return None
        return 1 + sum(
            significantly_lower(s.kid, method.kid, s.error, method.error) for s in measured if s.kid is not None
        )

    ranked = [RankedMethod(s.method, compute_rank(s), s.kid, s.error, s.measures) for s in methods]
    return sorted(ranked, key=lambda s: math.inf if s.kid is None else s.kid)


def rank_direction(results: Sequence[MethodResult], direction: str) -> list[RankedMethod]:
    """The ranking of one direction: the methods that offer it and were measured."""
    measures = [(r.method, m) for r in results if (m := r.get_route(direction)) is not None]
    return assign_ranks(
        [RankedMethod(name, None, finite_or_none(m.kid), finite_or_none(m.kid_error), m) for name, m in measures]
    )


def rank_overall(results: Sequence[MethodResult], directions: Sequence[str]) -> list[RankedMethod]:
    """The ranking by mean KID over all directions, of the methods that offer all of them."""
    methods = []
    for result in results:
        measures = [m for d in directions if (m := result.get_route(d)) is not None]
        kids = [finite_or_none(m.kid) for m in measures]
        if not directions or len(measures) < len(directions):
            continue
        errors = [finite_or_none(m.kid_error) for m in measures]
        methods.append(RankedMethod(result.method, None, mean_if_complete(kids), standard_error_of_mean(errors)))
    return assign_ranks(methods)


def mean_if_complete(values: Sequence[float | None]) -> float | None:
    """The mean where all values are known."""
    known_values = [value for value in values if value is not None]
    return sum(known_values) / len(known_values) if known_values and len(known_values) == len(values) else None


def standard_error_of_mean(errors: Sequence[float | None]) -> float | None:
    """The standard error of a mean of independent values, where all of theirs are known."""
    known_errors = [error for error in errors if error is not None]
    return math.hypot(*known_errors) / len(known_errors) if known_errors and len(known_errors) == len(errors) else None


def content_kept(m: RouteMeasures) -> float | None:
    """Content kept: the mean of what is kept of features and of edges, of those that were measured."""
    known_values = [
        value for value in (m.feature_similarity, m.edge_similarity) if value is not None and math.isfinite(value)
    ]
    return sum(known_values) / len(known_values) if known_values else None

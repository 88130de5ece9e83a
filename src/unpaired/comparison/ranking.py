"""Who is better than whom, and what is within the error. Pure functions of measures.

KID has a standard error. Two methods are told apart where their KIDs differ by more than twice the error of the
difference, sqrt(a^2 + b^2): since both were measured against the same real items, this is on the careful side. A
method's rank is one more than the number of methods that are better than it beyond the error, so equal ones share it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from unpaired.comparison.result import Result
from unpaired.evaluation.measure import RouteMeasures
from unpaired.evaluation.standing import apart, finite

NOTABLE_KEPT = 0.05
"""Difference of the share of content kept from which it is worth a word."""
UNRELATED = 0.1
"""Content kept by features below which translations might as well be of other items."""


@dataclass(frozen=True)
class Standing:
    """A method in the ranking of one direction (or of all); `rank` is None without a KID."""

    method: str
    rank: int | None
    kid: float | None
    error: float | None
    measures: RouteMeasures | None = None


def ranked(standings: Sequence[Standing]) -> list[Standing]:
    """In order of KID (those without one last), with ranks."""
    known = [s for s in standings if s.kid is not None]

    def rank(one: Standing) -> int | None:
        if one.kid is None:
            return None
        return 1 + sum(apart(s.kid, one.kid, s.error, one.error) for s in known if s.kid is not None)

    placed = [Standing(s.method, rank(s), s.kid, s.error, s.measures) for s in standings]
    return sorted(placed, key=lambda s: math.inf if s.kid is None else s.kid)


def in_direction(results: Sequence[Result], direction: str) -> list[Standing]:
    """The ranking of one direction: the methods that offer it and were measured."""
    found = [(r.method, m) for r in results if (m := r.route(direction)) is not None]
    return ranked([Standing(name, None, finite(m.kid), finite(m.kid_error), m) for name, m in found])


def overall(results: Sequence[Result], directions: Sequence[str]) -> list[Standing]:
    """The ranking by mean KID over all directions, of the methods that offer all of them."""
    out = []
    for result in results:
        measures = [m for d in directions if (m := result.route(d)) is not None]
        kids = [finite(m.kid) for m in measures]
        if not directions or len(measures) < len(directions):
            continue
        errors = [finite(m.kid_error) for m in measures]
        out.append(Standing(result.method, None, mean(kids), error_of_mean(errors)))
    return ranked(out)


def mean(values: Sequence[float | None]) -> float | None:
    """The mean where all values are known."""
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def error_of_mean(errors: Sequence[float | None]) -> float | None:
    """The standard error of a mean of independent values, where all of theirs are known."""
    known = [error for error in errors if error is not None]
    return math.hypot(*known) / len(known) if known and len(known) == len(errors) else None


def kept(m: RouteMeasures) -> float | None:
    """Content kept: the mean of what is kept of features and of edges, of those that were measured."""
    known = [value for value in (m.kept_features, m.kept_edges) if value is not None and math.isfinite(value)]
    return sum(known) / len(known) if known else None

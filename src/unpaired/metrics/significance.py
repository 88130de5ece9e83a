"""Significance of the difference between two values of a metric; one rule for all reports and media."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from unpaired.metrics.base import Metric

MIN_STANDARD_ERRORS = 2.0
"""Number of standard errors that a significant difference exceeds."""


class Judgement(NamedTuple):
    """Two values of one metric, their standard errors (None: unknown) and spreads over seeds (None: one run)."""

    metric: Metric
    value: float
    other: float
    errors: tuple[float | None, ...]
    spreads: tuple[float | None, ...] = ()


def significantly_lower(value: float, other: float, *errors: float | None) -> bool:
    """Return whether `value` is significantly lower than `other`, given their standard errors.

    The difference must exceed `MIN_STANDARD_ERRORS` times its standard error. False if an error is None (unknown).
    """
    if None in errors:
        return False
    return other - value > MIN_STANDARD_ERRORS * math.hypot(*(error for error in errors if error is not None))


def combine_spreads(*spreads: float | None) -> float:
    """Return the standard deviation of a difference of independent values; None counts as 0."""
    return math.hypot(*(spread or 0.0 for spread in spreads))


def significantly_better(
    metric: Metric, value: float, other: float, *errors: float | None, spreads: Sequence[float | None] = ()
) -> bool:
    """Return whether `value` is significantly better than `other`, given their standard errors.

    For a metric with a `rank_tolerance`, the difference must exceed that fraction of `value` instead. If the values are
    means over runs with different seeds, `spreads` are their standard deviations (None: one run), and the difference
    must also exceed the root of the sum of their squares.
    """
    if metric.better == "none" or metric.loss(other) - metric.loss(value) <= combine_spreads(*spreads):
        return False
    if metric.rank_tolerance:
        return metric.loss(other) - metric.loss(value) > metric.rank_tolerance * abs(value)
    return significantly_lower(metric.loss(value), metric.loss(other), *errors)


def better_by_all_judges(judgements: Sequence[Judgement]) -> bool:
    """Return whether one judge finds the first values significantly better, and no judge finds them worse.

    Judges are metrics by independent networks. False without judgements.
    """
    better = any(significantly_better(j.metric, j.value, j.other, *j.errors, spreads=j.spreads) for j in judgements)
    worse = any(significantly_better(j.metric, j.other, j.value, *j.errors, spreads=j.spreads) for j in judgements)
    return better and not worse

"""When two values of a metric differ: the same rule for every page and every medium."""

from __future__ import annotations

import math

from unpaired.metrics.base import Metric

MIN_STANDARD_ERRORS = 2.0
"""Standard errors that a difference must exceed."""


def significantly_lower(value: float, other: float, *errors: float | None) -> bool:
    """Whether `value` is lower than `other` beyond their standard errors; with an unknown error it never is."""
    if None in errors:
        return False
    return other - value > MIN_STANDARD_ERRORS * math.hypot(*(error for error in errors if error is not None))


def significantly_better(metric: Metric, value: float, other: float, *errors: float | None) -> bool:
    """Whether `value` is better than `other` beyond their standard errors.

    A metric with a `rank_tolerance` has no standard errors: the difference must exceed that fraction of `value`.
    """
    if metric.better == "none":
        return False
    if metric.rank_tolerance:
        return metric.loss(other) - metric.loss(value) > metric.rank_tolerance * abs(value)
    return significantly_lower(metric.loss(value), metric.loss(other), *errors)

"""Significance of the difference between two values of a metric; one rule for all reports and media."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from unpaired.metrics.base import Metric

MIN_STANDARD_ERRORS = 2.0
"""Number of standard errors that a significant difference exceeds."""


class Judgement(NamedTuple):
    """Two values of one metric, and their standard errors (None: unknown)."""

    metric: Metric
    value: float
    other: float
    errors: tuple[float | None, ...]


def significantly_lower(value: float, other: float, *errors: float | None) -> bool:
    """Return whether `value` is significantly lower than `other`, given their standard errors.

    The difference must exceed `MIN_STANDARD_ERRORS` times its standard error. False if an error is None (unknown).
    """
    if None in errors:
        return False
    return other - value > MIN_STANDARD_ERRORS * math.hypot(*(error for error in errors if error is not None))


def significantly_better(metric: Metric, value: float, other: float, *errors: float | None) -> bool:
    """Return whether `value` is significantly better than `other`, given their standard errors.

    For a metric with a `rank_tolerance`, the difference must exceed that fraction of `value` instead.
    """
    if metric.better == "none":
        return False
    if metric.rank_tolerance:
        return metric.loss(other) - metric.loss(value) > metric.rank_tolerance * abs(value)
    return significantly_lower(metric.loss(value), metric.loss(other), *errors)


def better_by_all_judges(judgements: Sequence[Judgement]) -> bool:
    """Return whether one judge finds the first values significantly better, and no judge finds them worse.

    Judges are metrics by independent networks. False without judgements.
    """
    better = any(significantly_better(j.metric, j.value, j.other, *j.errors) for j in judgements)
    return better and not any(significantly_better(j.metric, j.other, j.value, *j.errors) for j in judgements)

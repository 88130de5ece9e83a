"""Trend of a validation metric over training.

Values are compared as losses (`Metric.loss`), for which lower is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, Literal, NamedTuple

from unpaired.metrics.base import Metric

Trend = Literal["gains", "settled", "worse", "unclear"]

MIN_EVALUATIONS: Final = 6
"""Minimum number of evaluations for a trend."""
MIN_STANDARD_ERRORS: Final = 2.5
"""Number of standard errors that a difference between two levels must exceed."""
MIN_RELATIVE_CHANGE: Final = 0.03
"""Fraction of the level that a difference must exceed, however small its standard error is."""
MAX_RELATIVE_NOISE: Final = 0.3
"""Fraction of the level: if the noise hides differences up to this size, the trend is unclear."""


class TrendPoint(NamedTuple):
    """Value of a metric at a step, and its standard error (None: unknown)."""

    step: int
    value: float
    error: float | None = None


class Decline(NamedTuple):
    """Best value of all, and of the last `window` evaluations, which are worse."""

    best: TrendPoint
    last: TrendPoint
    window: int


class _TrendLevels(NamedTuple):
    """Medians of the last third, of the third before and of the best third, and the threshold for a difference."""

    window: int
    recent: float
    before: float
    best: float
    threshold: float


def classify_trend(history: Sequence[TrendPoint], metric: Metric) -> Trend:
    """Classify the values of a metric, in order of steps; non-finite values are ignored.

    The median of the last third is compared with that of the third before. A difference is significant if it exceeds
    2.5 standard errors and 3 % of the level. The standard error is estimated from second differences, which a constant
    slope does not affect. The result is also "worse" if the last third is worse than the best third by twice that
    threshold, or if there is a decline (`find_decline`). It is "unclear" for fewer than six values, or if the noise
    could hide a change of 30 %.
    """
    levels = _compute_levels([metric.loss(point.value) for point in history if math.isfinite(point.value)])
    if levels is None:
        return "unclear"
    difference = levels.recent - levels.before
    if (
        find_decline(history, metric) is not None
        or difference > levels.threshold
        or levels.recent - levels.best > 2 * levels.threshold
    ):
        return "worse"
    if difference < -levels.threshold:
        return "gains"
    return "unclear" if levels.threshold > MAX_RELATIVE_NOISE * abs(levels.before) else "settled"


def find_decline(history: Sequence[TrendPoint], metric: Metric) -> Decline | None:
    """Return the best point, and the best of the last third if it is worse; None if it is not.

    Worse means by more than the standard error of the difference, 2.5 times the noise between evaluations, and 3 % of
    the best value. None for fewer than six values; non-finite values are ignored.
    """
    points = [point for point in history if math.isfinite(point.value)]
    if len(points) < MIN_EVALUATIONS:
        return None
    window = len(points) // 3
    best, last = (min(part, key=lambda point: metric.loss(point.value)) for part in (points, points[-window:]))
    threshold = max(
        math.hypot(best.error or 0.0, last.error or 0.0),
        MIN_STANDARD_ERRORS * _estimate_noise_std([metric.loss(point.value) for point in points]),
        MIN_RELATIVE_CHANGE * abs(best.value),
    )
    return Decline(best, last, window) if metric.loss(last.value) - metric.loss(best.value) > threshold else None


def describe_decline(history: Sequence[TrendPoint], metric: Metric) -> str:
    """Say since which step the metric has become worse; empty if it has not."""
    decline = find_decline(history, metric)
    if decline is None:
        return ""
    verb = "fallen" if metric.better == "higher" else "risen"
    return (
        f"Best checkpoint at step {decline.best.step:,}, {metric.short} {decline.best.value:.3g}; {metric.short} has "
        f"{verb} since: in the last {decline.window} evaluations it was {decline.last.value:.3g} at best."
    )


def describe_trend(history: Sequence[TrendPoint], metric: Metric) -> str:
    """Describe the trend with its values, and recommend what to do."""
    finite_history = [point for point in history if math.isfinite(point.value)]
    values = [point.value for point in finite_history]
    if len(values) < MIN_EVALUATIONS:
        return (
            f"Too early to tell whether training still improves: {len(values)} evaluations, {MIN_EVALUATIONS} are "
            "needed."
        )
    best_step, best, _ = min(finite_history, key=lambda point: metric.loss(point.value))
    window = len(values) // 3
    recent, before = median(values[-window:]), median(values[-2 * window : -window])
    comparison = (
        f"{metric.title} is {recent:.3g} over the last {window} evaluations, {before:.3g} over the {window} before"
    )
    decline = describe_decline(finite_history, metric)
    return {
        "gains": f"Training still improves: {comparison}. More training should help.",
        "settled": f"Training has converged: {comparison}. More steps will hardly help.",
        "worse": f"Training gets worse: {comparison}; the best was {best:.3g} at step {best_step}. "
        f"{f'{decline} ' if decline else ''}Use the best checkpoint, train shorter, or add training items.",
        "unclear": f"No clear trend: {comparison}, and the values vary too much. More validation items would help.",
    }[classify_trend(history, metric)]


def _compute_levels(values: Sequence[float]) -> _TrendLevels | None:
    if len(values) < MIN_EVALUATIONS:
        return None
    window = len(values) // 3
    medians = [median(values[i : i + window]) for i in range(len(values) - window + 1)]
    recent, before = medians[-1], medians[-1 - window]
    # 1.253: ratio of the standard errors of a median and of a mean, for normal errors.
    error = 1.253 * _estimate_noise_std(values) * math.sqrt(2 / window)
    return _TrendLevels(
        window, recent, before, min(medians), max(MIN_STANDARD_ERRORS * error, MIN_RELATIVE_CHANGE * abs(before))
    )


def _estimate_noise_std(values: Sequence[float]) -> float:
    """Estimate the standard deviation of the noise about a smooth curve from second differences.

    The variance of second differences of independent noise is six times its variance. Only the last two thirds of the
    values are used: the compared levels are from there, and the curve of early training is not smooth.
    """
    late = values[-max(MIN_EVALUATIONS, len(values) * 2 // 3) :]
    second_differences = [a - 2 * b + c for a, b, c in zip(late, late[1:], late[2:], strict=False)]
    return math.sqrt(sum(bend**2 for bend in second_differences) / len(second_differences) / 6)

"""Whether training still gains, from a metric over time. Internally, losses are compared: lower is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, Literal, NamedTuple

from unpaired.metrics.base import Metric

Trend = Literal["gains", "settled", "worse", "unclear"]

MIN_EVALUATIONS: Final = 6
"""Evaluations needed before anything is said."""
MIN_STANDARD_ERRORS: Final = 2.5
"""Standard errors by which levels must differ to be called different."""
MIN_RELATIVE_CHANGE: Final = 0.03
"""Fraction of the level under which a difference does not matter, however certain."""
MAX_RELATIVE_NOISE: Final = 0.3
"""Fraction of the level: where only larger differences could be seen, nothing is said."""


class _TrendLevels(NamedTuple):
    """Levels of the recent third, of the third before and of the best third, and what a difference must exceed."""

    window: int
    recent: float
    before: float
    best: float
    threshold: float


def classify_trend(history: Sequence[tuple[int, float]], metric: Metric) -> Trend:
    """Classify (step, value) pairs of a metric, in order of steps; values that are not finite are left out.

    The median of the recent third is compared with that of the third before. A difference counts where it exceeds
    2.5 standard errors, by the scatter about the curve (second differences, which a steady slope leaves zero), and 3 %
    of the level. "worse" is also said where the recent third is worse than the best third of all by twice that.
    "unclear": fewer than six values, or a scatter that would hide a change of 30 %.
    """
    levels = _compute_levels([metric.loss(value) for _, value in history if math.isfinite(value)])
    if levels is None:
        return "unclear"
    difference = levels.recent - levels.before
    if difference > levels.threshold or levels.recent - levels.best > 2 * levels.threshold:
        return "worse"
    if difference < -levels.threshold:
        return "gains"
    return "unclear" if levels.threshold > MAX_RELATIVE_NOISE * abs(levels.before) else "settled"


def describe_trend(history: Sequence[tuple[int, float]], metric: Metric) -> str:
    """Describe the trend in a sentence with its figures and what to do about it."""
    finite_history = [(step, value) for step, value in history if math.isfinite(value)]
    values = [value for _, value in finite_history]
    if len(values) < MIN_EVALUATIONS:
        return (
            f"Too early to say whether training still gains: {len(values)} evaluations, {MIN_EVALUATIONS} are needed."
        )
    best_step, best = min(finite_history, key=lambda item: metric.loss(item[1]))
    window = len(values) // 3
    recent, before = median(values[-window:]), median(values[-2 * window : -window])
    comparison = (
        f"{metric.title} is {recent:.3g} over the last {window} evaluations, {before:.3g} over the {window} before"
    )
    return {
        "gains": f"Training still gains: {comparison}. More training should help.",
        "settled": f"Training has settled: {comparison}. More steps will hardly help.",
        "worse": f"Training gets worse: {comparison}; the best was {best:.3g} at step {best_step}. "
        "Use the best checkpoint, train shorter, or add training items.",
        "unclear": f"No clear trend: {comparison}, and the values scatter too much to tell. "
        "More held-out items would help.",
    }[classify_trend(history, metric)]


def _compute_levels(values: Sequence[float]) -> _TrendLevels | None:
    if len(values) < MIN_EVALUATIONS:
        return None
    window = len(values) // 3
    medians = [median(values[i : i + window]) for i in range(len(values) - window + 1)]
    recent, before = medians[-1], medians[-1 - window]
    # 1.253: the ratio of the standard errors of a median and of a mean.
    error = 1.253 * _estimate_noise_std(values) * math.sqrt(2 / window)
    return _TrendLevels(
        window, recent, before, min(medians), max(MIN_STANDARD_ERRORS * error, MIN_RELATIVE_CHANGE * abs(before))
    )


def _estimate_noise_std(values: Sequence[float]) -> float:
    """Estimate the standard deviation about a smooth curve from second differences (their variance is six times that).

    Only the later two thirds count, where levels are compared: early training falls in a curve.
    """
    late = values[-max(MIN_EVALUATIONS, len(values) * 2 // 3) :]
    second_differences = [a - 2 * b + c for a, b, c in zip(late, late[1:], late[2:], strict=False)]
    return math.sqrt(sum(bend**2 for bend in second_differences) / len(second_differences) / 6)

"""Measure and verdict of memorization: distances of translations to training items, relative to real items."""

from __future__ import annotations

from collections.abc import Mapping

from unpaired.metrics.base import Metric, RouteEvaluation, keep_finite

NEAREST_RATIO = Metric(
    "nearest_ratio",
    "distance to training items",
    "none",
    2,
    "median feature distance of translations to the nearest training item of the target domain, divided by that of "
    "real test items; far below 1, translations copy training items.",
    short_label="to training items",
    scale="1 = as real",
)
MEMORIZED_RATIO = 0.5
"""Ratio below which the verdict says that translations may be copies of training items."""


def add_nearest_ratios(
    evaluation: RouteEvaluation, ratio: float | None, baselines: Mapping[str, float | None], reference: str
) -> RouteEvaluation:
    """Return the evaluation with the ratio of translations and of baselines; that of real items, `reference`, is 1.

    Unchanged if the ratio is None, that is unknown.
    """
    if ratio is None:
        return evaluation
    known = {reference: 1.0, **keep_finite(baselines)}
    added = {name: {**evaluation.baselines.get(name, {}), NEAREST_RATIO.name: value} for name, value in known.items()}
    return evaluation.model_copy(
        update={
            "values": {**evaluation.values, NEAREST_RATIO.name: ratio},
            "baselines": {**evaluation.baselines, **added},
        }
    )


def describe_memorization(route: RouteEvaluation) -> str:
    """Return a warning if translations are far nearer to training items than real test items are; else empty."""
    ratio = route.value(NEAREST_RATIO)
    if ratio is None or ratio >= MEMORIZED_RATIO:
        return ""
    return (
        f" Translations may be copies of training items: their distance to the nearest one is {ratio:.2f} of that of "
        "real test items."
    )

"""Metrics and baselines, declared once, and the measures of routes: tables and pages are drawn from both."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from unpaired.config.settings import StrictModel

Better = Literal["lower", "higher", "zero", "one", "none"]
"""Which way a metric is better: towards 0 ("zero"), towards 1 ("one"), or neither ("none": it only describes)."""
DO_NOTHING = "do nothing"
"""The baseline that every medium has: the input taken as its own translation."""
_HINTS: Mapping[Better, str] = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "nearer to 0 is better",
    "one": "nearer to 1 is better",
    "none": "",
}


@dataclass(frozen=True)
class Metric:
    """One metric: its key in evaluation.json, its label, which way is better, decimals, and its definition.

    `short_label` is for narrow columns and for sentences (default: `label`). `scale` says what values mean where
    `better` does not, as "1 = all". `is_signed`: values are differences and are shown with their sign.
    `known_baselines`: baseline -> value, where it follows from the definition (doing nothing changes nothing).
    `rank_tolerance`: relative difference below which two values do not differ, where no standard error is known.
    """

    name: str
    label: str
    better: Better
    digits: int
    definition: str
    unit: str = ""
    short_label: str = ""
    scale: str = ""
    is_signed: bool = False
    known_baselines: Mapping[str, float] = field(default_factory=dict, hash=False)
    rank_tolerance: float = 0.0

    @property
    def title(self) -> str:
        """The label with the unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def short(self) -> str:
        """The short label."""
        return self.short_label or self.label

    @property
    def hint(self) -> str:
        """Which way is better, in words."""
        return self.scale or _HINTS[self.better]

    def loss(self, value: float) -> float:
        """Map a value to a number that is lower for better values; a metric that only describes keeps it."""
        if self.better == "higher":
            return -value
        if self.better == "zero":
            return abs(value)
        return abs(value - 1) if self.better == "one" else value

    def is_better(self, value: float, other: float) -> bool:
        """Whether `value` is better than `other`; never for a metric that only describes."""
        return self.better != "none" and self.loss(value) < self.loss(other)

    def format(self, value: float | None, missing: str = "-") -> str:
        """Format a value with the metric's decimals; `missing` stands for None and for what is no number."""
        if value is None or not math.isfinite(value):
            return missing
        return f"{value:{'+' if self.is_signed else ''}.{self.digits}f}"


@dataclass(frozen=True)
class Baseline:
    """A system to compare a run with: a converter without training, or a reference (the best that could be reached)."""

    name: str
    definition: str
    is_reference: bool = False


@dataclass(frozen=True)
class SummaryColumn:
    """A column of a comparison's main table: the mean of some metrics, over routes."""

    label: str
    metrics: tuple[Metric, ...]
    digits: int


class RouteEvaluation(StrictModel):
    """The measures of one route: of the run's translations, and of the baselines beside them.

    `values`, `errors` (standard errors) and each of the `baselines` map a metric's name to a number; a metric that was
    not measured is missing.
    """

    route: str = Field(description="source and target, as 'photos -> paintings'")
    sources: int = Field(description="items translated")
    targets: int = Field(description="real items of the target")
    available: int = Field(0, description="items that could have been translated")
    pairs: int = Field(0, description="items whose true translation is known")
    values: dict[str, float] = Field({}, description="metric -> value of the translations")
    errors: dict[str, float] = Field({}, description="metric -> standard error")
    baselines: dict[str, dict[str, float]] = Field({}, description="baseline -> metric -> value")
    networks: dict[str, str] = Field({}, description="networks and vocoders: what they do -> their name")
    notes: tuple[str, ...] = Field((), description="what to know about these measures")
    seconds: float = Field(0.0, description="time that translating and measuring took")

    def baseline(self, name: str, metric: Metric) -> float | None:
        """Return a baseline's value of a metric: measured, or known by its definition."""
        return self.baselines.get(name, {}).get(metric.name, metric.known_baselines.get(name))

    def value(self, metric: Metric) -> float | None:
        """Return the value of a metric; None where it was not measured."""
        return self.values.get(metric.name)

    def error(self, metric: Metric) -> float | None:
        """Return the standard error of a metric; None where it is not known."""
        return self.errors.get(metric.name)


class Evaluation(StrictModel):
    """The measures of a run: which checkpoint, on which items, and its routes. It is what evaluation.json holds.

    `options` are the medium's own (its `evaluate_options_model`), as they were given.
    """

    run: str
    medium: str
    items: str = Field(description="the items measured on, in words")
    checkpoint: str
    step: int
    is_own_data: bool = Field(description="whether the items are the run's own")
    pairs: bool = Field(False, description="whether items of equal names are true pairs")
    limit: int = Field(description="items of each domain at most")
    options: dict[str, Any] = Field({}, description="the medium's options, as they were given")
    routes: tuple[RouteEvaluation, ...]

    def text(self) -> str:
        """Format the evaluation as tables for a terminal."""
        from unpaired.media import MEDIA  # noqa: PLC0415 - media declare metrics
        from unpaired.metrics.text_table import format_evaluation  # noqa: PLC0415

        return format_evaluation(MEDIA[self.medium], self)


def keep_finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the values that are numbers: neither None, nor infinite, nor NaN."""
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def mean_if_complete(values: Sequence[float | None]) -> float | None:
    """Return the mean of values that are all known; None of no values and where one is None."""
    known_values = [value for value in values if value is not None]
    return sum(known_values) / len(known_values) if known_values and len(known_values) == len(values) else None


def average_routes(metric: Metric, routes: Sequence[RouteEvaluation]) -> float | None:
    """Return the mean of a metric over routes; None unless every route has it."""
    return mean_if_complete([route.value(metric) for route in routes])

"""Declarations of metrics and baselines, and the results of an evaluation.

Tables, reports and comparisons for every medium are generated from these declarations.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from unpaired.config.settings import StrictModel

Better = Literal["lower", "higher", "zero", "one", "none"]
"""Values that are better: lower, higher, closer to 0 ("zero") or to 1 ("one"); "none" for a descriptive metric."""
DOING_NOTHING = "doing nothing"
"""Name of the baseline that every medium has: the input, used unchanged as the translation."""
_HINTS: Mapping[Better, str] = {
    "lower": "lower is better",
    "higher": "higher is better",
    "zero": "closer to 0 is better",
    "one": "closer to 1 is better",
    "none": "",
}


@dataclass(frozen=True)
class Metric:
    """Declaration of one metric.

    `name` is its key in evaluation.json, `digits` the number of decimals, `definition` a sentence for users.
    `short_label` is used in narrow columns and in sentences (default: `label`). `scale` explains values if `better`
    does not, for example "1 = all". `is_signed`: values are differences and are formatted with their sign.
    `known_baselines` maps a baseline to the value that follows from the definition (the unchanged input has a change
    of 0). `rank_tolerance`: relative difference below which two values share a rank, for metrics without a standard
    error.
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
        """Label with the unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def short(self) -> str:
        """Short label; the label if there is none."""
        return self.short_label or self.label

    @property
    def hint(self) -> str:
        """Explanation of which values are better."""
        return self.scale or _HINTS[self.better]

    def loss(self, value: float) -> float:
        """Map a value to a number that is lower for better values; the identity for a descriptive metric."""
        if self.better == "higher":
            return -value
        if self.better == "zero":
            return abs(value)
        return abs(value - 1) if self.better == "one" else value

    def is_better(self, value: float, other: float) -> bool:
        """Return whether `value` is better than `other`; always False for a descriptive metric."""
        return self.better != "none" and self.loss(value) < self.loss(other)

    def format(self, value: float | None, missing: str = "-") -> str:
        """Format a value with the metric's decimals; return `missing` for None and for non-finite values."""
        if value is None or not math.isfinite(value):
            return missing
        return f"{value:{'+' if self.is_signed else ''}.{self.digits}f}"


@dataclass(frozen=True)
class Baseline:
    """Declaration of a baseline: a reference (the best reachable value) or a translation that needs no training."""

    name: str
    definition: str
    is_reference: bool = False


@dataclass(frozen=True)
class SummaryColumn:
    """Column of a comparison's main table: the mean of some metrics over all routes."""

    label: str
    metrics: tuple[Metric, ...]
    digits: int


class RouteEvaluation(StrictModel):
    """Metrics of one route, for the run's translations and for the baselines.

    `values`, `errors` (standard errors) and each entry of `baselines` map the name of a metric to a number. Metrics
    that were not measured are absent.
    """

    route: str = Field(description="source and target, for example 'photos -> paintings'")
    sources: int = Field(description="number of translated items")
    targets: int = Field(description="number of real target items")
    available: int = Field(0, description="number of items available for translation")
    pairs: int = Field(0, description="number of items with a known true translation")
    values: dict[str, float] = Field({}, description="metric -> value of the translations")
    errors: dict[str, float] = Field({}, description="metric -> standard error")
    spreads: dict[str, float] = Field(
        {}, description="metric -> standard deviation over seeds, if the values are means over several runs"
    )
    baselines: dict[str, dict[str, float]] = Field({}, description="baseline -> metric -> value")
    networks: dict[str, str] = Field({}, description="networks and vocoders: purpose -> name")
    digests: dict[str, str] = Field({}, description="SHA-256 of the weights file of networks: purpose -> digest")
    notes: tuple[str, ...] = Field((), description="remarks on these metrics")
    seconds: float = Field(0.0, description="duration of translation and measurement in seconds")

    def baseline(self, name: str, metric: Metric) -> float | None:
        """Return the value of a metric for a baseline, measured or known from the definition; None if unknown."""
        return self.baselines.get(name, {}).get(metric.name, metric.known_baselines.get(name))

    def value(self, metric: Metric) -> float | None:
        """Return the value of a metric; None if it was not measured."""
        return self.values.get(metric.name)

    def error(self, metric: Metric) -> float | None:
        """Return the standard error of a metric; None if it is unknown."""
        return self.errors.get(metric.name)

    def spread(self, metric: Metric) -> float | None:
        """Return the standard deviation of a metric over seeds; None if the value is that of one run."""
        return self.spreads.get(metric.name)

    def uncertainty(self, metric: Metric) -> float | None:
        """Return the number to show after a value: its spread over seeds, or its standard error for a single run."""
        return self.spread(metric) if self.spreads else self.error(metric)


class Evaluation(StrictModel):
    """Results of the evaluation of a run; the content of evaluation.json.

    `options` are the options of the medium (its `evaluate_options_model`) that the evaluation used.
    """

    run: str
    medium: str
    items: str = Field(description="description of the evaluated items")
    checkpoint: str
    step: int
    is_own_data: bool = Field(description="whether the items belong to the run's own data")
    pairs: bool = Field(False, description="whether items with equal names are true pairs")
    limit: int = Field(description="maximum number of items per domain")
    options: dict[str, Any] = Field({}, description="options of the medium")
    routes: tuple[RouteEvaluation, ...]

    def text(self, with_definitions: bool = False, max_width: int | None = None) -> str:
        """Format the evaluation as tables for a terminal, if requested with the definitions of the metrics.

        Tables that are wider than `max_width` characters lose the column that says which values are better.
        """
        from unpaired.media import MEDIA  # noqa: PLC0415 - media import this module
        from unpaired.metrics.text_table import format_evaluation  # noqa: PLC0415

        return format_evaluation(MEDIA[self.medium], self, with_definitions, max_width)


def keep_finite(values: Mapping[str, float | None]) -> dict[str, float]:
    """Return the finite values; drop None, infinite values and NaN."""
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def mean_if_complete(values: Sequence[float | None]) -> float | None:
    """Return the mean; None if there are no values or if one of them is None."""
    known_values = [value for value in values if value is not None]
    return sum(known_values) / len(known_values) if known_values and len(known_values) == len(values) else None


def average_with_error(routes: Sequence[RouteEvaluation], metric: Metric) -> tuple[float | None, float | None]:
    """Return the mean of a metric over routes and its standard error; each is None unless all routes have one."""
    errors = [error for r in routes if (error := r.error(metric)) is not None]
    error = math.hypot(*errors) / len(errors) if errors and len(errors) == len(routes) else None
    return mean_if_complete([r.value(metric) for r in routes]), error


def average_routes(metric: Metric, routes: Sequence[RouteEvaluation]) -> float | None:
    """Return the mean of a metric over routes; None if a route lacks it."""
    return mean_if_complete([route.value(metric) for route in routes])

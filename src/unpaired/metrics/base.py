"""Metrics, declared once, and the measures of a route that tables, pages and comparisons are drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import Field

from unpaired.config.settings import StrictModel

Better = Literal["lower", "higher", "zero", "one", "none"]
"""Which way a metric is better: towards 0 ("zero"), towards 1 ("one"), or neither ("none": it only describes)."""


@dataclass(frozen=True)
class Metric:
    """One metric: its key in evaluation.json, its label, unit, decimals, which way is better, and its definition.

    `known_baselines`: baseline -> value, where it follows from the definition (doing nothing changes nothing). `rank_tolerance`:
    relative difference below which two values do not differ, where no standard error is known.
    """

    name: str
    label: str
    better: Better
    digits: int
    definition: str
    unit: str = ""
    known_baselines: Mapping[str, float] = field(default_factory=dict)
    rank_tolerance: float = 0.0

    @property
    def title(self) -> str:
        """The label with the unit."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    def is_better(self, value: float, other: float) -> bool:
        """Whether `value` is better than `other`; never for a metric that only describes."""
        if self.better == "lower":
            return value < other
        if self.better == "higher":
            return value > other
        if self.better == "zero":
            return abs(value) < abs(other)
        return self.better == "one" and abs(value - 1) < abs(other - 1)


class RouteEvaluation(StrictModel):
    """The measures of one route: of the run's translations, and of the baselines beside them.

    `values`, `errors` (standard errors) and each of the `baselines` map a metric's name to a number; a metric that was
    not measured is missing. `networks` are the judging networks: what they measure -> their name.
    """

    route: str = Field(description="source and target, as 'photos -> paintings'")
    sources: int = Field(description="items translated")
    targets: int = Field(description="real items of the target")
    pairs: int = Field(0, description="items whose true translation is known")
    values: dict[str, float] = {}
    errors: dict[str, float] = {}
    baselines: dict[str, dict[str, float]] = {}
    networks: dict[str, str] = {}
    notes: tuple[str, ...] = Field((), description="what to know about these measures")
    seconds: float = Field(0.0, description="time that translating and measuring took")

    def baseline(self, name: str, metric: Metric) -> float | None:
        """Return a baseline's value of a metric: measured, or known by its definition."""
        return self.baselines.get(name, {}).get(metric.name, metric.known_baselines.get(name))


class Evaluation(StrictModel):
    """The measures of a run: which state of it, on which items, and its routes. It is what evaluation.json holds.

    `options` are what the medium's evaluation was asked for (its own keys), so that another evaluation can tell whether
    it would measure the same.
    """

    run: str
    medium: str
    items: str = Field(description="the items measured on, in words")
    checkpoint: str
    step: int
    is_own_data: bool = Field(description="whether the items are the run's own")
    options: dict[str, Any] = {}
    routes: tuple[RouteEvaluation, ...]


def average(metric: Metric, routes: Sequence[RouteEvaluation]) -> float | None:
    """Return the mean of a metric over the routes that have it; None where none has."""
    values = [route.values[metric.name] for route in routes if metric.name in route.values]
    return sum(values) / len(values) if values else None

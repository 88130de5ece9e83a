"""Verdict on a route for every medium: its metrics compared with those of the baselines without training."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.metrics.base import Baseline, Metric, RouteEvaluation


def describe_against_baselines(route: RouteEvaluation, metrics: Sequence[Metric], baselines: Sequence[Baseline]) -> str:
    """Describe whether a route beats every baseline without training.

    The first of `metrics` with a baseline value decides; the sentence contains the values of all measured metrics.
    """
    names = [baseline.name for baseline in baselines if not baseline.is_reference]
    measured = [metric for metric in metrics if route.value(metric) is not None]
    if not measured:
        return "not measured."
    figures = "; ".join(_format_metric(route, metric, names) for metric in measured)
    compared = next((m for m in measured if any(route.baseline(name, m) is not None for name in names)), None)
    if compared is None:
        return f"{figures}."
    best = find_best_baseline(route, compared, names)
    value, floor = route.value(compared), route.baseline(best, compared)
    assert value is not None and floor is not None
    if compared.is_better(value, floor):
        return f"beats every baseline without training: {figures}."
    return f"no better than {best}, which needs no training: {figures}."


def find_best_baseline(route: RouteEvaluation, metric: Metric, names: Sequence[str]) -> str:
    """Return the best baseline among those with a value of the metric; raises ValueError if there is none."""
    values = {name: value for name in names if (value := route.baseline(name, metric)) is not None}
    return min(values, key=lambda name: metric.loss(values[name]))


def _format_metric(route: RouteEvaluation, metric: Metric, names: Sequence[str]) -> str:
    others = [(name, route.baseline(name, metric)) for name in names]
    baselines = ", ".join(f"{name} {metric.format(value)}" for name, value in others if value is not None)
    unit = f" {metric.unit}" if metric.unit else ""
    return f"{metric.short} {metric.format(route.value(metric))}{unit}" + (f" ({baselines})" if baselines else "")

"""Mean and spread of the results of a method over its seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from unpaired.comparison.result import HiddenInformation, MethodResult
from unpaired.metrics.base import Metric, RouteEvaluation, average_routes, mean_if_complete
from unpaired.metrics.significance import combine_spreads


def merge_seeds(results: Sequence[MethodResult]) -> MethodResult:
    """Return the mean of the results of one method over its seeds, with the spread of each metric.

    Only finished runs contribute. If no run is finished, the result has the state of the first run that waits, else
    that of the first run.
    """
    seeds = tuple(seed for result in results for seed in result.seeds)
    done = [result for result in results if result.state == "done"]
    if not done:
        shown = next((result for result in results if result.state == "waiting"), results[0])
        return shown.model_copy(update={"seeds": seeds})
    if len(done) == 1:
        return done[0].model_copy(update={"seeds": seeds})
    times = [result.translate_s for result in done if result.translate_s is not None]
    directions = dict.fromkeys(route.route for result in done for route in result.routes)
    hidden = {d: [r.hidden[d] for r in done] for d in done[0].hidden if all(d in r.hidden for r in done)}
    return done[0].model_copy(
        update={
            "seeds": seeds,
            "steps": round(statistics.mean(result.steps for result in done)),
            "seconds": statistics.mean(result.seconds for result in done),
            "translate_s": mean_if_complete(times),
            "is_still_improving": any(result.is_still_improving for result in done),
            "routes": tuple(
                merge_routes([route for result in done if (route := result.get_route(d)) is not None])
                for d in directions
            ),
            "hidden": {d: _merge_hidden(values) for d, values in hidden.items()},
        }
    )


def merge_routes(routes: Sequence[RouteEvaluation]) -> RouteEvaluation:
    """Return the mean of one direction over runs: metrics that all runs have, with their standard deviations.

    The standard errors are averaged: all runs were measured on the same items, so more runs do not reduce them.
    """
    if len(routes) == 1:
        return routes[0]
    values = _collect([route.values for route in routes])
    return routes[0].model_copy(
        update={
            "values": {name: statistics.mean(numbers) for name, numbers in values.items()},
            "errors": {n: statistics.mean(numbers) for n, numbers in _collect([r.errors for r in routes]).items()},
            "spreads": {name: statistics.stdev(numbers) for name, numbers in values.items()},
            "notes": tuple(dict.fromkeys(note for route in routes for note in route.notes)),
            "seconds": sum(route.seconds for route in routes),
        }
    )


def measure_overall_spread(result: MethodResult, directions: Sequence[str], metric: Metric) -> float | None:
    """Return the standard deviation over seeds of a metric's mean over all directions; None for a single run."""
    means = []
    for seed in result.seeds:
        routes = [route for route in seed.routes if route.route in directions]
        mean = average_routes(metric, routes)
        if mean is not None and len(routes) == len(directions):
            means.append(mean)
    return statistics.stdev(means) if len(means) > 1 else None


def _merge_hidden(values: Sequence[HiddenInformation]) -> HiddenInformation:
    """Return the mean over runs; the error contains that of the measurement and the spread over seeds."""
    fractions = [value.fraction for value in values]
    error = statistics.mean(value.error for value in values)
    spread = statistics.stdev(fractions)
    return HiddenInformation(fraction=statistics.mean(fractions), error=combine_spreads(error, spread))


def _collect(records: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return the numbers of each key that all records have."""
    return {name: [record[name] for record in records] for name in records[0] if all(name in r for r in records)}

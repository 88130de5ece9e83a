"""Which method to take in a direction and why, for every medium; a medium adds what its metrics mean."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.comparison import ranking
from unpaired.comparison.ranking import RankedMethod
from unpaired.comparison.result import Comparison
from unpaired.metrics.base import RouteEvaluation
from unpaired.metrics.significance import significantly_better
from unpaired.metrics.verdict import find_best_baseline


class Advisor:
    """Advises on a comparison by its ranking metric.

    The default advice: of the methods that beat every baseline without training, the best. A medium overrides `choose`
    and `describe_direction` where its other metrics matter too.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.medium = comparison.get_medium()
        self.metric = ranking.choose_ranking_metric(comparison)
        self.floor_names = [b.name for b in self.medium.baselines if not b.is_reference]

    @property
    def rules(self) -> tuple[str, ...]:
        """How methods are ranked and which one is advised."""
        names = " or ".join(metric.short for metric in self.medium.ranking_metrics)
        return (
            f"Ranked by {names} ({self.metric.hint}); methods share a rank where their figures differ by less than "
            f"{self.describe_tolerance()}. The advice is the best of those that beat every baseline without training.",
        )

    def describe_tolerance(self) -> str:
        """Say which difference counts."""
        if self.metric.rank_tolerance:
            return f"{self.metric.rank_tolerance:.0%}"
        return "twice the standard error of the difference"

    def rank(self, direction: str) -> list[RankedMethod]:
        """Rank the methods of a direction."""
        return ranking.rank_direction(self.comparison.finished, direction, self.metric)

    def choose(self, ranked: Sequence[RankedMethod]) -> RankedMethod | None:
        """Return the method to take in a direction; None where none is worth it."""
        better = self.list_better(ranked)
        return better[0] if better else None

    def list_better(self, ranked: Sequence[RankedMethod]) -> list[RankedMethod]:
        """Return the methods that beat every baseline without training beyond the error, best first."""
        return [m for m in ranked if m.value is not None and m.route is not None and self._beats_floor(m, m.route)]

    def _beats_floor(self, method: RankedMethod, route: RouteEvaluation) -> bool:
        values = [route.baseline(name, self.metric) for name in self.floor_names]
        value = method.value
        return value is not None and all(
            significantly_better(self.metric, value, floor, method.error) for floor in values if floor is not None
        )

    def describe_direction(self, direction: str) -> str:
        """Say which method to take in one direction, and why."""
        ranked = self.rank(direction)
        chosen, best = self.choose(ranked), ranked[0]
        if best.value is None or best.route is None:
            return f"take none: {self.metric.short} was not measured; {self.medium.judge_yourself}."
        baselines = self._format_baselines(best.route)
        if chosen is None:
            names = [name for name in self.floor_names if best.route.baseline(name, self.metric) is not None]
            floor = find_best_baseline(best.route, self.metric, names)
            return (
                f"take none yet: {floor}, which needs no training, is as near to the target within "
                f"{self.describe_tolerance()} or nearer (the best trained is {best.method}: "
                f"{self.format_method(best)}; {baselines})."
            )
        text = f"take {chosen.method}: {self.format_method(chosen)}{f' ({baselines})' if baselines else ''}."
        tied = [m.method for m in ranked if m.rank == chosen.rank and m.method != chosen.method]
        if tied:
            text += f" As near within {self.describe_tolerance()}: {join_names(tied)}."
        return text

    def format_method(self, method: RankedMethod) -> str:
        """Format a method's figure with its unit."""
        unit = f" {self.metric.unit}" if self.metric.unit else ""
        return f"{self.metric.short} {self.metric.format(method.value)}{unit}"

    def _format_baselines(self, route: RouteEvaluation) -> str:
        """Format the baselines without training, best first."""
        values = {name: v for name in self.floor_names if (v := route.baseline(name, self.metric)) is not None}
        order = sorted(values, key=lambda name: self.metric.loss(values[name]))
        return ", ".join(f"{name} {self.metric.format(values[name])}" for name in order)


def join_names(names: Sequence[str]) -> str:
    """Join names as in a sentence."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

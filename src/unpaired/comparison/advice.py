"""Recommendation of a method for each direction, for every medium; a medium can refine it with its own metrics."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.comparison import ranking
from unpaired.comparison.ranking import RankedMethod
from unpaired.comparison.result import Comparison
from unpaired.metrics.base import RouteEvaluation
from unpaired.metrics.significance import significantly_better
from unpaired.metrics.verdict import find_best_baseline


class Advisor:
    """Recommender of methods of a comparison, based on its ranking metric.

    It recommends the best of the methods that beat every baseline without training. A medium overrides `choose` and
    `describe_direction` to consider its other metrics.
    """

    def __init__(self, comparison: Comparison) -> None:
        self.comparison = comparison
        self.medium = comparison.get_medium()
        self.judges = ranking.choose_judges(comparison)
        self.metric = self.judges[0]
        self.floor_names = [b.name for b in self.medium.baselines if not b.is_reference]

    @property
    def rules(self) -> tuple[str, ...]:
        """Sentences that explain the ranking and the recommendation."""
        names = " or ".join(metric.short for metric in self.medium.ranking_metrics)
        return (
            f"Ranked by {names} ({self.metric.hint}); methods share a rank if their values differ by less than "
            f"{self.describe_tolerance()}. The recommendation is the best method that beats every baseline without "
            "training.",
        )

    def describe_tolerance(self) -> str:
        """Describe the smallest difference that counts."""
        tolerance = self.metric.rank_tolerance
        text = f"{tolerance:.0%}" if tolerance else "twice the standard error of the difference"
        return f"{text} or than their combined spread over seeds" if self.comparison.has_spread else text

    def rank(self, direction: str) -> list[RankedMethod]:
        """Rank the methods of a direction."""
        return ranking.rank_direction(self.comparison.finished, direction, self.judges)

    def choose(self, ranked: Sequence[RankedMethod]) -> RankedMethod | None:
        """Return the recommended method of a direction; None if no method beats the baselines."""
        better = self.list_better(ranked)
        return better[0] if better else None

    def list_better(self, ranked: Sequence[RankedMethod]) -> list[RankedMethod]:
        """Return the methods that are significantly better than every baseline without training, best first."""
        return [m for m in ranked if m.value is not None and m.route is not None and self._beats_floor(m, m.route)]

    def _beats_floor(self, method: RankedMethod, route: RouteEvaluation) -> bool:
        values = [route.baseline(name, self.metric) for name in self.floor_names]
        value = method.value
        return value is not None and all(
            significantly_better(self.metric, value, floor, method.error, spreads=(method.spread,))
            for floor in values
            if floor is not None
        )

    def describe_direction(self, direction: str) -> str:
        """Recommend a method for one direction, with the reason."""
        ranked = self.rank(direction)
        chosen, best = self.choose(ranked), ranked[0]
        if best.value is None or best.route is None:
            return f"take none: {self.metric.short} was not measured; {self.medium.judge_yourself}."
        baselines = self._format_baselines(best.route)
        if chosen is None:
            names = [name for name in self.floor_names if best.route.baseline(name, self.metric) is not None]
            floor = find_best_baseline(best.route, self.metric, names)
            return (
                f"take none yet: no method is better than {floor}, which needs no training, by more than "
                f"{self.describe_tolerance()} (the best method is {best.method}: {self.format_method(best)}; "
                f"{baselines})."
            )
        text = f"take {chosen.method}: {self.format_method(chosen)}{f' ({baselines})' if baselines else ''}."
        tied = [m.method for m in ranked if m.rank == chosen.rank and m.method != chosen.method]
        if tied:
            text += f" Equal within {self.describe_tolerance()}: {join_names(tied)}."
        return text

    def format_method(self, method: RankedMethod) -> str:
        """Format a method's value of the ranking metric with its unit."""
        unit = f" {self.metric.unit}" if self.metric.unit else ""
        spread = "" if method.spread is None else f" ± {method.spread:.{self.metric.digits}f}"
        return f"{self.metric.short} {self.metric.format(method.value)}{spread}{unit}"

    def _format_baselines(self, route: RouteEvaluation) -> str:
        """Format the values of the baselines without training, best first."""
        values = {name: v for name in self.floor_names if (v := route.baseline(name, self.metric)) is not None}
        order = sorted(values, key=lambda name: self.metric.loss(values[name]))
        return ", ".join(f"{name} {self.metric.format(values[name])}" for name in order)


def join_names(names: Sequence[str]) -> str:
    """Join names with commas and "and"."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

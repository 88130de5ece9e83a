"""Advice on methods for pictures, by KID, content kept, and the distance to true translations if they are known."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.comparison.advice import Advisor, join_names
from unpaired.comparison.ranking import RankedMethod, is_tied
from unpaired.media.image.metrics import FEATURE_SIMILARITY, KIDS, L1, LINEAR, REAL
from unpaired.media.image.verdict import (
    MIN_TRUTH_GAIN,
    beats_untrained,
    content_kept,
    get_content_spread,
    get_kid,
    has_features,
    is_nearer_to_truth,
)
from unpaired.metrics.base import DOING_NOTHING, Metric, RouteEvaluation
from unpaired.metrics.features import INSTALL_HINT
from unpaired.metrics.significance import combine_spreads

MIN_CONTENT_DIFFERENCE = 0.05
"""Difference in content kept above which the advice mentions it."""
MIN_RELATED_SIMILARITY = 0.1
"""Feature similarity below which translations may be unrelated to their inputs."""


class ImageAdvisor(Advisor):
    """Advisor that recommends the method nearest to the true translations, else the best by KID and content kept."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Rules of the ranking and of the advice."""
        return (
            "Methods are ranked by KID to the target's real pictures, lower is better, by two unrelated networks if "
            "both are installed: a method is better than another if one KID is lower by more than "
            f"{self.describe_tolerance()} and the other is not higher by more than that; otherwise they share a rank. "
            f"The advice is the method that keeps most of the input among those that beat {DOING_NOTHING} and the "
            f"{LINEAR} in this way and do not differ from the best; if the true translations are known, the method "
            "nearest to them.",
        )

    def choose(self, ranked: Sequence[RankedMethod]) -> RankedMethod | None:
        """Return the method nearest to the truth, else the one tied with the best by KID that keeps most content.

        Returns None if no method is better than the untranslated inputs.
        """
        nearer = [m for m in ranked if m.route is not None and is_nearer_to_truth(m.route)]
        if nearer:
            return min(nearer, key=lambda m: m.route.values["l1"] if m.route is not None else 0.0)
        improving = [m for m in ranked if m.route is not None and beats_untrained(m.route)]
        if not improving:
            return None
        tied = (m for m in improving if is_tied(improving[0], m, self.metric))
        return max(tied, key=lambda m: _get_content(m) or 0.0)

    def describe_direction(self, direction: str) -> str:
        """Recommend a method for one direction, with the reasons."""
        ranked = self.rank(direction)
        if all(m.value is None for m in ranked):
            return self._describe_without_kid(ranked)
        chosen = self.choose(ranked)
        if chosen is None or chosen.route is None:
            return explain_no_gain(ranked[0])
        parts = [
            f"take {chosen.method}: {self.format_method(chosen)}.",
            self._describe_best(chosen, ranked),
            describe_truth(chosen, chosen.route, ranked),
            self._describe_content(chosen.route, ranked),
        ]
        return " ".join(filter(None, parts))

    def format_method(self, method: RankedMethod) -> str:
        """Format KID with its baselines, the content kept, and the distance to the truth."""
        return "" if method.route is None else format_measures(method.route)

    def _describe_without_kid(self, ranked: Sequence[RankedMethod]) -> str:
        chosen = self.choose(ranked)
        is_installed = any(m.route is not None and has_features(m.route) for m in ranked)
        reason = "too few items are held out" if is_installed else INSTALL_HINT
        if chosen is None:
            return f"no KID was measured ({reason}), so there is no ranking: {self.medium.judge_yourself}."
        return (
            f"take {chosen.method}, the nearest to the true translations: {self.format_method(chosen)}. No KID was "
            f"measured ({reason})."
        )

    def _describe_best(self, chosen: RankedMethod, ranked: Sequence[RankedMethod]) -> str:
        """Compare the chosen method with the best by KID, and name the others within the error."""
        best = ranked[0]
        if not is_tied(best, chosen, self.metric):
            return (
                f"By KID {best.method} is nearer to the target ({self.format_method(best)}): a trade-off between "
                "likeness to the target and L1 to the truth. L1 rewards blur, so look at the pictures of both."
            )
        others = [m.method for m in ranked if m.method != chosen.method and is_tied(best, m, self.metric)]
        if not others:
            return "No other comes within the error of its KID."
        return f"{join_names(others)} {'is' if len(others) == 1 else 'are'} within the error of KID."

    def _describe_content(self, route: RouteEvaluation, ranked: Sequence[RankedMethod]) -> str:
        """Name a method that keeps more of the input, and warn of translations that are unrelated to their inputs."""
        kept = content_kept(route)
        if kept is None:
            return ""
        parts = []
        similarity = route.value(FEATURE_SIMILARITY)
        if similarity is not None and similarity < MIN_RELATED_SIMILARITY:
            parts.append(
                f"By features its translations have little to do with their inputs ({similarity:.2f}): check whether "
                "they correspond at all."
            )
        better = [m for m in ranked if m.route is not None and beats_untrained(m.route)]
        spread = get_content_spread(route)
        better = [
            m
            for m in better
            if m.route is not None
            and (_get_content(m) or 0.0)
            >= kept + max(MIN_CONTENT_DIFFERENCE, combine_spreads(spread, get_content_spread(m.route)))
        ]
        if better:
            most = max(better, key=lambda m: _get_content(m) or 0.0)
            parts.append(
                f"A trade-off: {most.method} keeps more of the input ({self.format_method(most)}). Take it if content "
                "matters more than likeness to the target."
            )
        return " ".join(parts)


def describe_truth(chosen: RankedMethod, route: RouteEvaluation, ranked: Sequence[RankedMethod]) -> str:
    """Compare the methods by L1 to the true translations; empty if there are no true pairs."""
    l1 = route.value(L1)
    if l1 is None:
        return ""
    if not is_nearer_to_truth(route):
        floor = "the input is" if route.baseline(LINEAR, L1) is None else f"the input and its {LINEAR} are"
        return f"None is notably nearer to the true translations than {floor}; KID does not show this."
    beats_input = route.value(get_kid(route)) is None or beats_untrained(route)
    floor = "the input's" if route.baseline(LINEAR, L1) is None else f"those of the input and its {LINEAR}"
    caveat = "" if beats_input else f", though its KID is not significantly better than {floor}"
    others = [(m.method, m.route) for m in ranked if m.method != chosen.method and m.route is not None]
    tied = [name for name, other in others if is_as_near_to_truth(other, route)]
    verb = "is" if len(tied) == 1 else "are"
    spread_text = " or the spread over seeds" if route.spreads else ""
    tied_text = f"; {join_names(tied)} {verb} as near within {MIN_TRUTH_GAIN:.0%}{spread_text}" if tied else ""
    return f"{chosen.method} is the nearest to the true translations{caveat}{tied_text}."


def is_as_near_to_truth(route: RouteEvaluation, nearest: RouteEvaluation) -> bool:
    """Whether the L1 to the truth is larger than that of the nearest method by less than a gain, or than the spread."""
    l1, least = route.value(L1), nearest.value(L1)
    if l1 is None or least is None:
        return False
    return l1 - least < MIN_TRUTH_GAIN * least or l1 - least <= combine_spreads(route.spread(L1), nearest.spread(L1))


def explain_no_gain(best: RankedMethod) -> str:
    """Explain why no method is recommended."""
    route = best.route
    if route is None:
        return "nothing was measured."
    kid = get_kid(route)
    if route.error(kid) is None:
        return f"{route.sources} and {route.targets} held-out items are too few to judge by KID; judge by the pictures."
    nothing, real = route.baseline(DOING_NOTHING, kid), route.baseline(REAL, kid)
    if nothing is not None and real is not None and nothing <= real:
        return (
            "take none by these figures: by KID, untranslated pictures do not differ from real ones "
            f"({format_kid(route, kid)}), so KID cannot rank methods here. Judge by the pictures or by true pairs "
            "(--pairs)."
        )
    floors = DOING_NOTHING if route.baseline(LINEAR, kid) is None else f"{DOING_NOTHING} and the {LINEAR}"
    return (
        f"take none yet: no method beats {floors} by more than the error of KID (best: {best.method}, "
        f"{format_measures(route)}). Train longer, or check whether the two collections differ as intended."
    )


def format_measures(route: RouteEvaluation) -> str:
    """Format KID with its baselines, the content kept, and the distance to the truth."""
    parts = [format_kid(route, metric) for metric in KIDS if route.value(metric) is not None]
    parts += [f"content kept {kept:.2f}"] if (kept := content_kept(route)) is not None else []
    if (l1 := route.value(L1)) is not None:
        names = (DOING_NOTHING, LINEAR)
        floors = [f"{name} {floor:.3f}" for name in names if (floor := route.baseline(name, L1)) is not None]
        parts.append(f"L1 to the truth {l1:.3f} ({', '.join(floors)})")
    return ", ".join(parts)


def format_kid(route: RouteEvaluation, metric: Metric) -> str:
    """Format a KID with its standard error and baselines."""
    error = route.uncertainty(metric)
    values = [(name, route.baseline(name, metric)) for name in (DOING_NOTHING, LINEAR, REAL)]
    baselines = ", ".join(f"{name} {metric.format(value)}" for name, value in values if value is not None)
    error_text = "" if error is None else f" ± {metric.format(error)}"
    return f"{metric.short} {metric.format(route.value(metric))}{error_text}" + (f" ({baselines})" if baselines else "")


def _get_content(method: RankedMethod) -> float | None:
    return content_kept(method.route) if method.route is not None else None

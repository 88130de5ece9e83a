"""Verdict on a route for pictures: by KID relative to its baselines, and by the distance to the true translations."""

from __future__ import annotations

from unpaired.media.image.metrics import CHANGE, EDGE_SIMILARITY, FEATURE_SIMILARITY, KID, KIDS, L1, LINEAR, REAL
from unpaired.metrics.base import DOING_NOTHING, Metric, RouteEvaluation, mean_if_complete
from unpaired.metrics.features import INSTALL_HINT
from unpaired.metrics.significance import (
    MIN_STANDARD_ERRORS,
    Judgement,
    better_by_all_judges,
    combine_spreads,
    significantly_better,
)

WORKED_FRACTION, PARTLY_FRACTION = 0.7, 0.3
"""Fractions of the KID difference between untranslated and real pictures above which a route worked (in part)."""
MIN_TRUTH_GAIN = 0.03
"""Minimum relative difference of L1 to the truth that counts as a gain; its standard error is not known."""
NEAR_FRACTION, MIN_CHANGE = 0.25, 1 / 255
"""A translation is nearly its input if it changes less than this fraction of what the linear color transfer changes.

That transfer is the smallest linear change that matches the colors of the domains, so it measures how far they are
apart. Where colors are alike, its change is near 0; then the limit is one level of 8 bits.
"""


def describe_route(route: RouteEvaluation) -> str:
    """Describe how near translations are to the target domain, to the true translations and to the input."""
    parts = (
        describe_likeness(route),
        describe_second_judge(route),
        describe_true_distance(route),
        describe_linear(route),
        describe_near_input(route),
    )
    return " ".join(part for part in parts if part)


def describe_likeness(route: RouteEvaluation) -> str:
    """Describe how near translations are to the target domain, by KID relative to its baselines."""
    metric = get_kid(route)
    kid, nothing, real = (route.value(metric), route.baseline(DOING_NOTHING, metric), route.baseline(REAL, metric))
    if kid is None:
        too_few = f"{route.sources} and {route.targets} held-out items are too few for KID"
        return f"likeness to the target was not measured. {too_few if has_features(route) else INSTALL_HINT}."
    if nothing is None:
        return f"KID is {metric.format(kid)}."
    real_text = f", real pictures {metric.format(real)}" if real is not None else ""
    few = route.error(metric) is None
    caveat = f" With {route.sources} and {route.targets} items, this is inaccurate." if few else ""
    figures = f"{metric.short} {metric.format(kid)}; {DOING_NOTHING} {metric.format(nothing)}{real_text}"
    if second := _describe_contradiction(route):
        return (
            "the feature networks disagree whether translations are nearer to the target than untranslated pictures "
            f"({figures}; {second}).{caveat}"
        )
    return f"{_describe_gain(route, metric, kid, nothing)} ({figures}).{caveat}"


def _describe_gain(route: RouteEvaluation, metric: Metric, kid: float, nothing: float) -> str:
    """Compare the KID of a route with its baselines; differences below two standard errors are not significant.

    A loss by KID is no failure if the translations are nearer to the true ones.
    """
    margin, real = MIN_STANDARD_ERRORS * (route.error(metric) or 0.0), route.baseline(REAL, metric) or 0.0
    if kid > nothing + margin:
        loss = "translations are further from the target than untranslated pictures"
        return f"by KID, {loss}" if is_nearer_to_truth(route) else f"did not work: {loss}"
    if kid >= nothing - margin or nothing <= real:
        return "no significant gain over untranslated pictures"
    if kid <= real + margin:
        return "worked: by KID, translations do not differ from real pictures of the target"
    fraction = (nothing - kid) / (nothing - real)
    outcome = (
        "worked"
        if fraction >= WORKED_FRACTION
        else "worked in part"
        if fraction >= PARTLY_FRACTION
        else "hardly worked"
    )
    return f"{outcome}: translations closed {fraction:.0%} of the gap between untranslated and real pictures"


def describe_second_judge(route: RouteEvaluation) -> str:
    """Give the KID by the second network; empty if it was not measured, or contradicts the first."""
    figures = [text for text, is_contradicted in _describe_other_kids(route) if not is_contradicted]
    return " ".join(f"By the second network: {text}." for text in figures)


def _describe_contradiction(route: RouteEvaluation) -> str:
    """Give the KID by the second network if it contradicts the first; empty otherwise."""
    return "; ".join(text for text, is_contradicted in _describe_other_kids(route) if is_contradicted)


def _describe_other_kids(route: RouteEvaluation) -> list[tuple[str, bool]]:
    """Return the figures of each KID but the first, and whether it contradicts the first."""
    first = get_kid(route)
    kids = [(metric, *_get_kids(route, metric)) for metric in KIDS if metric is not first]
    return [
        (
            f"{metric.short} {metric.format(kid)}; {DOING_NOTHING} {metric.format(nothing)}",
            _is_contradicted(route, first, metric),
        )
        for metric, kid, nothing in kids
        if kid is not None and nothing is not None
    ]


def _is_contradicted(route: RouteEvaluation, first: Metric, second: Metric) -> bool:
    """Return whether one network finds a significant gain over the input, and the other a significant loss."""
    kids = [(metric, *_get_kids(route, metric), route.error(metric)) for metric in (first, second)]
    known = [(metric, kid, nothing, e) for metric, kid, nothing, e in kids if kid is not None and nothing is not None]
    gains = any(significantly_better(metric, kid, nothing, error) for metric, kid, nothing, error in known)
    losses = any(significantly_better(metric, nothing, kid, error) for metric, kid, nothing, error in known)
    return gains and losses


def describe_true_distance(route: RouteEvaluation) -> str:
    """Describe how near translations are to the true ones; empty if those are not known."""
    l1, nothing = route.value(L1), route.baseline(DOING_NOTHING, L1)
    if l1 is None or nothing is None:
        return ""
    gain = l1 < nothing * (1 - MIN_TRUTH_GAIN)
    relation = "nearer to" if gain else "hardly nearer to" if l1 < nothing else "no nearer to"
    return f"They are {relation} the true translations than the input is (L1 {l1:.3f}; {DOING_NOTHING} {nothing:.3f})."


def describe_linear(route: RouteEvaluation) -> str:
    """Describe whether translations beat the linear color transfer; empty if that was not measured."""
    judged = [m for m in (L1, *KIDS) if route.value(m) is not None and route.baseline(LINEAR, m) is not None]
    if not judged:
        return ""
    judged = [L1] if L1 in judged else judged  # L1 to the truth decides alone; KIDs may say the opposite
    values = [(m, route.value(m), route.baseline(LINEAR, m)) for m in judged]
    figures = ", ".join(f"{m.short} {m.format(value)} against {m.format(linear)}" for m, value, linear in values)
    if beats_linear(route):
        return f"They beat the {LINEAR} ({figures})."
    return f"They do not beat the {LINEAR}, which needs no training: nothing else was learned ({figures})."


def describe_near_input(route: RouteEvaluation) -> str:
    """Say that translations are nearly their inputs; empty otherwise."""
    if not is_nearly_input(route):
        return ""
    change, linear = route.value(CHANGE), route.baseline(LINEAR, CHANGE)
    return (
        f"The translation is nearly the input: it changes {change:.4f} of the value range, the {LINEAR} {linear:.4f}, "
        "and it is not nearer to the target."
    )


def is_nearly_input(route: RouteEvaluation) -> bool:
    """Whether translations change little, relative to the linear color transfer, and are no nearer to the target."""
    change, linear = route.value(CHANGE), route.baseline(LINEAR, CHANGE)
    if change is None or linear is None or change >= max(MIN_CHANGE, NEAR_FRACTION * linear):
        return False
    return not beats_identity(route)


def get_kid(route: RouteEvaluation) -> Metric:
    """Return the KID by the first network, or that by the second if only this was measured."""
    return next((metric for metric in KIDS if route.value(metric) is not None), KID)


def _get_kids(route: RouteEvaluation, metric: Metric) -> tuple[float | None, float | None]:
    return route.value(metric), route.baseline(DOING_NOTHING, metric)


def has_features(route: RouteEvaluation) -> bool:
    """Whether a feature network was used."""
    return "features" in route.networks or "second features" in route.networks


def beats_baseline(route: RouteEvaluation, name: str) -> bool:
    """Whether one network finds translations nearer to the target than a baseline, and none finds them further.

    Differences of KID count beyond its standard error.
    """
    return better_by_all_judges(
        [
            Judgement(metric, value, other, (route.error(metric),), (route.spread(metric),))
            for metric in KIDS
            if (value := route.value(metric)) is not None and (other := route.baseline(name, metric)) is not None
        ]
    )


def beats_identity(route: RouteEvaluation) -> bool:
    """Whether translations are nearer to the target than the inputs are, by the KIDs, beyond their standard errors."""
    return beats_baseline(route, DOING_NOTHING)


def beats_linear(route: RouteEvaluation) -> bool:
    """Whether translations beat the linear color transfer: by L1 to the truth if that is known, else by the KIDs."""
    l1, linear = route.value(L1), route.baseline(LINEAR, L1)
    if l1 is not None and linear is not None:
        return _is_gain(route, l1, linear)
    return beats_baseline(route, LINEAR)


def beats_untrained(route: RouteEvaluation) -> bool:
    """Whether translations are nearer to the target than the inputs and their linear color transfer, by the KIDs."""
    has_linear = any(route.baseline(LINEAR, metric) is not None for metric in KIDS)
    return beats_identity(route) and (not has_linear or beats_baseline(route, LINEAR))


def is_nearer_to_truth(route: RouteEvaluation) -> bool:
    """Whether translations are nearer to the true ones than the inputs and their linear color transfer, by L1."""
    l1, floors = route.value(L1), [route.baseline(name, L1) for name in (DOING_NOTHING, LINEAR)]
    known = [floor for floor in floors if floor is not None]
    return l1 is not None and bool(known) and _is_gain(route, l1, min(known))


def _is_gain(route: RouteEvaluation, l1: float, floor: float) -> bool:
    """Return whether L1 is below `floor` by more than the minimum gain and the spread over seeds."""
    return l1 < floor - max(MIN_TRUTH_GAIN * floor, combine_spreads(route.spread(L1)))


def content_kept(route: RouteEvaluation) -> float | None:
    """Return the content kept: the mean of the similarities of features and edges that were measured."""
    values = [route.value(metric) for metric in (FEATURE_SIMILARITY, EDGE_SIMILARITY)]
    return mean_if_complete([value for value in values if value is not None])


def get_content_spread(route: RouteEvaluation) -> float | None:
    """Return the mean spread over seeds of the similarities of features and edges, an upper bound of that of the mean.

    None for a single run.
    """
    values = [route.spread(metric) for metric in (FEATURE_SIMILARITY, EDGE_SIMILARITY)]
    return mean_if_complete([value for value in values if value is not None])

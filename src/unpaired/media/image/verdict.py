"""Verdict on a route for pictures: by KID relative to its baselines, and by the distance to the true translations."""

from __future__ import annotations

from unpaired.media.image.metrics import EDGE_SIMILARITY, FEATURE_SIMILARITY, KID, L1, REAL
from unpaired.metrics.base import DO_NOTHING, RouteEvaluation, mean_if_complete
from unpaired.metrics.features import INSTALL_HINT
from unpaired.metrics.significance import MIN_STANDARD_ERRORS, combine_spreads, significantly_better

WORKED_FRACTION, PARTLY_FRACTION = 0.7, 0.3
"""Fractions of the KID difference between untranslated and real pictures above which a route worked (in part)."""
MIN_TRUTH_GAIN = 0.03
"""Minimum relative difference of L1 to the truth that counts as a gain; its standard error is not known."""


def describe_route(route: RouteEvaluation) -> str:
    """Describe how near translations are to the target domain, and to the true translations if they are known."""
    return f"{describe_likeness(route)}{describe_true_distance(route)}"


def describe_likeness(route: RouteEvaluation) -> str:
    """Describe how near translations are to the target domain, by KID relative to its baselines."""
    kid, nothing, real = (route.value(KID), route.baseline(DO_NOTHING, KID), route.baseline(REAL, KID))
    if kid is None:
        too_few = f"{route.sources} and {route.targets} held-out items are too few for KID"
        return f"likeness to the target was not measured. {too_few if has_features(route) else INSTALL_HINT}."
    if nothing is None:
        return f"KID is {kid:.3g}."
    real_text = f", real pictures {real:.3g}" if real is not None else ""
    caveat = f" With {route.sources} and {route.targets} items, this is inaccurate." if route.error(KID) is None else ""
    return f"{_describe_gain(route, kid, nothing)} (KID {kid:.3g}; {DO_NOTHING} {nothing:.3g}{real_text}).{caveat}"


def _describe_gain(route: RouteEvaluation, kid: float, nothing: float) -> str:
    """Compare the KID of a route with its baselines; differences below two standard errors are not significant."""
    margin, real = MIN_STANDARD_ERRORS * (route.error(KID) or 0.0), route.baseline(REAL, KID) or 0.0
    if kid > nothing + margin:
        return "did not work: translations are further from the target than untranslated pictures"
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


def describe_true_distance(route: RouteEvaluation) -> str:
    """Describe how near translations are to the true ones; empty if those are not known."""
    l1, nothing = route.value(L1), route.baseline(DO_NOTHING, L1)
    if l1 is None or nothing is None:
        return ""
    relation = "nearer to" if is_nearer_to_truth(route) else "hardly nearer to" if l1 < nothing else "no nearer to"
    return f" They are {relation} the true translations than the input is (L1 {l1:.3f}; {DO_NOTHING} {nothing:.3f})."


def has_features(route: RouteEvaluation) -> bool:
    """Whether a feature network was used."""
    return "features" in route.networks


def beats_identity(route: RouteEvaluation) -> bool:
    """Whether translations are nearer to the target than the inputs are, by KID, beyond its standard error."""
    kid, nothing = route.value(KID), route.baseline(DO_NOTHING, KID)
    return (
        kid is not None
        and nothing is not None
        and significantly_better(KID, kid, nothing, route.error(KID), spreads=(route.spread(KID),))
    )


def is_nearer_to_truth(route: RouteEvaluation) -> bool:
    """Whether translations are nearer to the true ones than the inputs are, by L1 and beyond its spread over seeds."""
    l1, nothing = route.value(L1), route.baseline(DO_NOTHING, L1)
    return (
        l1 is not None
        and nothing is not None
        and l1 < nothing - max(MIN_TRUTH_GAIN * nothing, combine_spreads(route.spread(L1)))
    )


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

"""Whether a route of pictures worked: by KID between doing nothing and real pictures, and by the truth where known."""

from __future__ import annotations

from unpaired.media.image.metrics import EDGE_SIMILARITY, FEATURE_SIMILARITY, KID, L1, REAL
from unpaired.metrics.base import DO_NOTHING, RouteEvaluation, mean_if_complete
from unpaired.metrics.features import INSTALL_HINT
from unpaired.metrics.significance import MIN_STANDARD_ERRORS, significantly_better

WORKED_FRACTION, PARTLY_FRACTION = 0.7, 0.3
"""Fractions of the way from the untranslated pictures to real ones, by KID, from which a route is said to work."""
MIN_TRUTH_GAIN = 0.03
"""Relative difference by which distances to the truth must differ; their standard error is not known."""


def describe_route(route: RouteEvaluation) -> str:
    """Describe how near a route's translations are to the target, and to the true ones where those are known."""
    return f"{describe_likeness(route)}{describe_true_distance(route)}"


def describe_likeness(route: RouteEvaluation) -> str:
    """Describe how near translations are to the target, between doing nothing and real pictures."""
    kid, nothing, real = (route.value(KID), route.baseline(DO_NOTHING, KID), route.baseline(REAL, KID))
    if kid is None:
        too_few = f"{route.sources} and {route.targets} held-out items are too few for KID"
        return f"likeness to the target was not measured. {too_few if has_features(route) else INSTALL_HINT}."
    if nothing is None:
        return f"KID is {kid:.3g}."
    real_text = f", real pictures {real:.3g}" if real is not None else ""
    caveat = f" With {route.sources} and {route.targets} items, this is rough." if route.error(KID) is None else ""
    return f"{_describe_gain(route, kid, nothing)} (KID {kid:.3g}; {DO_NOTHING} {nothing:.3g}{real_text}).{caveat}"


def _describe_gain(route: RouteEvaluation, kid: float, nothing: float) -> str:
    """Judge a route by its KID and that of doing nothing; two standard errors are within chance."""
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
    return f"{outcome}: translations went {fraction:.0%} of the way from untranslated pictures to real ones"


def describe_true_distance(route: RouteEvaluation) -> str:
    """Describe how near translations are to the true ones; empty where those are not known."""
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
    return kid is not None and nothing is not None and significantly_better(KID, kid, nothing, route.error(KID))


def is_nearer_to_truth(route: RouteEvaluation) -> bool:
    """Whether translations are nearer to the true ones than the inputs are, by L1."""
    l1, nothing = route.value(L1), route.baseline(DO_NOTHING, L1)
    return l1 is not None and nothing is not None and l1 < nothing * (1 - MIN_TRUTH_GAIN)


def content_kept(route: RouteEvaluation) -> float | None:
    """Return the content kept: the mean of the similarities of features and edges that were measured."""
    values = [route.value(metric) for metric in (FEATURE_SIMILARITY, EDGE_SIMILARITY)]
    return mean_if_complete([value for value in values if value is not None])

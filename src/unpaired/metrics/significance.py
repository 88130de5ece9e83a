"""From when on a difference of measures is one, the same for every page that judges."""

from __future__ import annotations

import math

from unpaired.media.image.measurement import RouteMeasures

MIN_STANDARD_ERRORS = 2.0
"""Standard errors that a difference must exceed."""
MIN_TRUTH_GAIN = 0.03
"""Share by which distances to the truth must differ; their error is not known."""


def significantly_lower(better: float, worse: float, *errors: float | None) -> bool:
    """Whether `better` is lower than `worse` beyond their errors; an unknown error tells nothing apart."""
    if None in errors:
        return False
    return worse - better > MIN_STANDARD_ERRORS * math.hypot(*(error for error in errors if error is not None))


def finite_or_none(value: float | None) -> float | None:
    """The value where it is a number."""
    return value if value is not None and math.isfinite(value) else None


def beats_identity(m: RouteMeasures) -> bool:
    """Whether translations are nearer to the target than the inputs are, by KID, beyond its error."""
    kid, identity = finite_or_none(m.kid), finite_or_none(m.kid_baseline)
    return kid is not None and identity is not None and significantly_lower(kid, identity, finite_or_none(m.kid_error))


def is_nearer_to_truth(m: RouteMeasures) -> bool:
    """Whether translations are nearer to the true ones than the inputs are, by L1."""
    return m.l1 is not None and m.l1_baseline is not None and m.l1 < m.l1_baseline * (1 - MIN_TRUTH_GAIN)

"""From when on a difference of measures is one, the same for every page that judges."""

from __future__ import annotations

import math

from unpaired.evaluation.measure import RouteMeasures

SURE = 2.0
"""Standard errors that a difference must exceed."""
NOTABLE_TRUTH = 0.03
"""Share by which distances to the truth must differ; their error is not known."""


def apart(better: float, worse: float, *errors: float | None) -> bool:
    """Whether `better` is lower than `worse` beyond their errors; an unknown error tells nothing apart."""
    if None in errors:
        return False
    return worse - better > SURE * math.hypot(*(error for error in errors if error is not None))


def finite(value: float | None) -> float | None:
    """The value where it is a number."""
    return value if value is not None and math.isfinite(value) else None


def beats_nothing(m: RouteMeasures) -> bool:
    """Whether translations are nearer to the target than the inputs are, by KID, beyond its error."""
    kid, nothing = finite(m.kid), finite(m.kid_nothing)
    return kid is not None and nothing is not None and apart(kid, nothing, finite(m.kid_error))


def nearer_to_truth(m: RouteMeasures) -> bool:
    """Whether translations are nearer to the true ones than the inputs are, by L1."""
    return m.l1 is not None and m.l1_nothing is not None and m.l1 < m.l1_nothing * (1 - NOTABLE_TRUTH)

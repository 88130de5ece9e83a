"""Verdict on a voice route: comparison with the untrained baselines, and blur."""

from __future__ import annotations

from unpaired.media.voice.metrics.declarations import (
    FRAME_DISTANCE,
    GV,
    GV_BIAS,
    MCD,
    MODULATION,
    SIMILARITY,
    VOICE_BASELINES,
)
from unpaired.metrics.base import RouteEvaluation
from unpaired.metrics.verdict import describe_against_baselines

BLURRED_GV_BIAS_DB = -1.0
"""GV bias in dB below which a spectrum counts as blurred."""


def describe_route(route: RouteEvaluation) -> str:
    """Compare a route with the baselines by similarity, MCD and GV, as far as measured, and report blur."""
    metrics = [m for m in (SIMILARITY, MCD, GV) if route.value(m) is not None]
    text = describe_against_baselines(route, metrics or (MODULATION, FRAME_DISTANCE), VOICE_BASELINES)
    return f"{text}{describe_blur(route)}"


def is_blurred(route: RouteEvaluation) -> bool:
    """Return whether the spectra are much flatter than the target's."""
    bias = route.value(GV_BIAS)
    return bias is not None and bias < BLURRED_GV_BIAS_DB


def describe_blur(route: RouteEvaluation) -> str:
    """Return by how much the spectra are flatter than the target's; empty if they are not blurred."""
    if not is_blurred(route):
        return ""
    return f" Its spectrum is {-(route.value(GV_BIAS) or 0):.1f} dB flatter than the target's, that is, blurred."

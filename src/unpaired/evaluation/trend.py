"""Whether training still gains, in words, from a measure over time (lower is better: KID)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final, Literal, NamedTuple

Trend = Literal["gains", "settled", "worse", "unclear"]

FEWEST: Final = 6
"""Evaluations needed before anything is said."""
SURE: Final = 2.5
"""Standard errors by which levels must differ to be called different."""
NOTABLE: Final = 0.03
"""Share of the level under which a difference does not matter, however sure."""
COARSE: Final = 0.3
"""Share of the level: where only differences above it could be seen, nothing is said."""


class _Reading(NamedTuple):
    """Levels of the recent third and of the third before, the best third's, and what a difference must exceed."""

    window: int
    recent: float
    before: float
    best: float
    least: float


def trend(history: Sequence[tuple[int, float]]) -> Trend:
    """Judge (step, value) pairs in order of steps, lower is better; values that are not finite are left out.

    The median of the recent third is compared with that of the third before. A difference counts where it exceeds
    2.5 standard errors, by the scatter about the curve (second differences, which a steady slope leaves zero), and 3 %
    of the level. "worse" is also said where the recent third lies above the best third of all by twice that.
    "unclear": fewer than six values, or a scatter that would hide a change of 30 %.
    """
    reading = _read([value for _, value in history if math.isfinite(value)])
    if reading is None:
        return "unclear"
    difference = reading.recent - reading.before
    if difference > reading.least or reading.recent - reading.best > 2 * reading.least:
        return "worse"
    if difference < -reading.least:
        return "gains"
    return "unclear" if reading.least > COARSE * abs(reading.before) else "settled"


def words(history: Sequence[tuple[int, float]], measure: str = "KID x1000") -> str:
    """The trend as a sentence with its figures and what to do about it."""
    known = [(step, value) for step, value in history if math.isfinite(value)]
    reading = _read([value for _, value in known])
    if reading is None:
        return f"Too early to say whether training still gains: {len(known)} evaluations, {FEWEST} are needed."
    best_step, best = min(known, key=lambda item: item[1])
    compared = (
        f"{measure} is {reading.recent:.3g} over the last {reading.window} evaluations, "
        f"{reading.before:.3g} over the {reading.window} before"
    )
    return {
        "gains": f"Training still gains: {compared}. More training should help.",
        "settled": f"Training has settled: {compared}. More of the same will hardly help.",
        "worse": f"Training gets worse: {compared}; the best was {best:.3g} at step {best_step}. "
        "Use the best checkpoint, train shorter, or bring more items.",
        "unclear": f"No clear trend: {compared}, and the values scatter too much to tell. "
        "More held-out items would help.",
    }[trend(history)]


def _read(values: Sequence[float]) -> _Reading | None:
    if len(values) < FEWEST:
        return None
    window = len(values) // 3
    levels = [median(values[i : i + window]) for i in range(len(values) - window + 1)]
    recent, before = levels[-1], levels[-1 - window]
    # 1.253: what the standard error of a median exceeds that of a mean by.
    error = 1.253 * _scatter(values) * math.sqrt(2 / window)
    return _Reading(window, recent, before, min(levels), max(SURE * error, NOTABLE * abs(before)))


def _scatter(values: Sequence[float]) -> float:
    """Standard deviation about a smooth curve: of second differences, whose variance is six times that of the values.

    Of the later two thirds, where levels are compared: early training falls in a curve.
    """
    late = values[-max(FEWEST, len(values) * 2 // 3) :]
    bends = [a - 2 * b + c for a, b, c in zip(late, late[1:], late[2:], strict=False)]
    return math.sqrt(sum(bend**2 for bend in bends) / len(bends) / 6)

"""How alike two collections of sentences are without any alignment: variance, modulation, F0.

A blurred conversion has a good MCD and a bad spread; so both stand side by side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import torch

from unpaired.evaluation import frames as places
from unpaired.evaluation.voice.frames import HOP_SECONDS, Doubles, Frames

SEGMENT: Final = 128
"""Frames of a segment of the modulation spectrum: 640 ms, bins of 1.56 Hz."""
HIGHEST_BIN: Final = 32
LOWEST_HZ: Final = 1 / (SEGMENT * HOP_SECONDS)
HIGHEST_HZ: Final = HIGHEST_BIN / (SEGMENT * HOP_SECONDS)
_LEAST: Final = 1e-12


@dataclass(frozen=True, eq=False)
class Spread:
    """Statistics of sentences: `variance` (D,) of each coefficient in time, `modulation` (32, D) power or None.

    `f0_mean_cents` and `f0_std_cents` are of 1200 log2(F0 / Hz) over voiced frames, None where there are none.
    """

    variance: Doubles
    modulation: Doubles | None
    f0_mean_cents: float | None
    f0_std_cents: float | None
    voiced_share: float


class Distance(NamedTuple):
    """Output against target; None where a side has too little. Signed figures are output less target.

    `gv_db` is the mean over coefficients of |10 log10(variance / variance)|, `gv_bias_db` the same without the bars
    (below zero: flatter than the target). `modulation_db` is the mean over coefficients and modulation frequencies
    of the absolute difference in dB.
    """

    gv_db: float
    gv_bias_db: float
    modulation_db: float | None
    f0_mean_cents: float | None
    f0_std_cents: float | None
    voiced_share: float


def spread(sentences: Sequence[Frames]) -> Spread:
    """Statistics of at least one sentence.

    Variance: over the loud frames of a sentence, averaged over sentences (Toda 2007), so that what sets sentences
    apart does not count. Modulation: power spectra of the coefficients' courses (Takamichi 2014) in Hann windows of
    640 ms, half overlapping, from a sentence's first loud frame to its last, about the segment's mean, averaged over
    all segments; None where no sentence is as long.
    """
    gated = [sentence.gated() for sentence in sentences]
    variance = np.mean([sentence.cepstra.var(0) for sentence in gated], axis=0)
    f0 = np.concatenate([sentence.f0 for sentence in gated])
    cents = 1200 * np.log2(f0[f0 > 0])
    powers = [power for sentence in sentences for power in _segment_powers(sentence.spanned())]
    return Spread(
        variance,
        np.mean(powers, axis=0) if powers else None,
        float(cents.mean()) if len(cents) else None,
        float(cents.std()) if len(cents) else None,
        float(np.mean(f0 > 0)),
    )


def distance(output: Spread, target: Spread) -> Distance:
    """Compare the statistics of conversions with those of the target."""
    ratio = _db(output.variance) - _db(target.variance)
    modulation = None
    if output.modulation is not None and target.modulation is not None:
        modulation = float(np.abs(_db(output.modulation) - _db(target.modulation)).mean())
    return Distance(
        float(np.abs(ratio).mean()),
        float(ratio.mean()),
        modulation,
        _less(output.f0_mean_cents, target.f0_mean_cents),
        _less(output.f0_std_cents, target.f0_std_cents),
        output.voiced_share - target.voiced_share,
    )


def _segment_powers(course: Doubles) -> list[Doubles]:
    """Power (32, D) at 1.56 to 50 Hz of each segment of a course (S, D)."""
    window = np.hanning(SEGMENT + 1)[:-1, None]
    powers = []
    for begin in range(0, len(course) - SEGMENT + 1, SEGMENT // 2):
        segment = course[begin : begin + SEGMENT]
        spectrum = np.fft.rfft((segment - segment.mean(0)) * window, axis=0)
        powers.append(np.abs(spectrum[1 : HIGHEST_BIN + 1]) ** 2)
    return powers


def _db(power: Doubles) -> Doubles:
    return 10 * np.log10(np.maximum(power, _LEAST))


def _less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def frames_apart(out: Sequence[Frames], target: Sequence[Frames]) -> float | None:
    """Kernel distance of two collections' frames, times 1000 (`evaluation.frames`), about the target's mean.

    All coefficients are scaled alike, by the target's deviation as a whole: were each z-scored, faint upper ones, which
    synthesis moves and nobody hears, would count as much as formants. From the first loud frame of a sentence to the
    last; None where that is too little.
    """
    real = [part for one in target if len(part := one.spanned()) > 2 * places.REACH]
    made = [part for one in out if len(part := one.spanned()) > 2 * places.REACH]
    if not real or not made:
        return None
    joined = np.concatenate(real)
    mean, scale = joined.mean(0), max(float(np.sqrt(joined.var(0).mean())), 1e-3)
    theirs, ours = ([torch.from_numpy(((x - mean) / scale).T)[None] for x in some] for some in (real, made))
    if min(len(places.places(side)) for side in (theirs, ours)) < 2:
        return None
    return places.distance(theirs, ours)

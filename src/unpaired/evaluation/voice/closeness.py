"""How close a conversion is to the same sentence spoken by the target: measures of aligned frames."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from unpaired.evaluation.voice.frames import Frames
from unpaired.evaluation.voice.warp import align

MCD_SCALE: Final = 10 / math.log(10) * math.sqrt(2)
"""Cepstral distance to dB: the distance of two log spectra along the warped axis, root mean square (Kubichek 1993)."""


class Closeness(NamedTuple):
    """Of one pair: MCD in dB, share of frames that differ in voicing, RMSE of F0 in cents (None: never both voiced)."""

    mcd_db: float
    voicing_error: float
    f0_rmse_cents: float | None


def closeness(output: Frames, truth: Frames) -> Closeness:
    """Compare the loud frames of both, aligned exactly by their cepstra; every figure is a mean along that path."""
    a, b = output.gated(), truth.gated()
    path = align(a.cepstra, b.cepstra)
    f0_a, f0_b = a.f0[path.first], b.f0[path.second]
    both = (f0_a > 0) & (f0_b > 0)
    cents = 1200 * np.log2(f0_a[both] / f0_b[both])
    return Closeness(
        MCD_SCALE * path.mean,
        float(np.mean((f0_a > 0) != (f0_b > 0))),
        float(np.sqrt(np.mean(cents**2))) if both.any() else None,
    )

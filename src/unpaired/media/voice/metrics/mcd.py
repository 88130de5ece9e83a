"""How close a conversion is to the same sentence spoken by the target: measures of aligned frames."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from unpaired.media.voice.metrics.acoustic_frames import FrameFeatures
from unpaired.media.voice.metrics.dtw import align

MCD_SCALE: Final = 10 / math.log(10) * math.sqrt(2)
"""Cepstral distance to dB: the distance of two log spectra along the warped axis, root mean square (Kubichek 1993)."""


class AlignedMetrics(NamedTuple):
    """Of one pair: MCD in dB, share of frames that differ in voicing, RMSE of F0 in cents (None: never both voiced)."""

    mcd_db: float
    voicing_error: float
    f0_rmse_cents: float | None


def compute_aligned_metrics(output: FrameFeatures, reference: FrameFeatures) -> AlignedMetrics:
    """Compare the loud frames of both, aligned exactly by their cepstra; every figure is a mean along that path."""
    a, b = output.select_loud(), reference.select_loud()
    path = align(a.cepstra, b.cepstra)
    f0_a, f0_b = a.f0[path.first], b.f0[path.second]
    both_voiced = (f0_a > 0) & (f0_b > 0)
    cents = 1200 * np.log2(f0_a[both_voiced] / f0_b[both_voiced])
    return AlignedMetrics(
        MCD_SCALE * path.mean_distance,
        float(np.mean((f0_a > 0) != (f0_b > 0))),
        float(np.sqrt(np.mean(cents**2))) if both_voiced.any() else None,
    )

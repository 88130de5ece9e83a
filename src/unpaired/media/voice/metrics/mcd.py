"""Metrics of aligned frames: a conversion compared with the same sentence spoken by the target."""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import numpy as np

from unpaired.media.voice.metrics.acoustic_frames import FrameFeatures
from unpaired.media.voice.metrics.dtw import align

MCD_SCALE: Final = 10 / math.log(10) * math.sqrt(2)
"""Factor from cepstral distance to the RMS distance in dB of log spectra along the warped axis (Kubichek 1993)."""


class AlignedMetrics(NamedTuple):
    """Metrics of one pair: MCD in dB, fraction of frames that differ in voicing, and RMSE of F0 in cents.

    The RMSE is None if no aligned frames are both voiced.
    """

    mcd_db: float
    voicing_error: float
    f0_rmse_cents: float | None


def compute_aligned_metrics(output: FrameFeatures, reference: FrameFeatures) -> AlignedMetrics:
    """Compare the loud frames of output and reference, aligned by their cepstra; values are means over the path."""
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

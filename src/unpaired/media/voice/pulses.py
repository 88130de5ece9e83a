"""Where WORLD's synthesis sets its pulses, so that chunks of a stream can set theirs alike.

It accumulates the phase 2 pi f0 / rate from sample to sample and sets a pulse at each turn; f0 is interpolated linearly
between frames, and 500 Hz stands for samples that are not nearer to a voiced frame than to an unvoiced one. Samples
half-way between the two are decided by rounding, so WORLD's own order of operations is kept here.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["leading_frames", "phase_at"]

_UNVOICED_HZ = 500.0
_LEAD = 4
_LOWEST_HZ = 100.0
_PERIOD_SECONDS = 0.005


def phase_at(f0: npt.ArrayLike, frame: int, rate_hz: int) -> float:
    """Radians from the first sample to that of `frame`, synthesis beginning with `f0` (Hz, beyond `frame`)."""
    pitch = np.asarray(f0, np.float64)[: frame + 1]
    voiced = (pitch > 0).astype(np.float64)
    times = np.arange(len(pitch)) * _PERIOD_SECONDS
    at = np.arange(round(frame * _PERIOD_SECONDS * rate_hz)) / rate_hz
    k = np.searchsorted(times, at, side="right") - 1
    share = (at - times[k]) / (times[k + 1] - times[k])
    hz = pitch[k] + share * (pitch[k + 1] - pitch[k])
    hz[voiced[k] + share * (voiced[k + 1] - voiced[k]) <= 0.5] = _UNVOICED_HZ
    return float(2 * math.pi * hz.sum() / rate_hz)


def leading_frames(f0: npt.NDArray[np.floating], phase: float, rate_hz: int) -> npt.NDArray[np.float64]:
    """F0 of frames to put before `f0`, after which the phase is `phase` (radians, modulo a turn)."""

    def advance(hz: float) -> float:
        return phase_at(np.concatenate([np.full(_LEAD, hz), f0[:1]]), _LEAD, rate_hz)

    low = advance(_LOWEST_HZ)
    slope = advance(_LOWEST_HZ + 1) - low  # the advance is linear in it
    return np.full(_LEAD, _LOWEST_HZ + ((phase - low) % (2 * math.pi)) / slope)

"""Phase of the glottal pulses in WORLD's synthesis, so that chunks of a stream place their pulses alike.

WORLD accumulates the phase 2 pi f0 / rate from sample to sample and places a pulse at each full turn. It interpolates
F0 linearly between frames and uses 500 Hz for samples that are not nearer to a voiced frame than to an unvoiced one. At
samples exactly half-way, rounding decides; this module therefore keeps WORLD's order of operations.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

__all__ = ["compute_lead_in_f0", "compute_pulse_phase"]

_UNVOICED_F0_HZ = 500.0
_LEAD_IN_FRAMES = 4
_MIN_LEAD_IN_F0_HZ = 100.0
_FRAME_SECONDS = 0.005


def compute_pulse_phase(f0: npt.ArrayLike, frame: int, rate_hz: int) -> float:
    """Return the phase in radians from the first sample to that of `frame`; `f0` in Hz must extend beyond `frame`."""
    pitch = np.asarray(f0, np.float64)[: frame + 1]
    voiced = (pitch > 0).astype(np.float64)
    frame_times = np.arange(len(pitch)) * _FRAME_SECONDS
    sample_times = np.arange(round(frame * _FRAME_SECONDS * rate_hz)) / rate_hz
    k = np.searchsorted(frame_times, sample_times, side="right") - 1
    fraction = (sample_times - frame_times[k]) / (frame_times[k + 1] - frame_times[k])
    hz = pitch[k] + fraction * (pitch[k + 1] - pitch[k])
    hz[voiced[k] + fraction * (voiced[k + 1] - voiced[k]) <= 0.5] = _UNVOICED_F0_HZ
    return float(2 * math.pi * hz.sum() / rate_hz)


def compute_lead_in_f0(f0: npt.NDArray[np.floating], phase: float, rate_hz: int) -> npt.NDArray[np.float64]:
    """Return the F0 of frames to prepend to `f0`, after which the phase is `phase` (radians, modulo 2 pi)."""

    def compute_advance(hz: float) -> float:
        return compute_pulse_phase(np.concatenate([np.full(_LEAD_IN_FRAMES, hz), f0[:1]]), _LEAD_IN_FRAMES, rate_hz)

    low = compute_advance(_MIN_LEAD_IN_F0_HZ)
    slope = compute_advance(_MIN_LEAD_IN_F0_HZ + 1) - low  # the advance is linear in F0
    return np.full(_LEAD_IN_FRAMES, _MIN_LEAD_IN_F0_HZ + ((phase - low) % (2 * math.pi)) / slope)

"""Where somebody speaks: a gate on the energy of frames, or on how likely each is speech (`silero.py`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unpaired.media.voice.recording import Wave

__all__ = ["FLOOR_DB", "level_db", "likely", "segments", "speech", "trim"]

FLOOR_DB = -120.0
"""What digital zero measures."""
SILENT_DB = -60.0
"""Frames below are silence, whatever the rest is."""

Levels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def level_db(wave: Wave, hop: int, frames: int, window: int) -> Levels:
    """Root mean square of `window` samples around sample `t * hop`, in dB of full scale, for each of `frames`."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(wave, dtype=np.float64))])
    centre = np.arange(frames) * hop
    low, high = np.clip(centre - window // 2, 0, len(wave)), np.clip(centre + window // 2, 0, len(wave))
    power = (energy[high] - energy[low]) / window
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10))), np.float32)


def speech(levels: Levels, frame_seconds: float, gap_seconds: float = 0.2, least_seconds: float = 0.05) -> Mask:
    """Which frames are speech, from their levels in dB.

    The threshold lies 40 dB below the loud frames (95th percentile), or 8 dB above the quiet ones (10th) where
    background noise is louder than that, but at least 20 dB below the loud ones and never below -60 dB of full scale.
    Pauses shorter than `gap_seconds` belong to the speech around them; bursts below `least_seconds` do not count.
    """
    if not len(levels):
        return np.zeros(0, np.bool_)
    quiet, loud = np.percentile(levels, (10, 95))
    threshold = max(loud - 40, min(quiet + 8, loud - 20), SILENT_DB)
    return _joined(levels > threshold, round(gap_seconds / frame_seconds), round(least_seconds / frame_seconds))


def likely(probabilities: Levels, frame_seconds: float, gap_seconds: float = 0.2, least_seconds: float = 0.1) -> Mask:
    """Which frames are speech, from how likely each is: runs of at least 0.35 that reach 0.5.

    The two thresholds are silero-vad's own. Short pauses and bursts count as in `speech`.
    """
    mask = np.zeros(len(probabilities), np.bool_)
    for start, stop in segments(probabilities >= 0.35):
        mask[start:stop] = probabilities[start:stop].max() >= 0.5
    return _joined(mask, round(gap_seconds / frame_seconds), round(least_seconds / frame_seconds))


def segments(mask: Mask) -> list[tuple[int, int]]:
    """The runs of true frames, as (start, stop)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def trim(wave: Wave, sample_rate_hz: int, margin_seconds: float = 0.05) -> Wave:
    """The wave from the first speech to the last, with a margin; empty where there is none."""
    hop = sample_rate_hz // 200
    runs = segments(speech(level_db(wave, hop, len(wave) // hop + 1, 5 * hop), hop / sample_rate_hz))
    if not runs:
        return wave[:0]
    margin = round(margin_seconds * sample_rate_hz)
    return wave[max(runs[0][0] * hop - margin, 0) : runs[-1][1] * hop + margin]


def _joined(mask: Mask, gap: int, least: int) -> Mask:
    """With pauses below `gap` frames counted as speech, and then without bursts below `least`."""
    mask = ~_without_short(~mask, gap, keep_ends=True)
    return _without_short(mask, least, keep_ends=False)


def _without_short(mask: Mask, least: int, keep_ends: bool) -> Mask:
    kept = np.zeros_like(mask)
    for start, stop in segments(mask):
        if stop - start >= least or (keep_ends and (start == 0 or stop == len(mask))):
            kept[start:stop] = True
    return kept

"""Voice activity detection from the level of frames, or from speech probabilities (`silero_vad`)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from unpaired.media.voice.audio_io import Wave

__all__ = [
    "FLOOR_DB",
    "compute_level_db",
    "detect_speech_by_level",
    "detect_speech_by_probability",
    "find_segments",
    "trim_silence",
]

FLOOR_DB = -120.0
"""Level of digital zero, in dB of full scale."""
SILENCE_DB = -60.0
"""Level in dB of full scale below which a frame is always silence."""

Levels = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


def compute_level_db(wave: Wave, hop: int, frames: int, window: int) -> Levels:
    """Return the root mean square around each of `frames` frames, in dB of full scale.

    The window is `window` samples around sample `t * hop`.
    """
    energy = np.concatenate([[0.0], np.cumsum(np.square(wave, dtype=np.float64))])
    centre = np.arange(frames) * hop
    low, high = np.clip(centre - window // 2, 0, len(wave)), np.clip(centre + window // 2, 0, len(wave))
    power = (energy[high] - energy[low]) / window
    return np.asarray(10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10))), np.float32)


def detect_speech_by_level(
    levels: Levels, frame_seconds: float, min_silence_seconds: float = 0.2, min_speech_seconds: float = 0.05
) -> Mask:
    """Return the mask of speech frames, from levels (frames,) in dB.

    The threshold is 40 dB below the loud frames (95th percentile), or 8 dB above the quiet ones (10th percentile) if
    background noise is louder than that, but at least 20 dB below the loud frames and never below -60 dB of full scale.
    Pauses shorter than `min_silence_seconds` count as speech; bursts shorter than `min_speech_seconds` do not.
    """
    if not len(levels):
        return np.zeros(0, np.bool_)
    quiet, loud = np.percentile(levels, (10, 95))
    threshold = max(loud - 40, min(quiet + 8, loud - 20), SILENCE_DB)
    return _smooth_mask(
        levels > threshold, round(min_silence_seconds / frame_seconds), round(min_speech_seconds / frame_seconds)
    )


def detect_speech_by_probability(
    probabilities: Levels, frame_seconds: float, min_silence_seconds: float = 0.2, min_speech_seconds: float = 0.1
) -> Mask:
    """Return the mask of speech frames, from probabilities (frames,): runs of at least 0.35 that reach 0.5.

    The two thresholds are those of silero-vad. Short pauses and bursts are treated as in `detect_speech_by_level`.
    """
    mask = np.zeros(len(probabilities), np.bool_)
    for start, stop in find_segments(probabilities >= 0.35):
        mask[start:stop] = probabilities[start:stop].max() >= 0.5
    return _smooth_mask(mask, round(min_silence_seconds / frame_seconds), round(min_speech_seconds / frame_seconds))


def find_segments(mask: Mask) -> list[tuple[int, int]]:
    """Return the runs of true frames as (start, stop)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], mask, [False]]).astype(np.int8)))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def trim_silence(wave: Wave, sample_rate_hz: int, margin_seconds: float = 0.05) -> Wave:
    """Return the wave from the first speech to the last, with a margin; empty if there is no speech."""
    hop = sample_rate_hz // 200
    runs = find_segments(
        detect_speech_by_level(compute_level_db(wave, hop, len(wave) // hop + 1, 5 * hop), hop / sample_rate_hz)
    )
    if not runs:
        return wave[:0]
    margin = round(margin_seconds * sample_rate_hz)
    return wave[max(runs[0][0] * hop - margin, 0) : runs[-1][1] * hop + margin]


def _smooth_mask(mask: Mask, min_silence: int, min_speech: int) -> Mask:
    """Fill pauses shorter than `min_silence` frames, then remove bursts shorter than `min_speech` frames."""
    mask = ~_remove_short_segments(~mask, min_silence, keep_ends=True)
    return _remove_short_segments(mask, min_speech, keep_ends=False)


def _remove_short_segments(mask: Mask, min_frames: int, keep_ends: bool) -> Mask:
    result = np.zeros_like(mask)
    for start, stop in find_segments(mask):
        if stop - start >= min_frames or (keep_ends and (start == 0 or stop == len(mask))):
            result[start:stop] = True
    return result

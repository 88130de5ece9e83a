"""F0 of speakers who are unknown before the conversion: statistics of a recording, and of a stream so far."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from unpaired.media.voice import audio_io, chunking
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.features import Floats, Representation, VoiceFeatures
from unpaired.media.voice.statistics import RunningMoments
from unpaired.media.voice.world import transform_log_f0

__all__ = ["LogF0Statistics", "PitchMapper", "create_pitch_mapper", "estimate_log_f0", "fill_unvoiced"]

LogF0Statistics = tuple[float, float]
"""Mean and standard deviation of log F0 (Hz)."""
MAX_VOICED_FRAMES = 12_000
"""Voiced frames after which an estimate is complete: one minute of 5 ms frames."""
_MIN_VOICED_FRAMES = 400  # 2 s: with fewer, the deviation is too uncertain, and F0 is shifted only


class PitchMapper:
    """Map log F0 to the target's mean and deviation (`transform_log_f0`).

    The source's statistics are `source`, or those of all frames so far, for streams of unknown speakers. `target` None:
    F0 stays as it is.
    """

    def __init__(self, target: LogF0Statistics | None, source: LogF0Statistics | None = None) -> None:
        self._target, self._source = target, source
        self._moments = RunningMoments()

    def __call__(self, f0: Floats) -> Floats:
        """Map F0 (1, frames) in Hz, 0 where unvoiced."""
        if self._target is None:
            return f0
        if self._source is not None:
            return transform_log_f0(f0, self._source, self._target)
        if self._moments.count < MAX_VOICED_FRAMES:
            self._moments.add(np.log(f0[f0 > 0])[None])
        source = _get_statistics(self._moments, self._target)
        return f0 if source is None else transform_log_f0(f0, source, self._target)


def create_pitch_mapper(
    item: Path | Wave | None, base: Representation, target: LogF0Statistics | None, source: LogF0Statistics | None
) -> PitchMapper:
    """Return the mapper for a file, a wave at the rate of `base`, or a stream (None).

    Without `source`, the statistics are those of the file or wave, or of the stream so far.
    """
    if source is None and item is not None:
        waves = audio_io.read_blocks(item, base.sample_rate_hz) if isinstance(item, Path) else [item]
        source = estimate_log_f0(chunking.analyse_stream(waves, base), target)
    return PitchMapper(target, source)


def estimate_log_f0(stream: Iterable[VoiceFeatures], target: LogF0Statistics | None) -> LogF0Statistics | None:
    """Return the statistics of log F0 of a stream's first minute of voiced frames; None without voiced frames.

    With less than 2 s of voiced frames, the deviation is that of `target`, so that F0 is only shifted.
    """
    moments = RunningMoments()
    for features in stream:
        f0 = features["f0"]
        moments.add(np.log(f0[f0 > 0])[None])
        if moments.count >= MAX_VOICED_FRAMES:
            break
    return _get_statistics(moments, target)


def fill_unvoiced(f0: Floats) -> Floats:
    """Return F0 (1, frames) with its unvoiced frames interpolated on the logarithmic axis; unchanged if all are."""
    voiced = np.flatnonzero(f0[0] > 0)
    if not len(voiced):
        return f0
    filled = np.exp(np.interp(np.arange(f0.shape[1]), voiced, np.log(f0[0, voiced])))
    return np.asarray(filled[None], np.float32)


def _get_statistics(moments: RunningMoments, target: LogF0Statistics | None) -> LogF0Statistics | None:
    if not moments.count:
        return None
    mean, deviation = (float(value[0]) for value in moments.compute_moments())
    if moments.count < _MIN_VOICED_FRAMES and target is not None:
        return mean, target[1]
    return mean, deviation

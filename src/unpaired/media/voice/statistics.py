"""What is known of a speaker's features as a whole: what scales them, and what the F0 transform goes by."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from unpaired.errors import WorkError
from unpaired.media.voice.features import Floats, VoiceFeatures
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.vad import Mask

__all__ = ["compute_statistics", "denormalise", "normalise", "unify_scales"]

_MIN_DEVIATION = 1e-3


def compute_statistics(recordings: Iterable[tuple[VoiceFeatures, Mask, float]]) -> SpeakerStatistics:
    """Statistics over recordings: features, which frames are speech, loudness in LUFS as found. A scale is a deviation.

    Raises WorkError below two frames of speech.
    """
    values, pitch, loudness_values, has_f0 = _RunningMoments(), _RunningMoments(), [], False
    for features, mask, lufs in recordings:
        values.add(features.values[:, mask])
        loudness_values += [lufs] if math.isfinite(lufs) else []
        if "f0" in features:
            has_f0 = True
            f0 = features["f0"][:, mask]
            pitch.add(np.log(f0[f0 > 0])[None])
    if values.count < 2:
        raise WorkError("the recordings hold no speech: none of their frames could be told from silence")
    mean, deviation = values.compute_moments()
    deviations = tuple(np.maximum(deviation, _MIN_DEVIATION).tolist())
    f0_mean, f0_deviation = pitch.compute_moments() if pitch.count > 1 else (None, None)
    return SpeakerStatistics(
        mean=tuple(mean.tolist()),
        std=deviations,
        scale=deviations,
        log_f0_mean=None if f0_mean is None else float(f0_mean[0]),
        log_f0_std=None if f0_deviation is None else float(f0_deviation[0]),
        voiced_fraction=pitch.count / values.count if has_f0 else None,
        lufs=float(np.mean(loudness_values)) if loudness_values else -70.0,
        frames=values.count,
    )


def unify_scales(speakers: Sequence[SpeakerStatistics]) -> list[SpeakerStatistics]:
    """The same, with scales by which a coefficient moves alike for all speakers, and weighs what it does in voices.

    Scaled by their deviations alone, all coefficients would count the same: faint upper ones, which hold little but
    chance, as much as those of the formants. So each keeps its share of the deviation, the geometric mean over the
    speakers'; the root mean square over coefficients is 1. A distance of voices is then one of log spectra, and no
    change at all is still the affine baseline.
    """
    deviations = np.array([speaker.std for speaker in speakers])
    mean_deviation = np.exp(np.log(deviations).mean(0))
    weights = mean_deviation / np.sqrt(np.square(mean_deviation).mean())
    return [
        speaker.model_copy(update={"scale": tuple(scale.tolist())})
        for speaker, scale in zip(speakers, deviations / weights, strict=True)
    ]


def normalise(values: Floats, statistics: SpeakerStatistics) -> Floats:
    """(coefficients, frames) around their means, over their scales."""
    mean, scale = _get_mean_and_scale(statistics)
    return (values - mean) / scale


def denormalise(normalised: Floats, statistics: SpeakerStatistics) -> Floats:
    """The inverse of `normalised`."""
    mean, scale = _get_mean_and_scale(statistics)
    return normalised * scale + mean


def _get_mean_and_scale(statistics: SpeakerStatistics) -> tuple[Floats, Floats]:
    return np.array(statistics.mean, np.float32)[:, None], np.array(statistics.scale, np.float32)[:, None]


class _RunningMoments:
    """Mean and deviation of the rows of blocks (rows, n), merged block by block (Chan et al. 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squared_deviations = np.zeros(())

    def add(self, block: Floats) -> None:
        count = block.shape[1]
        if not count:
            return
        mean = block.mean(1, dtype=np.float64)
        squares = np.square(block - mean[:, None]).sum(1)
        total = self.count + count
        delta = mean - self._mean
        self._mean = self._mean + delta * (count / total)
        self._squared_deviations = self._squared_deviations + squares + delta**2 * (self.count * count / total)
        self.count = total

    def compute_moments(self) -> tuple[np.ndarray, np.ndarray]:
        return self._mean, np.sqrt(self._squared_deviations / self.count)

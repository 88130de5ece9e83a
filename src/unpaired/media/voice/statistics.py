"""Statistics of a speaker's features, for normalization and for the F0 transform."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from unpaired.errors import WorkError
from unpaired.media.voice.features import Floats, VoiceFeatures
from unpaired.media.voice.settings import SpeakerStatistics
from unpaired.media.voice.vad import Mask

__all__ = ["RunningMoments", "compute_statistics", "denormalise", "normalise", "take_coefficients", "unify_scales"]

_MIN_DEVIATION = 1e-3


def compute_statistics(recordings: Iterable[tuple[VoiceFeatures, Mask, float]]) -> SpeakerStatistics:
    """Compute the statistics of recordings: (features, mask of speech frames, loudness in LUFS as found) for each.

    The scale of a coefficient is its standard deviation. Raises WorkError for fewer than two frames of speech.
    """
    values, pitch, loudness_values, has_f0 = RunningMoments(), RunningMoments(), [], False
    for features, mask, lufs in recordings:
        values.add(features.values[:, mask])
        loudness_values += [lufs] if math.isfinite(lufs) else []
        if "f0" in features:
            has_f0 = True
            f0 = features["f0"][:, mask]
            pitch.add(np.log(f0[f0 > 0])[None])
    if values.count < 2:
        raise WorkError("no speech found in the recordings: all frames were detected as silence")
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
    """Return the statistics with one relative scale per coefficient for all speakers.

    With the deviations alone as scales, all coefficients would have the same weight: faint upper ones, which are mostly
    noise, as much as those of the formants. Each coefficient is therefore weighted by its deviation (the geometric mean
    over speakers), with a root mean square of 1 over coefficients. Distances of normalized values are then distances of
    log spectra, and the identity on normalized values is still the affine baseline.
    """
    deviations = np.array([speaker.std for speaker in speakers])
    mean_deviation = np.exp(np.log(deviations).mean(0))
    weights = mean_deviation / np.sqrt(np.square(mean_deviation).mean())
    return [
        speaker.model_copy(update={"scale": tuple(scale.tolist())})
        for speaker, scale in zip(speakers, deviations / weights, strict=True)
    ]


def take_coefficients(statistics: SpeakerStatistics, count: int) -> SpeakerStatistics:
    """Return the statistics of the first `count` coefficients."""
    return statistics.model_copy(update={name: getattr(statistics, name)[:count] for name in ("mean", "std", "scale")})


def normalise(values: Floats, statistics: SpeakerStatistics) -> Floats:
    """Subtract the means from values (coefficients, frames) and divide by the scales."""
    mean, scale = _get_mean_and_scale(statistics)
    return (values - mean) / scale


def denormalise(normalised: Floats, statistics: SpeakerStatistics) -> Floats:
    """Invert `normalise`."""
    mean, scale = _get_mean_and_scale(statistics)
    return normalised * scale + mean


def _get_mean_and_scale(statistics: SpeakerStatistics) -> tuple[Floats, Floats]:
    return np.array(statistics.mean, np.float32)[:, None], np.array(statistics.scale, np.float32)[:, None]


class RunningMoments:
    """Mean and standard deviation of the rows of blocks (rows, n), merged block by block (Chan et al. 1983)."""

    def __init__(self) -> None:
        self.count = 0
        self._mean = self._squared_deviations = np.zeros(())

    def add(self, block: Floats) -> None:
        """Add a block of values."""
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
        """Return mean and standard deviation of each row."""
        return self._mean, np.sqrt(self._squared_deviations / self.count)

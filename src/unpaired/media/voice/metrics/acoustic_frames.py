"""Acoustic features that the metrics compare: mel-cepstra, F0 and level of each frame of a wave.

The metrics analyse the synthesized wave instead of using the converter's features, so that they include the vocoder's
errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Wave = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

SAMPLE_RATE_HZ: Final = 16000
MCEP_ORDER: Final = 24
MCEP_ALPHA: Final = 0.41
HOP_SECONDS: Final = 0.005
LOUD_RANGE_DB: Final = 20.0
"""Frames within this range below the loudest frame of a wave are loud frames, which the metrics compare."""
TARGET_RMS: Final = 0.05
"""RMS to which waves are scaled before analysis, because its floor for empty bands depends on loudness."""


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """Features every 5 ms: `cepstra` (T, 24) are c1..c24, `f0` (T,) in Hz, 0 where unvoiced, `level_db` (T,).

    Mel-cepstra are those of the natural logarithm of amplitude, with alpha 0.41 at 16 kHz. The level is the root mean
    square over 25 ms in dB, with an arbitrary reference. Raises ValueError if the lengths differ or T is 0.
    """

    cepstra: Doubles
    f0: Doubles
    level_db: Doubles

    def __post_init__(self) -> None:
        count = len(self.cepstra)
        if self.cepstra.ndim != 2 or not count or self.f0.shape != (count,) or self.level_db.shape != (count,):
            raise ValueError(
                f"cepstra {self.cepstra.shape}, f0 {self.f0.shape}, level {self.level_db.shape}; "
                "expected (T, D), (T,) and (T,) with T at least 1"
            )

    @property
    def is_loud(self) -> Mask:
        """Mask (T,) of the frames within 20 dB of the loudest frame."""
        return np.asarray(self.level_db > self.level_db.max() - LOUD_RANGE_DB)

    def select_loud(self) -> FrameFeatures:
        """Return only the loud frames, in order."""
        keep = self.is_loud
        return FrameFeatures(self.cepstra[keep], self.f0[keep], self.level_db[keep])

    def trim_to_loud(self) -> Doubles:
        """Return the cepstra (S, D) from the first loud frame to the last, including pauses between them."""
        first, last = np.flatnonzero(self.is_loud)[[0, -1]]
        return self.cepstra[first : last + 1]


FrameAnalyser = Callable[[Wave, int], FrameFeatures]
"""Function from a wave (samples,) and its sample rate in Hz to its features."""


def build_world_analyser() -> FrameAnalyser:
    """Return the analyser of the metrics: WORLD at 16 kHz (needs the extra `voice`).

    It resamples waves to 16 kHz, so that results of runs with different rates are comparable, and scales them to the
    same loudness.
    """
    from unpaired.media.voice.audio_io import resample  # noqa: PLC0415 (optional)
    from unpaired.media.voice.world import World  # noqa: PLC0415

    world = World(sample_rate_hz=SAMPLE_RATE_HZ, order=MCEP_ORDER, alpha=MCEP_ALPHA)

    def analyse(wave: Wave, sample_rate_hz: int) -> FrameFeatures:
        resampled_wave = np.concatenate(list(resample([wave], sample_rate_hz, SAMPLE_RATE_HZ)))
        rms = float(np.sqrt(np.mean(np.square(resampled_wave, dtype=np.float64))))
        features = world.analyse(resampled_wave * np.float32(TARGET_RMS / rms) if rms > 0 else resampled_wave)
        return FrameFeatures(
            features.values.T.astype(np.float64),
            features["f0"][0].astype(np.float64),
            features["level"][0].astype(np.float64),
        )

    return analyse

"""What of a wave the measures compare: mel-cepstra, F0 and level, frame by frame, of the wave analysed anew.

A converter's own features are never measured: what its synthesis loses would not show.
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
"""How far below its wave's loudest frame a frame may lie and still be compared."""
TARGET_RMS: Final = 0.05
"""What waves are brought to before analysis, which floors empty bands: so loudness is no difference."""


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """A wave every 5 ms: `cepstra` (T, 24) are c1..c24, `f0` (T,) Hz and 0 where unvoiced, `level_db` (T,).

    Mel-cepstra are of the natural logarithm of amplitude, alpha 0.41 at 16 kHz; the level is the root mean square of
    25 ms in dB, of which only differences matter. Raises ValueError where the lengths differ or nothing is there.
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
        """(T,): within 20 dB of the loudest frame."""
        return np.asarray(self.level_db > self.level_db.max() - LOUD_RANGE_DB)

    def select_loud(self) -> FrameFeatures:
        """The loud frames alone, in their order."""
        keep = self.is_loud
        return FrameFeatures(self.cepstra[keep], self.f0[keep], self.level_db[keep])

    def trim_to_loud(self) -> Doubles:
        """The cepstra (S, D) from the first loud frame to the last, pauses between them included."""
        first, last = np.flatnonzero(self.is_loud)[[0, -1]]
        return self.cepstra[first : last + 1]


FrameAnalyser = Callable[[Wave, int], FrameFeatures]
"""A wave (samples,) at a rate in Hz to its frames."""


def build_world_analyser() -> FrameAnalyser:
    """The analysis that the published figures are of: WORLD at 16 kHz (needs the extra `voice`).

    Waves of another rate are resampled, so that figures of one rate stand beside those of another, and all are brought
    to one loudness.
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

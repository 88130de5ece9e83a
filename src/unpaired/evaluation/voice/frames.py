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
ORDER: Final = 24
ALPHA: Final = 0.41
HOP_SECONDS: Final = 0.005
GATE_DB: Final = 20.0
"""How far below its wave's loudest frame a frame may lie and still be compared."""
RMS: Final = 0.05
"""What waves are brought to before analysis, which floors empty bands: so loudness is no difference."""


@dataclass(frozen=True, eq=False)
class Frames:
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
    def loud(self) -> Mask:
        """(T,): within 20 dB of the loudest frame."""
        return np.asarray(self.level_db > self.level_db.max() - GATE_DB)

    def gated(self) -> Frames:
        """The loud frames alone, in their order."""
        keep = self.loud
        return Frames(self.cepstra[keep], self.f0[keep], self.level_db[keep])

    def spanned(self) -> Doubles:
        """The cepstra (S, D) from the first loud frame to the last, pauses between them included."""
        first, last = np.flatnonzero(self.loud)[[0, -1]]
        return self.cepstra[first : last + 1]


Analyse = Callable[[Wave, int], Frames]
"""A wave (samples,) at a rate in Hz to its frames."""


def world_analysis() -> Analyse:
    """The analysis that the published figures are of: WORLD at 16 kHz (needs the extra `voice`).

    Waves of another rate are resampled, so that figures of one rate stand beside those of another, and all are brought
    to one loudness.
    """
    from unpaired.media.voice.recording import resampled  # noqa: PLC0415 (optional)
    from unpaired.media.voice.world import World  # noqa: PLC0415

    world = World(sample_rate_hz=SAMPLE_RATE_HZ, order=ORDER, alpha=ALPHA)

    def analyse(wave: Wave, sample_rate_hz: int) -> Frames:
        heard = np.concatenate(list(resampled([wave], sample_rate_hz, SAMPLE_RATE_HZ)))
        rms = float(np.sqrt(np.mean(np.square(heard, dtype=np.float64))))
        features = world.analyse(heard * np.float32(RMS / rms) if rms > 0 else heard)
        return Frames(
            features.values.T.astype(np.float64),
            features["f0"][0].astype(np.float64),
            features["level"][0].astype(np.float64),
        )

    return analyse

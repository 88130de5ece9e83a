"""The bands of the representation `mel`, which vocoders undo."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE_HZ, HOP, BANDS, FFT = 22050, 256, 80, 1024
_TOP_HZ = 8000.0


def filterbank() -> npt.NDArray[np.float64]:
    """Triangles (80, 513) evenly spaced on Slaney's mel scale from 0 to 8000 Hz, each of area one (per Hz).

    The scale (Auditory Toolbox, 1998) is linear up to 1000 Hz, 15 mel, and logarithmic above, 27 mel per factor 6.4.
    """
    edges = _hz(np.linspace(0, _mel(_TOP_HZ), BANDS + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    hz = np.linspace(0, RATE_HZ / 2, FFT // 2 + 1)
    triangles = np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre))
    return np.maximum(triangles, 0) * 2 / (high - low)


_LINEAR_HZ, _BEND_HZ, _STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _mel(hz: float) -> float:
    return hz / _LINEAR_HZ if hz < _BEND_HZ else float(_BEND_HZ / _LINEAR_HZ + np.log(hz / _BEND_HZ) / _STEP)


def _hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    bend = _BEND_HZ / _LINEAR_HZ
    return np.where(mel < bend, mel * _LINEAR_HZ, _BEND_HZ * np.exp(_STEP * (np.maximum(mel, bend) - bend)))

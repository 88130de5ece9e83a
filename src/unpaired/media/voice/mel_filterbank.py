"""Mel filterbanks of the mel features, of their vocoders, and of content encoders."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

RATE_HZ, HOP_LENGTH, N_MELS, N_FFT = 22050, 256, 80, 1024
_MAX_HZ = 8000.0


def build_mel_filterbank(rate_hz: int = RATE_HZ, n_fft: int = N_FFT, n_mels: int = N_MELS) -> npt.NDArray[np.float64]:
    """Return triangular filters (n_mels, n_fft // 2 + 1) for spectra of `n_fft` samples, each with area 1 in Hz.

    They are evenly spaced from 0 to 8000 Hz on Slaney's mel scale (Auditory Toolbox, 1998), which is linear up to 1000
    Hz (15 mel) and logarithmic above, with 27 mel per factor of 6.4.
    """
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(_MAX_HZ), n_mels + 2))
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    hz = np.linspace(0, rate_hz / 2, n_fft // 2 + 1)
    triangles = np.minimum((hz - low) / (centre - low), (high - hz) / (high - centre))
    return np.maximum(triangles, 0) * 2 / (high - low)


_HZ_PER_MEL, _LOG_START_HZ, _LOG_STEP = 200 / 3, 1000.0, np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return (
        hz / _HZ_PER_MEL
        if hz < _LOG_START_HZ
        else float(_LOG_START_HZ / _HZ_PER_MEL + np.log(hz / _LOG_START_HZ) / _LOG_STEP)
    )


def _mel_to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    log_start_mel = _LOG_START_HZ / _HZ_PER_MEL
    return np.where(
        mel < log_start_mel,
        mel * _HZ_PER_MEL,
        _LOG_START_HZ * np.exp(_LOG_STEP * (np.maximum(mel, log_start_mel) - log_start_mel)),
    )

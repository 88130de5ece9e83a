"""Log-mel spectra as Whisper defines them (Radford et al. 2022, sec. 2.2): the input of its encoder.

Frame t is the Hann-windowed DFT of 400 samples around sample 160 t (the wave is mirrored at its ends), at 16 kHz:

    m_t = log10 max(1e-10, F |X_t|^2),    x_t = (max(m_t, max(m) - 8) + 4) / 4

where F are Slaney's mel triangles of unit area from 0 to 8000 Hz, and max(m) is the largest value of the whole input.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.features import Floats
from unpaired.media.voice.mel_filterbank import build_mel_filterbank

RATE_HZ = 16000
HOP_SAMPLES = 160
WINDOW_SAMPLES = 400
LOG_RANGE = 8.0
"""Range below the largest value, in log10 of power: 80 dB."""
MIN_POWER = 1e-10


def compute_log_mel(wave: Wave, n_mels: int = 80) -> Floats:
    """Return the log-mel spectrum (n_mels, samples // 160) of a wave (samples,) at 16 kHz, of at least 201 samples."""
    samples = torch.from_numpy(np.ascontiguousarray(wave, np.float32))
    window = torch.hann_window(WINDOW_SAMPLES)
    spectrum = torch.stft(samples, WINDOW_SAMPLES, HOP_SAMPLES, window=window, return_complex=True)
    power = spectrum[:, : len(wave) // HOP_SAMPLES].abs().square()
    values = (_build_filters(n_mels) @ power).clamp(min=MIN_POWER).log10()
    values = values.clamp(min=float(values.max()) - LOG_RANGE)
    return np.asarray(((values + 4) / 4).numpy(), np.float32)


@lru_cache(maxsize=2)
def _build_filters(n_mels: int) -> torch.Tensor:
    return torch.from_numpy(build_mel_filterbank(RATE_HZ, WINDOW_SAMPLES, n_mels).astype(np.float32))

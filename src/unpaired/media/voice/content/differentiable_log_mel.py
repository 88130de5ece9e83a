"""Whisper's log-mel spectrum of frames of features, with gradients: the input of a content encoder in training.

World: the mel-cepstrum is decoded to the spectral envelope |H(w)|, whose power in Whisper's mel bands approximates that
of the wave without its harmonics; c_0 comes from elsewhere, since it does not pass through the networks. Mel: the bands
are those of Whisper (80 from 0 to 8000 Hz), so only their scale and their frame rate change.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from unpaired.errors import UsageError
from unpaired.media.voice import melcepstrum
from unpaired.media.voice.content import log_mel
from unpaired.media.voice.features import Representation
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.mel_filterbank import HOP_LENGTH, N_FFT, N_MELS, RATE_HZ, build_mel_filterbank
from unpaired.media.voice.world import FRAME_SECONDS, World

__all__ = ["LogMelDecoder", "scale_log_mel"]

_FRAMES_PER_SECOND = log_mel.RATE_HZ / log_mel.HOP_SAMPLES
_MAX_BINS = 201
"""Bins of Whisper's spectra up to 8000 Hz."""


class LogMelDecoder:
    """Decode frames of a representation to log10 powers in Whisper's mel bands, before `scale_log_mel`.

    Frames are mel-cepstra c_0..c_order of World, or 80 bands of Mel. Raises UsageError for an encoder whose number of
    bands Mel does not have.
    """

    def __init__(self, representation: Representation, num_mels: int = N_MELS) -> None:
        self._decode: Callable[[Tensor], Tensor]
        if isinstance(representation, World):
            self._frame_seconds, self._decode = FRAME_SECONDS, _WorldDecoder(representation, num_mels)
            return
        assert isinstance(representation, Mel)
        if num_mels != N_MELS:
            raise UsageError(
                f"--content-encoder: takes {num_mels} mel bands, but --representation mel has {N_MELS}; use world, or "
                "another encoder"
            )
        self._frame_seconds, self._decode = HOP_LENGTH / RATE_HZ, _decode_mel

    def __call__(self, values: Tensor) -> Tensor:
        """Return log10 powers (B, num_mels, t) every 10 ms for frames (B, rows, T); t is even."""
        powers = self._decode(values)
        seconds = values.shape[2] * self._frame_seconds
        count = max(2, int(seconds * _FRAMES_PER_SECOND) // 2 * 2)
        return interpolate_frames(powers, count, 1 / (_FRAMES_PER_SECOND * self._frame_seconds))


class _WorldDecoder:
    def __init__(self, world: World, num_mels: int) -> None:
        bins = round((_MAX_BINS - 1) * world.sample_rate_hz / log_mel.RATE_HZ) + 1
        _, decoding = melcepstrum.build_matrices(world.order, world.alpha, bins)
        # CheapTrick's envelope is a power per sample at its rate; a spectrum's also has the energy of its window.
        energy = _window_energy(log_mel.WINDOW_SAMPLES) * log_mel.RATE_HZ / world.sample_rate_hz
        self._offset = math.log10(energy)
        self._decoding = torch.from_numpy(decoding[:, :_MAX_BINS].astype(np.float32))
        filters = build_mel_filterbank(log_mel.RATE_HZ, log_mel.WINDOW_SAMPLES, num_mels)
        self._filters = torch.from_numpy(filters.astype(np.float32))

    def __call__(self, cepstra: Tensor) -> Tensor:
        log_power = 2 * torch.einsum("bct,ck->bkt", cepstra, self._decoding.to(cepstra))
        peak = log_power.detach().amax(1, keepdim=True)  # keeps the exponential within the range of floats
        bands = torch.einsum("mk,bkt->bmt", self._filters.to(cepstra), (log_power - peak).exp())
        return bands.clamp_min(1e-20).log10() + peak / math.log(10) + self._offset


def _decode_mel(values: Tensor) -> Tensor:
    """Bands of summed magnitudes at 22.05 kHz -> bands of summed powers at 16 kHz, of a spectrum that is flat in them.

    The magnitude of a bin is proportional to the square root of the rate times the window's energy, and the number of
    bins in a band to the length of the transform.
    """
    bin_hz, whisper_bin_hz = RATE_HZ / N_FFT, log_mel.RATE_HZ / log_mel.WINDOW_SAMPLES
    energy = log_mel.RATE_HZ * _window_energy(log_mel.WINDOW_SAMPLES) / (RATE_HZ * _window_energy(N_FFT))
    return 2 / math.log(10) * values + math.log10(energy * bin_hz**2 / whisper_bin_hz)


def scale_log_mel(powers: Tensor) -> Tensor:
    """Limit log10 powers (B, bands, t) to 80 dB below each item's largest, and scale them as Whisper does."""
    powers = powers.clamp_min(math.log10(log_mel.MIN_POWER))
    floor = powers.detach().amax((1, 2), keepdim=True) - log_mel.LOG_RANGE
    return (torch.maximum(powers, floor) + 4) / 4


def interpolate_frames(x: Tensor, count: int, step: float) -> Tensor:
    """Return `count` frames of (B, C, T), `step` frames apart, linearly interpolated; the last frame repeats."""
    positions = (torch.arange(count, device=x.device) * step).clamp(max=x.shape[2] - 1)
    first = positions.floor().long()
    weight = (positions - first).to(x)
    return x[..., first].lerp(x[..., (first + 1).clamp(max=x.shape[2] - 1)], weight)


def _window_energy(samples: int) -> float:
    return 3 / 8 * samples  # the sum of squares of a periodic Hann window

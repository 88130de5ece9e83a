"""The representation `mel`: 80 log-mel magnitudes at 22.05 kHz, as HiFi-GAN (Kong et al. 2020) defines them.

Frame t is the Hann-windowed DFT of 1024 samples around sample 256 t + 128 (the wave is mirrored at its ends):

    values_m = log max(1e-5, sum_k F[m, k] sqrt(|X_k|^2 + 1e-9))

with F the triangles of `filterbank` between 0 and 8000 Hz. A wave of n samples has n // 256 frames. A pitch is part of
the values here, so nothing but the level goes past the networks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from unpaired.media.voice import vad, vocoder
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.features import CHUNK_SECONDS, FeatureLayout, VoiceFeatures
from unpaired.media.voice.mel_filterbank import HOP_LENGTH, N_FFT, N_MELS, RATE_HZ, build_mel_filterbank

_MIN_MAGNITUDE = 1e-5
_PAD = (N_FFT - HOP_LENGTH) // 2


@dataclass(frozen=True)
class Mel:
    """Log-mel spectra. `vocoder` makes waves of them: see `vocoder.load`; features do not depend on it."""

    vocoder: str = "auto"

    @property
    def name(self) -> str:
        """The word for it in settings."""
        return "mel"

    @property
    def sample_rate_hz(self) -> int:
        """22050."""
        return RATE_HZ

    @property
    def hop_samples(self) -> int:
        """256."""
        return HOP_LENGTH

    @property
    def num_coefficients(self) -> int:
        """80."""
        return N_MELS

    @property
    def layout(self) -> FeatureLayout:
        """The groups of rows."""
        return (("values", N_MELS), ("level", 1))

    @property
    def context_frames(self) -> int:
        """A frame's window reaches two hops to either side."""
        return 4

    @property
    def lookahead_frames(self) -> int:
        """What the vocoder needs beside a chunk."""
        return vocoder.get_context_frames(vocoder.load_vocoder(self.vocoder))

    def get_settings(self) -> dict[str, int | float | str]:
        """All that its features depend on."""
        return {"name": self.name}

    def analyse(self, wave: Wave) -> VoiceFeatures:
        """Features of a wave of 385 samples or more: `samples // 256` frames."""
        padded = functional.pad(torch.from_numpy(np.asarray(wave, np.float32))[None], (_PAD, _PAD), mode="reflect")[0]
        window = torch.hann_window(N_FFT)
        spectrum = torch.stft(padded, N_FFT, HOP_LENGTH, window=window, center=False, return_complex=True)
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
        bands = torch.from_numpy(build_mel_filterbank().astype(np.float32)) @ magnitude
        values = bands.clamp(min=_MIN_MAGNITUDE).log().numpy()
        level = vad.compute_level_db(wave[HOP_LENGTH // 2 :], HOP_LENGTH, values.shape[1], N_FFT)
        return VoiceFeatures.from_groups(self.layout, values=values, level=level)

    def synthesise(self, features: VoiceFeatures) -> Wave:
        """A wave of `frames * 256` samples."""
        return vocoder.load_vocoder(self.vocoder).synthesise(features.values)

    def synthesise_stream(
        self, stream: Iterable[VoiceFeatures], chunk_seconds: float = CHUNK_SECONDS
    ) -> Iterator[Wave]:
        """Blocks of the wave, in constant memory."""
        return vocoder.synthesise_stream(
            vocoder.load_vocoder(self.vocoder), stream, round(chunk_seconds * RATE_HZ / HOP_LENGTH)
        )

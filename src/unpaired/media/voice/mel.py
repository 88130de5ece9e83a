"""Mel features: 80 log-mel magnitudes at 22.05 kHz, as HiFi-GAN (Kong et al. 2020) defines them.

Frame t is the Hann-windowed DFT of 1024 samples around sample 256 t + 128 (the wave is mirrored at its ends):

    values_m = log max(1e-5, sum_k F[m, k] sqrt(|X_k|^2 + 1e-9))

where F are the triangles of `build_mel_filterbank` between 0 and 8000 Hz. A wave of n samples has n // 256 frames. The
values contain the pitch, so the level is the only other group.
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
    """Log-mel spectra. `vocoder` names the vocoder for synthesis (see `load_vocoder`); features do not depend on it."""

    vocoder: str = "auto"

    @property
    def name(self) -> str:
        """Name of the representation in settings: "mel"."""
        return "mel"

    @property
    def sample_rate_hz(self) -> int:
        """Sample rate in Hz: 22050."""
        return RATE_HZ

    @property
    def hop_samples(self) -> int:
        """Samples between two frames: 256."""
        return HOP_LENGTH

    @property
    def num_coefficients(self) -> int:
        """Number of rows of the group "values": 80."""
        return N_MELS

    @property
    def layout(self) -> FeatureLayout:
        """Groups of rows and their sizes."""
        return (("values", N_MELS), ("level", 1))

    @property
    def context_frames(self) -> int:
        """Frames of context for analysis; a frame's window extends two hops to either side."""
        return 4

    @property
    def lookahead_frames(self) -> int:
        """Frames that the vocoder needs after a chunk."""
        return vocoder.get_context_frames(vocoder.load_vocoder(self.vocoder))

    def get_settings(self) -> dict[str, int | float | str]:
        """Return all settings that the features depend on."""
        return {"name": self.name}

    def analyse(self, wave: Wave) -> VoiceFeatures:
        """Return the features of a wave of at least 385 samples: `samples // 256` frames."""
        padded = functional.pad(torch.from_numpy(np.asarray(wave, np.float32))[None], (_PAD, _PAD), mode="reflect")[0]
        window = torch.hann_window(N_FFT)
        spectrum = torch.stft(padded, N_FFT, HOP_LENGTH, window=window, center=False, return_complex=True)
        magnitude = torch.sqrt(spectrum.real**2 + spectrum.imag**2 + 1e-9)
        bands = torch.from_numpy(build_mel_filterbank().astype(np.float32)) @ magnitude
        values = bands.clamp(min=_MIN_MAGNITUDE).log().numpy()
        level = vad.compute_level_db(wave[HOP_LENGTH // 2 :], HOP_LENGTH, values.shape[1], N_FFT)
        return VoiceFeatures.from_groups(self.layout, values=values, level=level)

    def synthesize(self, features: VoiceFeatures) -> Wave:
        """Return a wave of `frames * 256` samples."""
        return vocoder.load_vocoder(self.vocoder).synthesize(features.values)

    def synthesize_stream(
        self, stream: Iterable[VoiceFeatures], chunk_seconds: float = CHUNK_SECONDS
    ) -> Iterator[Wave]:
        """Yield the wave in blocks, in constant memory."""
        return vocoder.synthesize_stream(
            vocoder.load_vocoder(self.vocoder), stream, round(chunk_seconds * RATE_HZ / HOP_LENGTH)
        )

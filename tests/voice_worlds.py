"""Small data sets of synthetic recordings for training in tests, with F0, formants and syllables but no speech."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.media.voice.audio_io import write
from unpaired.media.voice.settings import VoiceSettings

TINY: dict[str, Any] = {
    "preset": "tiny",
    "width": 4,
    "blocks": 1,
    "discriminator_width": 4,
    "batch_size": 2,
    "mcep_order": 8,
    "crop_frames": 16,
    "vad": "energy",
    "threads": 1,
    "precision": "fp32",
}
"""Settings of a voice run that trains quickly, with the voice activity detection that needs no package."""
SMALL = VoiceSettings(mcep_order=12, crop_frames=32, generator_dims="1")


def buzz(seconds: float, rate_hz: int = 16000, hz: float = 120.0, seed: int = 0) -> npt.NDArray[np.float32]:
    """Return harmonics of a gliding F0, filtered by a moving formant, with a syllable envelope and noise."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t + seed))) / rate_hz
    sound = np.zeros_like(t)
    for n in range(1, int(0.45 * rate_hz / hz / 1.2)):
        first = 600 + 200 * np.sin(2 * np.pi * 2.1 * t + seed)
        sound += (1 / (1 + ((n * hz - first) / 250) ** 2) + 0.02) * np.sin(n * phase)
    syllables = 0.3 + 0.7 * np.clip(2 * np.sin(2 * np.pi * 3.1 * t + seed) + 1, 0, 1)
    return np.asarray(0.1 * sound * syllables + np.random.default_rng(seed).normal(0, 1e-3, len(t)), np.float32)


def speaker(root: Path, name: str, hz: float, seconds: Sequence[float]) -> Path:
    """Write a domain's folder with one recording per length in seconds; returns the folder."""
    folder = root / name
    folder.mkdir(parents=True, exist_ok=True)
    for i, length in enumerate(seconds):
        write(folder / f"{i:02}.wav", buzz(length, hz=hz, seed=i), 16000)
    return folder

"""Small worlds of recordings that tests train on; no speech, but with a pitch, formants and syllables."""

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
"""Settings of a run of recordings that takes no time, with the gate that every machine has."""
SMALL = VoiceSettings(mcep_order=12, crop_frames=32, generator_dims="1")


def buzz(seconds: float, rate_hz: int = 16000, hz: float = 120.0, seed: int = 0) -> npt.NDArray[np.float32]:
    """Harmonics of a gliding F0 through two formants that move, in syllables, with some breath."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    phase = 2 * np.pi * np.cumsum(hz * (1 + 0.1 * np.sin(2 * np.pi * 0.7 * t + seed))) / rate_hz
    sound = np.zeros_like(t)
    for n in range(1, int(0.45 * rate_hz / hz / 1.2)):
        first = 600 + 200 * np.sin(2 * np.pi * 2.1 * t + seed)
        sound += (1 / (1 + ((n * hz - first) / 250) ** 2) + 0.02) * np.sin(n * phase)
    syllables = 0.3 + 0.7 * np.clip(2 * np.sin(2 * np.pi * 3.1 * t + seed) + 1, 0, 1)
    return np.asarray(0.1 * sound * syllables + np.random.default_rng(seed).normal(0, 1e-3, len(t)), np.float32)


def speaker(root: Path, name: str, hz: float, seconds: Sequence[float]) -> Path:
    """A domain's folder with a recording of each length."""
    place = root / name
    place.mkdir(parents=True, exist_ok=True)
    for i, length in enumerate(seconds):
        write(place / f"{i:02}.wav", buzz(length, hz=hz, seed=i), 16000)
    return place

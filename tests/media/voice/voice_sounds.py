"""Synthetic sounds for tests."""

from __future__ import annotations

import numpy as np

from unpaired.media.voice.audio_io import Wave


def buzz(seconds: float, rate_hz: int = 16000, hz: float = 120.0, seed: int = 0) -> Wave:
    """Return a synthetic voice: harmonics of a gliding F0, two formants, syllables, pauses, and noise."""
    t = np.arange(round(seconds * rate_hz)) / rate_hz
    pitch = hz * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / rate_hz
    sound = np.zeros_like(t)
    for n in range(1, int(0.45 * rate_hz / hz / 1.2)):
        at = n * hz
        gain = 1 / (1 + ((at - 600) / 250) ** 2) + 0.4 / (1 + ((at - 1800) / 400) ** 2) + 0.02
        sound += gain * np.sin(n * phase)
    syllables = np.clip(4 * np.sin(2 * np.pi * 1.3 * t) + 2, 0, 1)
    breath = np.random.default_rng(seed).normal(0, 0.004, len(t))
    return np.asarray(0.1 * sound * syllables + breath, np.float32)


def tone(seconds: float, rate_hz: int = 16000, hz: float = 997.0, peak: float = 0.5) -> Wave:
    """Return a sine wave."""
    return np.asarray(peak * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz), np.float32)

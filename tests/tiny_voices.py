"""Voice-like recordings that are synthesized in milliseconds, and configurations of voice runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from unpaired.config.run_config import RunConfig
from unpaired.data.domain import Domain
from unpaired.media.voice.settings import SpeakerStatistics

RATE = 16000


def hum(seconds: float = 1.0, f0_hz: float = 120.0, rate: int = RATE, level: float = 0.1) -> npt.NDArray[np.float32]:
    """Return a voice-like hum: harmonics up to 4 kHz with amplitudes 1 / n, vibrato of 2 Hz, fade-in and fade-out."""
    t = np.arange(round(seconds * rate)) / rate
    phase = 2 * np.pi * np.cumsum(f0_hz * (1 + 0.05 * np.sin(2 * np.pi * 2 * t))) / rate
    wave = sum(np.sin(n * phase) / n for n in range(1, int(min(4000, rate / 2.2) / f0_hz)))
    edge = np.minimum(1, np.minimum(t, t[::-1]) / 0.05)
    return np.asarray(level * wave * edge, np.float32)


def sound(path: Path, wave: npt.NDArray[Any] | None = None, rate: int = RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, hum(0.5, rate=rate) if wave is None else wave, rate)
    return path


def speaker(name: str, f0_hz: float, mean: float = 0.0, coefficients: int = 24) -> Domain:
    """Return a domain whose coefficients have standard deviation 1 and mean 0, except the first with `mean`."""
    statistics = SpeakerStatistics(
        mean=(mean, *[0.0] * (coefficients - 1)),
        std=(1.0,) * coefficients,
        scale=(1.0,) * coefficients,
        log_f0_mean=float(np.log(f0_hz)),
        log_f0_std=0.1,
        voiced_fraction=0.6,
        lufs=-23.0,
        frames=1000,
    )
    return Domain(name=name, sources=(f"data/{name}",), statistics=statistics)


def voice_config(*domains: Domain, voice: dict[str, Any] | None = None, **more: Any) -> RunConfig:
    return RunConfig.model_validate(
        {
            "unpaired_version": "0",
            "method": more.pop("method", "cyclegan"),
            "preset": "tiny",
            "method_settings": more,
            "medium": "voice",
            "medium_settings": {"crop_frames": 16} | (voice or {}),
            "domains": domains or (speaker("alice", 200.0), speaker("bob", 100.0)),
            "data": {},
            "networks": {"width": 4, "blocks": 1, "discriminator_width": 4},
            "training": {},
        }
    )

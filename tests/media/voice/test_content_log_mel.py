from __future__ import annotations

import numpy as np
import pytest

from unpaired.media.voice.content.log_mel import HOP_SAMPLES, RATE_HZ, compute_log_mel


def test_log_mel_equals_a_slow_evaluation_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    wave = (0.1 * rng.normal(size=1600)).astype(np.float32)
    mel = compute_log_mel(wave)
    assert mel.shape == (80, 10) and mel.dtype == np.float32
    padded = np.pad(wave.astype(np.float64), 200, mode="reflect")
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)

    def to_mel(hz: float) -> float:  # Slaney 1998: linear to 1000 Hz, then 27 steps per factor of 6.4
        return hz * 3 / 200 if hz < 1000 else 15 + 27 * np.log(hz / 1000) / np.log(6.4)

    grid = np.linspace(0, 8000, 200_001)
    edges = np.interp(np.linspace(0, to_mel(8000), 82), [to_mel(hz) for hz in grid], grid)
    expected = np.zeros((80, 10))
    for t in range(10):
        frame = padded[160 * t : 160 * t + 400] * hann
        power = [abs(sum(frame * np.exp(-2j * np.pi * k * np.arange(400) / 400))) ** 2 for k in range(201)]
        for m in range(80):
            low, middle, high = edges[m : m + 3]
            hz = 40.0 * np.arange(201)
            weights = np.maximum(0, np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)))
            expected[m, t] = np.log10(max(1e-10, np.dot(weights, power) * 2 / (high - low)))
    expected = (np.maximum(expected, expected.max() - 8) + 4) / 4
    assert np.abs(mel - expected).max() < 2e-4


def test_log_mel_of_silence_is_constant_and_quiet_parts_are_clipped_80_db_below_the_loudest() -> None:
    assert np.unique(compute_log_mel(np.zeros(3200, np.float32))).tolist() == [pytest.approx((-10 + 4) / 4)]
    t = np.arange(RATE_HZ) / RATE_HZ
    mel = compute_log_mel(np.where(t < 0.5, np.sin(2 * np.pi * 440 * t), 0).astype(np.float32))
    assert mel.shape == (80, RATE_HZ // HOP_SAMPLES)
    assert mel[:, 80:].max() == pytest.approx(mel.max() - 2)  # 8 / 4


def test_log_mel_equals_the_librarys() -> None:
    faster_whisper = pytest.importorskip("faster_whisper.feature_extractor", reason="faster-whisper is not installed")
    wave = np.random.default_rng(1).normal(0, 0.1, 32000).astype(np.float32)
    library = faster_whisper.FeatureExtractor()(wave, padding=0)
    assert np.abs(compute_log_mel(wave) - library).max() < 1e-5

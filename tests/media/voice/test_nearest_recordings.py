"""Nearest training recordings: copies, mosaics of several recordings, short recordings, and the ratio."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from unpaired.media.voice.metrics.acoustic_frames import FrameFeatures, Wave
from unpaired.media.voice.nearest_recordings import NearestRecordingFinder, collect_windows
from unpaired.media.voice.utterances import Utterance
from unpaired.metrics.base import RouteEvaluation

ROUTE = RouteEvaluation(route="a -> b", sources=1, targets=1)


def make_wave(seed: int, frames: int = 60) -> Wave:
    """Return a stand-in for a wave: `analyse` takes its values as cepstra."""
    return np.random.default_rng(seed).normal(size=24 * frames).astype(np.float32)


def analyse(wave: Wave, sample_rate_hz: int) -> FrameFeatures:
    cepstra = wave.reshape(-1, 24).astype(np.float64)
    return FrameFeatures(cepstra, np.full(len(cepstra), 100.0), np.zeros(len(cepstra)))


@pytest.fixture
def finder() -> NearestRecordingFinder:
    """Return a finder with three of five training recordings."""
    speakers: Any = SimpleNamespace(
        analyse=analyse,
        representation=SimpleNamespace(sample_rate_hz=16000),
        training=[SimpleNamespace(train=range(5))],
        select_training_utterances=lambda speaker, limit: [Utterance(f"{i}.wav", make_wave(i)) for i in range(3)],
    )
    return NearestRecordingFinder(speakers)


def test_a_copied_recording_has_the_distance_zero(finder: NearestRecordingFinder) -> None:
    (copy, other, short) = finder.find(0, [make_wave(1), make_wave(9), make_wave(1, frames=12)])
    assert copy is not None and other is not None
    assert (copy.utterance.name, copy.distance) == ("1.wav", 0)
    assert other.distance > 1
    assert short is None


def test_distance_equals_a_slow_loop(finder: NearestRecordingFinder) -> None:
    (found,) = finder.find(0, [make_wave(9)])
    windows = collect_windows(analyse(make_wave(9), 16000)).numpy()
    expected = []
    for i in range(3):
        training = collect_windows(analyse(make_wave(i), 16000)).numpy()
        expected.append(np.mean([min(np.sqrt(((w - t) ** 2).sum()) for t in training) for w in windows]))
    assert found is not None
    assert found.distance == pytest.approx(min(expected))
    assert found.utterance.name == f"{int(np.argmin(expected))}.wav"


def test_a_mosaic_of_recordings_is_no_copy(finder: NearestRecordingFinder) -> None:
    mosaic = np.concatenate([make_wave(i)[: 24 * 30] for i in range(3)])
    (found,) = finder.find(0, [mosaic])
    assert found is not None and found.distance > 1


def test_ratio_and_the_note_on_sampling(finder: NearestRecordingFinder) -> None:
    real = [make_wave(20), make_wave(21)]
    copies = finder.measure(0, ROUTE, finder.find(0, [make_wave(0)]), sources=real, targets=real)
    assert copies.values["nearest_ratio"] == 0
    assert copies.baselines["doing nothing"]["nearest_ratio"] == copies.baselines["real target"]["nearest_ratio"] == 1
    assert "3 of 5" in copies.notes[0]
    unmeasured = finder.measure(0, ROUTE, [None], sources=real, targets=real)
    assert "nearest_ratio" not in unmeasured.values

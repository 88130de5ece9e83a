"""Tests of voice activity detection by a network; tests that need silero-vad are skipped if it is not installed."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import soundfile
import torch
from voice_sounds import buzz

from unpaired.errors import UsageError
from unpaired.media.voice import silero_vad
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.cache import Cache
from unpaired.media.voice.features import Floats, Representation, VoiceFeatures
from unpaired.media.voice.representations import describe_vad, load_vad
from unpaired.media.voice.settings import VoiceSettings
from unpaired.media.voice.silero_vad import (
    RATE_HZ,
    WINDOW_SAMPLES,
    SileroVad,
    compute_speech_probabilities,
    find_silero_vad,
)
from unpaired.media.voice.vad import detect_speech_by_level, detect_speech_by_probability, find_segments
from unpaired.media.voice.world import World

FOUND = find_silero_vad()
needs_silero = pytest.mark.skipif(FOUND is None, reason="silero-vad is not installed")


def numbered(_: Path, waves: Iterable[Wave]) -> Iterator[Floats]:
    """Session in place of the network: the probability of a window depends on its number."""
    samples = done = 0
    for wave in waves:
        samples += len(wave)
        yield np.arange(done, samples // WINDOW_SAMPLES, dtype=np.float32)
        done = samples // WINDOW_SAMPLES
    if samples % WINDOW_SAMPLES:
        yield np.array([done], np.float32)


class Levels:
    """Fast representation: the first sample of each hop."""

    name, coefficients, layout, context_frames = "levels", 1, (("values", 1),), 4

    def __init__(self, rate: int, hop: int) -> None:
        self.sample_rate_hz, self.hop_samples = rate, hop

    def analyse(self, wave: Wave) -> VoiceFeatures:
        return VoiceFeatures(wave[None, :: self.hop_samples], self.layout)


@pytest.mark.parametrize("rate, hop", [(16000, 80), (22050, 256)])
def test_every_frame_gets_the_probability_of_its_window(monkeypatch: pytest.MonkeyPatch, rate: int, hop: int) -> None:
    monkeypatch.setattr(silero_vad, "compute_speech_probabilities", numbered)
    representation = cast(Representation, Levels(rate, hop))
    blocks = np.array_split(np.zeros(50 * rate + 77, np.float32), 23)  # three chunks
    parts = list(SileroVad(Path("none"), "1").analyse_stream(iter(blocks), representation))
    assert len(parts) == 3 and parts[0].layout == (("values", 1), ("speech", 1))
    row = np.concatenate([part["speech"][0] for part in parts])
    assert len(row) == -(-(50 * rate + 77) // hop)
    assert row.tolist() == [int(Fraction(frame * hop, rate) * RATE_HZ / WINDOW_SAMPLES) for frame in range(len(row))]


def test_features_and_probabilities_are_computed_in_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silero_vad, "compute_speech_probabilities", numbered)
    read, lags = 0, []

    def blocks() -> Iterator[Wave]:
        nonlocal read
        for _ in range(300):
            read += 1
            yield np.zeros(16000, np.float32)

    frames = 0
    for part in SileroVad(Path("none"), "1").analyse_stream(blocks(), cast(Representation, Levels(16000, 160))):
        frames += part.num_frames
        lags.append(read - frames / 100)
    assert frames == 30_000 and max(lags) < 3  # seconds that are buffered


def test_runs_that_reach_the_upper_threshold_are_speech() -> None:
    chances = np.zeros(400, np.float32)
    chances[100:200] = 0.4  # below the upper threshold everywhere
    chances[220:300], chances[260] = 0.36, 0.5
    chances[320:350] = 0.9  # a pause of 0.1 s before it
    chances[392:398] = 1  # 30 ms
    assert find_segments(detect_speech_by_probability(chances, 0.005)) == [(220, 350)]
    assert detect_speech_by_probability(np.ones(50, np.float32), 0.005).all() and detect_speech_by_probability(
        chances[:0], 0.005
    ).shape == (0,)


def test_each_vad_has_separate_cache_entries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        silero_vad, "compute_speech_probabilities", lambda *_: iter([np.repeat(np.array([0, 1], np.float32), 16)])
    )
    path, store, world = tmp_path / "a.wav", Cache(tmp_path / "cache"), World()
    soundfile.write(path, buzz(1), 16000)
    by_level = store.analyse([path], world).entries[0]
    heard = store.analyse([path], world, SileroVad(Path("none"), "1")).entries[0]
    assert heard.rows_path != by_level.rows_path and heard.layout == (*by_level.layout, ("speech", 1))
    np.testing.assert_array_equal(heard.load_features().rows[:-1], by_level.load_features().rows)
    np.testing.assert_array_equal(
        by_level.detect_speech(), detect_speech_by_level(by_level.load_features()["level"][0], 0.005)
    )
    assert find_segments(heard.detect_speech()) == [(103, 201)]  # 16 steps of 512 samples are 102.4 frames
    assert store.analyse([path], world).entries[0] == by_level
    monkeypatch.undo()  # no network is needed to load cached entries
    assert store.analyse([path], world, SileroVad(Path("none"), "1")).entries[0] == heard
    monkeypatch.setattr(silero_vad, "compute_speech_probabilities", lambda *_: iter([np.ones(32, np.float32)]))
    assert store.analyse([path], world, SileroVad(Path("none"), "2")).entries[0].detect_speech().all()


def test_silero_vad_is_found_without_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("silero_vad", "onnxruntime"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise AssertionError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    assert find_silero_vad() is None  # an older version, without the file
    weights = tmp_path / "silero_vad" / "data" / "silero_vad_16k_sequence.onnx"
    weights.parent.mkdir()
    weights.write_bytes(b"abc")
    found = find_silero_vad()
    assert found is not None and found.weights == weights and found.digest.startswith("ba7816bf8f01cfea")


def test_settings_select_the_vad(monkeypatch: pytest.MonkeyPatch) -> None:
    found = SileroVad(Path("none"), "1")
    monkeypatch.setattr(silero_vad, "find_silero_vad", lambda: found)
    assert load_vad(VoiceSettings(vad="energy")) is None and load_vad(VoiceSettings(vad="auto")) is found
    assert describe_vad(VoiceSettings(vad="silero")) == "silero-vad"
    monkeypatch.setattr(silero_vad, "find_silero_vad", lambda: None)
    assert load_vad(VoiceSettings(vad="auto")) is None and describe_vad(VoiceSettings(vad="auto")) == "energy threshold"
    with pytest.raises(UsageError, match=r"--vad silero: .*installed: pip install 'unpaired\[voice-vad\]'"):
        load_vad(VoiceSettings(vad="silero"))


@needs_silero
def test_probabilities_equal_those_of_the_package() -> None:
    import onnxruntime

    assert FOUND is not None
    wave = np.concatenate([np.zeros(8000, np.float32), buzz(2), 0.1 * buzz(1.01, seed=1)])
    stock = onnxruntime.InferenceSession(
        str(FOUND.weights.with_name("silero_vad.onnx")), providers=["CPUExecutionProvider"]
    )
    padded = np.pad(wave, (64, -len(wave) % WINDOW_SAMPLES))
    state, expected = np.zeros((2, 1, 128), np.float32), []
    for start in range(0, len(padded) - 64, WINDOW_SAMPLES):
        step = {"input": padded[None, start : start + 64 + WINDOW_SAMPLES], "state": state, "sr": np.array(16000)}
        chance, state = stock.run(None, step)
        expected.append(float(chance[0, 0]))
    for cuts in ([], [100, 101, 9000, 9512, 40000]):
        found = np.concatenate(list(compute_speech_probabilities(FOUND.weights, np.split(wave, cuts))))
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(expected) > 0.05


@needs_silero
def test_noise_is_not_speech_and_torch_threads_are_unchanged(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 32000), 16000)
    threads = torch.get_num_threads()
    entry = Cache(tmp_path / "cache").analyse([tmp_path / "a.wav"], World(), FOUND).entries[0]
    assert not entry.detect_speech().any() and detect_speech_by_level(entry.load_features()["level"][0], 0.005).all()
    assert "silero_vad" not in sys.modules and torch.get_num_threads() == threads

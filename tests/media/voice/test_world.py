from __future__ import annotations

import numpy as np
import pytest
from voice_sounds import buzz

from unpaired.errors import UsageError, WorkError
from unpaired.media.voice import pulses, world
from unpaired.media.voice.chunking import analyse_stream
from unpaired.media.voice.features import VoiceFeatures
from unpaired.media.voice.world import World, transform_log_f0

WORLD = World()


def joined(parts: list[VoiceFeatures]) -> VoiceFeatures:
    return VoiceFeatures(np.concatenate([part.rows for part in parts], 1), parts[0].layout)


def test_world_features_of_a_voice() -> None:
    wave = buzz(1)
    features = WORLD.analyse(wave)
    assert features.num_frames == len(wave) // 80 + 1
    assert features.rows.dtype == np.float32 and np.isfinite(features.rows).all()
    assert [len(features[name]) for name, _ in WORLD.layout] == [24, 1, 1, 1, 1]
    assert WORLD.num_coefficients == len(features.values) == 24
    f0 = features["f0"][0]
    assert np.median(f0[f0 > 0]) == pytest.approx(120, rel=0.2)


def test_synthesis_is_close_to_the_original() -> None:
    wave = buzz(2)
    before = WORLD.analyse(wave)
    copy = WORLD.synthesize(before)
    assert copy.dtype == np.float32 and len(copy) == before.num_frames * 80
    after = WORLD.analyse(copy)
    loud = (before["level"][0] > -30) & (after["level"][0, : before.num_frames] > -30)
    distance = 10 / np.log(10) * np.sqrt(2 * np.square(before.values - after.values[:, : before.num_frames]).sum(0))
    assert distance[loud].mean() < 4  # dB; unrelated speech is at 10
    ratio = after["f0"][0, : before.num_frames][loud] / np.maximum(before["f0"][0][loud], 1)
    assert np.median(np.abs(ratio - 1)) < 0.02


def test_digital_silence_gives_finite_features_and_silence() -> None:
    features = WORLD.analyse(np.zeros(8000, np.float32))
    assert np.isfinite(features.rows).all()
    assert np.abs(WORLD.synthesize(features)).max() < 1e-4


def test_shortest_recording_is_analysed() -> None:
    assert WORLD.analyse(buzz(0.1)).num_frames == 21


def test_stream_in_chunks_equals_one_call() -> None:
    wave = buzz(9)
    whole = WORLD.analyse(wave)
    parts = joined(list(analyse_stream(np.array_split(wave, 7), WORLD, chunk_seconds=3)))
    assert parts.num_frames == whole.num_frames
    same_voicing = (parts["f0"] > 0) == (whole["f0"] > 0)
    assert same_voicing.mean() > 0.995
    assert np.abs(parts.values - whole.values)[:, same_voicing[0]].max() < 1e-3
    np.testing.assert_allclose(parts["level"], whole["level"], atol=1e-3)


def voiced(frames: int) -> VoiceFeatures:
    """Return a vowel with gliding F0, voiced throughout, without noise below 3 kHz."""
    features = WORLD.analyse(buzz(1))
    vowel = VoiceFeatures(np.repeat(features.rows[:, 30:31], frames, 1), features.layout)
    f0 = 120 + 40 * np.sin(np.arange(frames) / 70)
    return vowel.replace_groups(f0=f0, aperiodicity=np.full((1, frames), -60))


def test_synthesis_in_chunks_places_pulses_like_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    features = voiced(1000)
    whole = WORLD.synthesize(features)
    monkeypatch.setattr(world, "CHUNK_SECONDS", 1)
    parts = [features.slice_frames(start, start + 77) for start in range(0, 1000, 77)]
    stream = np.concatenate(list(WORLD.synthesize_stream(parts)))
    assert len(stream) == len(whole) == 80000
    error = np.square(stream - whole).sum() / np.square(whole).sum()
    assert error < 0.02  # the noise differs; misplaced pulses give about 2


def test_chunk_boundary_has_no_click(monkeypatch: pytest.MonkeyPatch) -> None:
    features = WORLD.analyse(buzz(6))
    whole = WORLD.synthesize(features)
    monkeypatch.setattr(world, "CHUNK_SECONDS", 1)
    stream = np.concatenate(list(WORLD.synthesize_stream([features])))
    steps, seams = np.abs(np.diff(stream, 2)), np.arange(1, 6) * 200 * 80
    near = np.max([steps[seam - 160 : seam + 160].max() for seam in seams])
    assert near <= 1.2 * np.abs(np.diff(whole, 2)).max()


def test_pulse_phase_equals_computed_values() -> None:
    assert pulses.compute_pulse_phase(np.full(11, 200.0), 10, 16000) == pytest.approx(2 * np.pi * 200 * 0.05)
    assert pulses.compute_pulse_phase(np.zeros(11), 10, 16000) == pytest.approx(2 * np.pi * 500 * 0.05)
    # F0 is interpolated from 100 to 200 Hz over one frame of 80 samples: the mean is half a step below 150.
    assert pulses.compute_pulse_phase([100.0, 200.0], 1, 16000) == pytest.approx(2 * np.pi * (150 - 0.625) * 0.005)


@pytest.mark.parametrize("first", [0.0, 93.0, 310.0])
@pytest.mark.parametrize("phase", [0.1, 3.0, 6.2])
def test_lead_in_frames_reach_the_phase(first: float, phase: float) -> None:
    f0 = np.array([first, 100.0])
    lead = pulses.compute_lead_in_f0(f0, phase, 16000)
    reached = pulses.compute_pulse_phase(np.concatenate([lead, f0]), len(lead), 16000) % (2 * np.pi)
    assert reached == pytest.approx(phase, abs=1e-6)
    assert (lead >= 100).all() and (lead <= 200).all()


def test_log_f0_transform() -> None:
    f0 = np.array([[0, 100, 200, 0]], np.float32)
    source, target = (np.log(100), 0.2), (np.log(200), 0.1)
    expected = [0, 200, 200 * np.sqrt(2), 0]  # an octave above the mean becomes half an octave
    np.testing.assert_allclose(transform_log_f0(f0, source, target)[0], expected, rtol=1e-5)
    np.testing.assert_allclose(transform_log_f0(f0, source, source), f0, rtol=1e-5)
    np.testing.assert_allclose(transform_log_f0(f0, (np.log(100), 0), target)[0], [0, 200, 400, 0], rtol=1e-5)


@pytest.mark.parametrize(
    "settings", [{"sample_rate_hz": 22050}, {"order": 2}, {"f0_floor_hz": 300.0, "f0_ceil_hz": 200.0}]
)
def test_unsupported_settings_raise_usage_error(settings: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        World(**settings)


def test_settings_contain_all_feature_parameters() -> None:
    assert WORLD.get_settings() == {
        "name": "world",
        "sample_rate_hz": 16000,
        "order": 24,
        "alpha": 0.41,
        "f0_floor_hz": 71.0,
        "f0_ceil_hz": 800.0,
    }


@pytest.mark.parametrize("rate", [24000, 48000])
def test_other_sample_rates(rate: int) -> None:
    wide = World(sample_rate_hz=rate, order=36)
    features = wide.analyse(buzz(0.5, rate))
    assert features.num_frames == 101
    assert len(wide.synthesize(features)) == 101 * rate // 200


def test_voice_features_check_their_rows() -> None:
    features = VoiceFeatures.from_groups((("values", 2), ("level", 1)), values=[[1, 2], [3, 4]], level=[5, 6])
    np.testing.assert_array_equal(features["level"], [[5, 6]])
    assert "f0" not in features and "level" in features
    np.testing.assert_array_equal(features.replace_groups(level=[7, 8]).rows, [[1, 2], [3, 4], [7, 8]])
    np.testing.assert_array_equal(features.slice_frames(1).values, [[2], [4]])
    with pytest.raises(KeyError):
        features["f0"]
    with pytest.raises(WorkError, match="expected the rows"):
        VoiceFeatures(np.zeros((4, 2), np.float32), features.layout)

from __future__ import annotations

import numpy as np
import pytest

from unpaired.errors import WorkError
from unpaired.media.voice.content.conversion import smooth_over_time
from unpaired.media.voice.content.neighbours import ContentNeighbours, TargetRecording
from unpaired.media.voice.content.pitch import PitchMapper, estimate_log_f0, fill_unvoiced
from unpaired.media.voice.features import Floats, VoiceFeatures


def recording(seed: int, units: int = 40, rows: int = 3) -> TargetRecording:
    rng = np.random.default_rng(seed)
    content = rng.normal(size=(16, units)).astype(np.float32)
    frames = np.cumsum(rng.normal(size=(rows, 4 * units)), 1).astype(np.float32)
    return TargetRecording(content, frames, np.ones(4 * units, np.bool_))


def at_frames(content: Floats) -> Floats:
    return np.repeat(content, 4, 1)


def test_content_of_the_target_itself_copies_its_frames_in_order() -> None:
    a, b = recording(0), recording(1)
    copied = ContentNeighbours.fit([a, b], k=1)(at_frames(b.content))
    assert np.abs(copied - b.frames).max() < 1e-4  # the cross-fades of successive units are of equal frames


def test_neighbours_equal_a_slow_search_with_cosine_distances_of_scaled_features() -> None:
    a, b = recording(0), recording(1)
    query = np.random.default_rng(2).normal(size=(16, 5)).astype(np.float32)
    fitted = ContentNeighbours.fit([a, b], k=2)
    result = fitted(at_frames(query))
    content = np.concatenate([a.content, b.content], 1)
    scale = content.std(1)
    chosen = []
    for q in (query.T / scale).astype(np.float64):
        similarities = [q @ (c / scale) / np.linalg.norm(q) / np.linalg.norm(c / scale) for c in content.T]
        chosen.append(np.argsort(similarities)[::-1][:2])
    for t in range(20):
        expected = np.zeros(3)
        for unit, weight in ((t // 4, 1 - t % 4 / 4), (min(t // 4 + 1, 4), t % 4 / 4)):
            for neighbour in chosen[unit]:
                source, index = (a, neighbour) if neighbour < 40 else (b, neighbour - 40)
                position = np.clip(4 * index + t - 4 * unit, 0, 159)
                expected += weight / 2 * source.frames[:, position]
        if t < 16:  # the last unit is not cross-faded
            assert result[:, t] == pytest.approx(expected, abs=1e-4)


def test_frames_of_another_recording_are_not_mixed_in_at_borders() -> None:
    a, b = recording(0), recording(1)
    far = TargetRecording(a.content, a.frames + 1000, a.speech)
    result = ContentNeighbours.fit([far, b], k=1)(at_frames(b.content[:, ::-1].copy()))
    assert np.abs(result).max() < 500


def test_too_short_targets_are_refused_and_long_ones_are_cut_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(WorkError, match=r"0\.1 s"):
        ContentNeighbours.fit([recording(0, units=4)])
    silent = recording(0)
    with pytest.raises(WorkError, match="without speech"):
        ContentNeighbours.fit([TargetRecording(silent.content, silent.frames, np.zeros(160, np.bool_))])
    monkeypatch.setattr("unpaired.media.voice.content.neighbours.MAX_UNITS", 30)
    fitted = ContentNeighbours.fit([recording(0), recording(1, units=20)])
    assert len(fitted.units) == 30 and fitted.frames.shape == (3, 120)


def test_pitch_of_an_unknown_speaker_is_estimated_from_the_recording_or_from_the_stream_so_far() -> None:
    rng = np.random.default_rng(0)
    f0 = np.exp(rng.normal(5.0, 0.2, (1, 4000))).astype(np.float32)
    f0[:, ::2] = 0
    known = estimate_log_f0([VoiceFeatures(f0, (("f0", 1),))], (4.5, 0.1))
    assert known == pytest.approx((5.0, 0.2), abs=0.02)
    for mapper in (PitchMapper((4.5, 0.1), known), PitchMapper((4.5, 0.1))):
        mapped = mapper(f0)
        logs = np.log(mapped[mapped > 0])
        assert (mapped > 0).tolist() == (f0 > 0).tolist()
        assert (logs.mean(), logs.std()) == pytest.approx((4.5, 0.1), abs=0.01)
    few = estimate_log_f0([VoiceFeatures(f0[:, :200], (("f0", 1),))], (4.5, 0.1))
    assert few is not None and few[1] == 0.1  # too few to know the deviation
    assert estimate_log_f0([VoiceFeatures(np.zeros((1, 50), np.float32), (("f0", 1),))], (4.5, 0.1)) is None
    silent = np.zeros((1, 50), np.float32)
    assert np.array_equal(PitchMapper((4.5, 0.1))(silent), silent) and np.array_equal(PitchMapper(None)(f0), f0)


def test_energy_is_smoothed_and_unvoiced_frames_are_filled_on_the_log_axis() -> None:
    assert smooth_over_time(np.full((1, 30), 2.0, np.float32)) == pytest.approx(np.full((1, 30), 2.0))
    impulse = np.zeros((1, 201), np.float32)
    impulse[0, 100] = 1
    assert smooth_over_time(impulse).sum() == pytest.approx(1) and smooth_over_time(impulse)[0, 39] == 0
    filled = fill_unvoiced(np.array([[0, 100, 0, 400, 0]], np.float32))
    assert filled[0].tolist() == pytest.approx([100, 100, 200, 400, 400])
    assert not fill_unvoiced(np.zeros((1, 4), np.float32)).any()

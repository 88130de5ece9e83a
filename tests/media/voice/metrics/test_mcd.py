from __future__ import annotations

import math

import numpy as np
import pytest

from unpaired.media.voice.metrics.acoustic_frames import Doubles, FrameFeatures
from unpaired.media.voice.metrics.mcd import compute_aligned_metrics


def frames(cepstra: Doubles, f0: float = 100.0, level: Doubles | None = None) -> FrameFeatures:
    count = len(cepstra)
    return FrameFeatures(cepstra, np.full(count, f0), np.zeros(count) if level is None else level)


def test_mcd_equals_a_computed_value() -> None:
    a, b = np.zeros((1, 24)), np.zeros((1, 24))
    b[0, 0], b[0, 1] = 0.3, 0.4
    # 10 / ln 10 * sqrt(2 * (0.09 + 0.16)) = 4.342945 * 0.707107
    assert compute_aligned_metrics(frames(a), frames(b)).mcd_db == pytest.approx(3.0709, abs=1e-4)


def test_mcd_is_the_rms_distance_of_log_spectra() -> None:
    """The root mean square of 20 log10 of the ratio of two amplitude spectra along the warped axis."""
    rng = np.random.default_rng(3)
    difference = rng.normal(size=(1, 24)) * 0.1
    axis = np.linspace(0, math.pi, 20001)
    decibels = 20 / math.log(10) * difference[0] @ np.cos(np.arange(1, 25)[:, None] * axis)
    expected = math.sqrt(np.trapezoid(decibels**2, axis) / math.pi)
    assert compute_aligned_metrics(frames(np.zeros((1, 24))), frames(difference)).mcd_db == pytest.approx(
        expected, rel=1e-6
    )


def test_mcd_of_equal_sentences_is_zero_and_noise_increases_it() -> None:
    rng = np.random.default_rng(0)
    sentence, noise = rng.normal(size=(50, 24)), rng.normal(size=(50, 24))
    found = [
        compute_aligned_metrics(frames(sentence + s * noise), frames(sentence)).mcd_db for s in (0.0, 0.05, 0.1, 0.3)
    ]
    assert found[0] == 0
    assert found == sorted(found)
    assert len(set(found)) == 4


def test_only_frames_within_20_db_of_the_loudest_count() -> None:
    sentence = np.random.default_rng(0).normal(size=(6, 24))
    level = np.array([-30.0, -9.9, 10.0, -10.1, 0.0, -60.0])
    ours = frames(sentence, level=level)
    assert ours.is_loud.tolist() == [False, True, True, False, True, False]
    changed = sentence.copy()
    changed[[0, 3, 5]] += 7
    assert compute_aligned_metrics(frames(changed, level=level), ours).mcd_db == 0


def test_all_frames_of_silence_are_compared() -> None:
    level = np.full(4, -120.0)
    assert frames(np.zeros((4, 24)), level=level).is_loud.all()


def test_f0_and_voicing_are_taken_along_the_path() -> None:
    cepstra = np.arange(4.0)[:, None] * np.ones((1, 24))
    ours = FrameFeatures(cepstra, np.array([100.0, 200.0, 0.0, 100.0]), np.zeros(4))
    truth = FrameFeatures(cepstra, np.array([100.0, 100.0, 100.0, 0.0]), np.zeros(4))
    found = compute_aligned_metrics(ours, truth)
    assert found.voicing_error == 0.5
    assert found.f0_rmse_cents == pytest.approx(math.sqrt(1200**2 / 2))
    assert compute_aligned_metrics(frames(cepstra, f0=0.0), truth).f0_rmse_cents is None


def test_frame_features_raise_value_error_for_unequal_or_zero_lengths() -> None:
    with pytest.raises(ValueError, match=r"expected \(T, D\)"):
        FrameFeatures(np.zeros((3, 24)), np.zeros(2), np.zeros(3))
    with pytest.raises(ValueError, match="at least 1"):
        FrameFeatures(np.zeros((0, 24)), np.zeros(0), np.zeros(0))

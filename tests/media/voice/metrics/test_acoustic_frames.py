from __future__ import annotations

import numpy as np
import pytest

from unpaired.media.voice.metrics.acoustic_frames import FrameFeatures, Wave, build_world_analyser
from unpaired.media.voice.metrics.mcd import compute_aligned_metrics

pytest.importorskip("pyworld")


def buzz(hz: float, rate: int) -> Wave:
    """Return half a second of equal harmonics below 4 kHz, followed by half a second of silence."""
    time = np.arange(rate // 2) / rate
    sound = 0.02 * sum(np.cos(2 * np.pi * hz * k * time) for k in range(1, int(4000 / hz)))
    return np.asarray(np.concatenate([sound, np.zeros(rate // 2)]), np.float32)


@pytest.fixture(scope="module")
def analysed() -> FrameFeatures:
    return build_world_analyser()(buzz(150, 16000), 16000)


def test_frames_are_5_ms_apart_with_the_f0_and_level_of_the_wave(analysed: FrameFeatures) -> None:
    assert analysed.cepstra.shape == (201, 24)
    inner = slice(20, 80)
    np.testing.assert_allclose(analysed.f0[inner], 150, rtol=0.01)
    assert analysed.is_loud[inner].all()
    assert not analysed.is_loud[120:].any()
    assert analysed.trim_to_loud().shape[0] == analysed.is_loud.sum()


def test_analysis_is_independent_of_the_sample_rate(analysed: FrameFeatures) -> None:
    found = compute_aligned_metrics(build_world_analyser()(buzz(150, 48000), 48000), analysed)
    assert found.mcd_db < 1.5
    assert found.voicing_error < 0.05
    assert found.f0_rmse_cents is not None
    assert found.f0_rmse_cents < 10


def test_analysis_is_independent_of_loudness(analysed: FrameFeatures) -> None:
    assert (
        compute_aligned_metrics(build_world_analyser()(buzz(150, 16000) / np.float32(4), 16000), analysed).mcd_db < 0.01
    )


def test_silence_has_only_unvoiced_frames() -> None:
    found = build_world_analyser()(np.zeros(1600, np.float32), 16000)
    assert not found.f0.any()
    assert np.isfinite(found.cepstra).all()

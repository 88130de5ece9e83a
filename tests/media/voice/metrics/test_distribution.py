from __future__ import annotations

import math

import numpy as np
import pytest

from unpaired.media.voice.metrics.acoustic_frames import Doubles, FrameFeatures
from unpaired.media.voice.metrics.distribution import (
    compare_distributions,
    compute_distribution,
    compute_frame_distance,
)


def sentence(cepstra: Doubles, f0: Doubles | None = None) -> FrameFeatures:
    return FrameFeatures(cepstra, np.full(len(cepstra), 100.0) if f0 is None else f0, np.zeros(len(cepstra)))


@pytest.fixture
def trajectory() -> Doubles:
    return np.cumsum(np.random.default_rng(0).normal(size=(400, 24)), axis=0) * 0.05


def test_distance_of_a_distribution_from_itself_is_zero(trajectory: Doubles) -> None:
    own = compute_distribution([sentence(trajectory)])
    assert compare_distributions(own, own) == (0, 0, 0, 0, 0, 0)


def test_halved_amplitude_lowers_variance_by_6_db() -> None:
    """Half the amplitude is a quarter of the variance: 6.02 dB less, in both GV metrics."""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(300, 24))
    found = compare_distributions(compute_distribution([sentence(x / 2)]), compute_distribution([sentence(x)]))
    assert found.gv_db == pytest.approx(20 * math.log10(2))
    assert found.gv_bias_db == pytest.approx(-20 * math.log10(2))
    assert found.modulation_db == pytest.approx(20 * math.log10(2))


def test_differences_between_sentences_do_not_count_as_variance(trajectory: Doubles) -> None:
    one = compute_distribution([sentence(trajectory), sentence(trajectory)])
    shifted = compute_distribution([sentence(trajectory), sentence(trajectory + 5)])
    np.testing.assert_allclose(shifted.variance, one.variance)


def test_modulation_spectrum_has_its_peak_at_the_modulation_frequency() -> None:
    """12.5 Hz is bin 8 of 1.5625 Hz; a Hann window spreads it only to the adjacent bins."""
    course = np.sin(2 * math.pi * 12.5 * np.arange(256) * 0.005)[:, None]
    power = compute_distribution([sentence(course)]).modulation
    assert power is not None
    assert power.shape == (32, 1)
    assert power[7, 0] == pytest.approx((128 / 4) ** 2, rel=1e-6)
    assert power[6, 0] == pytest.approx(power[7, 0] / 4, rel=1e-6)
    assert power[[0, 3, 12, 31], 0].max() < 1e-12


def test_blur_changes_modulation_and_variance(trajectory: Doubles) -> None:
    real = compute_distribution([sentence(trajectory)])

    def blurred(reach: int) -> Doubles:
        kernel = np.ones(reach) / reach
        return np.stack([np.convolve(c, kernel, mode="same") for c in trajectory.T], axis=1)

    found = [compare_distributions(compute_distribution([sentence(blurred(reach))]), real) for reach in (1, 3, 9, 21)]
    modulations = [d.modulation_db for d in found if d.modulation_db is not None]
    assert modulations == sorted(modulations)
    assert modulations[1] > modulations[0] + 0.1
    assert found[-1].gv_bias_db < found[0].gv_bias_db


def test_f0_statistics_equal_computed_values() -> None:
    x = np.zeros((4, 24))
    low = compute_distribution([sentence(x, np.array([100.0, 0.0, 200.0, 0.0]))])
    high = compute_distribution([sentence(x, np.array([200.0, 200.0, 400.0, 400.0]))])
    found = compare_distributions(high, low)
    assert found.f0_mean_cents == pytest.approx(1200)
    assert found.f0_std_cents == pytest.approx(0, abs=1e-9)
    assert found.voiced_fraction == 0.5


def test_short_sentences_give_none() -> None:
    short = compute_distribution([sentence(np.zeros((127, 24)), np.zeros(127))])
    assert short.modulation is None
    found = compare_distributions(short, short)
    assert found.modulation_db is found.f0_mean_cents is found.f0_std_cents is None


def test_frame_distance_weights_coefficients_by_their_size() -> None:
    rng = np.random.default_rng(2)
    real, same = (rng.normal(size=(600, 24)) * np.linspace(1, 0.02, 24) for _ in range(2))
    faint, loud = same.copy(), same.copy()
    faint[:, -1] += 3 * 0.02  # three standard deviations of this coefficient
    loud[:, 0] += 3
    near, further, far = (compute_frame_distance([sentence(x)], [sentence(real)]) for x in (same, faint, loud))
    assert near is not None and further is not None and far is not None
    assert abs(near) < 30 and abs(further - near) < 5 and far > 300
    assert compute_frame_distance([sentence(2 * same + 7)], [sentence(2 * real + 7)]) == pytest.approx(near)
    assert compute_frame_distance([sentence(same[:12])], [sentence(real)]) is None  # no frame with 30 ms on both sides

from __future__ import annotations

import math

import numpy as np
import pytest
from voice_sounds import buzz, tone

from unpaired.media.voice.loudness import LoudnessMeter, compute_gain, measure_loudness
from unpaired.media.voice.vad import compute_level_db, detect_speech_by_level, find_segments, trim_silence


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
def test_reference_tone_of_the_standard(rate: int) -> None:
    # BS.1770-4: a sine of 997 Hz at full scale in one channel measures -3.01.
    assert measure_loudness(tone(3, rate, peak=1.0), rate) == pytest.approx(-3.01, abs=0.05)
    assert measure_loudness(tone(3, rate, peak=0.1), rate) == pytest.approx(-23.01, abs=0.05)


def test_low_frequencies_are_attenuated() -> None:
    assert measure_loudness(tone(3, hz=40), 16000) < measure_loudness(tone(3, hz=997), 16000) - 5


def test_pauses_are_gated() -> None:
    sound = tone(4)
    parts = np.concatenate([sound, np.zeros(160000, np.float32), 0.001 * sound])
    assert measure_loudness(parts, 16000) == pytest.approx(
        measure_loudness(sound, 16000), abs=0.3
    )  # blocks across the edge remain


def test_loudness_is_independent_of_blocks() -> None:
    wave, meter = buzz(3), LoudnessMeter(16000)
    for part in np.split(wave, [1, 777, 778, 9000, 30001]):
        meter.add(part)
    assert meter.lufs() == pytest.approx(measure_loudness(wave, 16000), abs=1e-9)
    assert meter.peak == np.abs(wave).max()


def test_loudness_of_short_and_silent_waves() -> None:
    assert measure_loudness(tone(0.2, peak=1.0), 16000) == pytest.approx(-3.01, abs=0.3)
    assert measure_loudness(np.zeros(16000, np.float32), 16000) == -math.inf
    assert measure_loudness(np.zeros(0, np.float32), 16000) == -math.inf


def test_gain_is_limited_and_one_for_silence() -> None:
    assert compute_gain(-29, -23) == pytest.approx(10**0.3)
    assert compute_gain(-math.inf, -23) == 1
    assert compute_gain(-23, -math.inf) == 1
    assert compute_gain(-100, -23) == pytest.approx(100)  # 40 dB at most: noise is not blown up


def test_level_is_the_rms_in_db() -> None:
    levels = compute_level_db(tone(1, peak=1.0), 80, 201, 400)
    assert levels.shape == (201,)
    assert levels[20:180] == pytest.approx(-3.01, abs=0.2)
    assert (compute_level_db(np.zeros(800, np.float32), 80, 11, 400) == -120).all()


def test_speech_is_separated_from_pauses_and_noise() -> None:
    levels = np.full(400, -70, np.float32)
    levels[100:200], levels[220:300] = -20, -25  # a pause of 0.1 s belongs to the speech around it
    levels[50:53], levels[350:390] = -20, -30  # a click of 15 ms does not count
    assert find_segments(detect_speech_by_level(levels, 0.005)) == [(100, 300), (350, 390)]
    # Noise louder than 40 dB below the speech.
    assert find_segments(detect_speech_by_level(np.maximum(levels, -45), 0.005)) == [(100, 300), (350, 390)]


def test_detection_of_all_speech_and_no_speech() -> None:
    assert detect_speech_by_level(np.full(50, -20, np.float32), 0.005).all()
    assert not detect_speech_by_level(np.full(50, -70, np.float32), 0.005).any()
    assert detect_speech_by_level(np.zeros(0, np.float32), 0.005).shape == (0,)


def test_trim_silence_keeps_a_margin() -> None:
    quiet = np.zeros(16000, np.float32)
    trimmed = trim_silence(np.concatenate([quiet, tone(1), quiet]), 16000)
    assert 16000 <= len(trimmed) <= 16000 + 2 * (800 + 400)
    assert len(trim_silence(quiet, 16000)) == 0

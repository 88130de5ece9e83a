from __future__ import annotations

import math

import numpy as np
import pytest
from voice_sounds import buzz, tone

from unpaired.media.voice.loudness import Meter, gain, loudness
from unpaired.media.voice.silence import level_db, segments, speech, trim


@pytest.mark.parametrize("rate", [16000, 22050, 48000])
def test_the_standards_own_tone(rate: int) -> None:
    # BS.1770-4: a sine of 997 Hz at full scale in one channel measures -3.01.
    assert loudness(tone(3, rate, peak=1.0), rate) == pytest.approx(-3.01, abs=0.05)
    assert loudness(tone(3, rate, peak=0.1), rate) == pytest.approx(-23.01, abs=0.05)


def test_low_tones_count_less() -> None:
    assert loudness(tone(3, hz=40), 16000) < loudness(tone(3, hz=997), 16000) - 5


def test_pauses_do_not_count() -> None:
    sound = tone(4)
    parts = np.concatenate([sound, np.zeros(160000, np.float32), 0.001 * sound])
    assert loudness(parts, 16000) == pytest.approx(loudness(sound, 16000), abs=0.3)  # blocks across the edge remain


def test_blocks_add_up() -> None:
    wave, meter = buzz(3), Meter(16000)
    for part in np.split(wave, [1, 777, 778, 9000, 30001]):
        meter.add(part)
    assert meter.lufs() == pytest.approx(loudness(wave, 16000), abs=1e-9)
    assert meter.peak == np.abs(wave).max()


def test_short_and_silent_sounds() -> None:
    assert loudness(tone(0.2, peak=1.0), 16000) == pytest.approx(-3.01, abs=0.3)
    assert loudness(np.zeros(16000, np.float32), 16000) == -math.inf
    assert loudness(np.zeros(0, np.float32), 16000) == -math.inf


def test_gain() -> None:
    assert gain(-29, -23) == pytest.approx(10**0.3)
    assert gain(-math.inf, -23) == 1
    assert gain(-23, -math.inf) == 1
    assert gain(-100, -23) == pytest.approx(100)  # 40 dB at most: noise is not blown up


def test_level() -> None:
    levels = level_db(tone(1, peak=1.0), 80, 201, 400)
    assert levels.shape == (201,)
    assert levels[20:180] == pytest.approx(-3.01, abs=0.2)
    assert (level_db(np.zeros(800, np.float32), 80, 11, 400) == -120).all()


def test_speech_is_told_from_pauses_and_noise() -> None:
    levels = np.full(400, -70, np.float32)
    levels[100:200], levels[220:300] = -20, -25  # a pause of 0.1 s belongs to the speech around it
    levels[50:53], levels[350:390] = -20, -30  # a click of 15 ms does not count
    assert segments(speech(levels, 0.005)) == [(100, 300), (350, 390)]
    # Noise louder than 40 dB below the speech.
    assert segments(speech(np.maximum(levels, -45), 0.005)) == [(100, 300), (350, 390)]


def test_all_speech_and_none() -> None:
    assert speech(np.full(50, -20, np.float32), 0.005).all()
    assert not speech(np.full(50, -70, np.float32), 0.005).any()
    assert speech(np.zeros(0, np.float32), 0.005).shape == (0,)


def test_trim_keeps_a_margin() -> None:
    quiet = np.zeros(16000, np.float32)
    kept = trim(np.concatenate([quiet, tone(1), quiet]), 16000)
    assert 16000 <= len(kept) <= 16000 + 2 * (800 + 400)
    assert len(trim(quiet, 16000)) == 0

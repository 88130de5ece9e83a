"""The judges that are installed; continuous integration has none of them, so what they need is skipped there."""

from __future__ import annotations

import numpy as np
import pytest

from unpaired.evaluation.voice import judges, naturalness, optional, speakers, words
from unpaired.evaluation.voice.frames import Wave

pytestmark = pytest.mark.filterwarnings("ignore")  # of packages that are not ours

RATE = 16000


def voice(hz: float, seconds: float = 2.0) -> Wave:
    """A buzz with harmonics, of no speaker."""
    time = np.arange(round(RATE * seconds)) / RATE
    return np.asarray(0.05 * sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 20)), np.float32)


def test_a_missing_package_is_told_with_what_to_install() -> None:
    told = optional.missing("words kept", ("numpy", "no_such_package"), "pip install it")
    assert told == "no words kept: no_such_package not installed (pip install it)"
    assert optional.missing("words kept", ("numpy",), "pip install it") is None


def test_judges_and_reasons_make_up_all_there_are() -> None:
    found = judges.installed(english=False)
    every = (found.speaker, found.second_speaker, found.recogniser, found.mos, found.dnsmos)
    assert sum(judge is not None for judge in every) + len(found.missing) == 5
    assert found.recogniser is None
    assert any("English alone" in reason for reason in found.missing)


@pytest.mark.parametrize(
    ("encoder", "reason"),
    [
        (speakers.Resemblyzer(), speakers.resemblyzer_missing()),
        (speakers.DVector(), speakers.dvector_missing()),
    ],
)
def test_speaker_encoders(encoder: speakers.SpeakerEncoder, reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)
    low, high = encoder(voice(100), RATE), encoder(voice(300), RATE)
    assert low.shape == (256,)
    assert np.linalg.norm(low) == pytest.approx(1, abs=1e-5)
    assert float(low @ high) < 0.99
    np.testing.assert_array_equal(encoder(voice(100), RATE), low)
    assert np.isfinite(encoder(voice(100, 0.01), RATE)).all()


@pytest.mark.parametrize(
    ("listener", "reason"),
    [
        (naturalness.DistillMos(), naturalness.distillmos_missing()),
        (naturalness.Dnsmos(), naturalness.dnsmos_missing()),
    ],
)
def test_listeners(listener: naturalness.Listener, reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)
    score = listener(voice(100), RATE)
    assert 1 <= score <= 5
    assert listener(voice(100), RATE) == score


def test_the_recogniser_hears_no_words_in_a_buzz() -> None:
    reason = words.whisper_missing()
    if reason is not None:
        pytest.skip(reason)
    assert len(words.plain(words.Whisper()(voice(100), RATE)).split()) < 5


def test_error_rates_by_hand() -> None:
    pytest.importorskip("jiwer")
    found = words.error_rates(["The cat sat.", "", "Yes"], ["the bat sat", "noise", "yes!"])
    assert found is not None
    assert found.words == pytest.approx(1 / 4)
    assert found.characters == pytest.approx(1 / 14)
    assert words.error_rates([""], ["something"]) is None

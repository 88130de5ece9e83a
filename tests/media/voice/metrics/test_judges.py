"""Tests of the judges. Continuous integration has none installed and skips the tests that need one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.audio_io import read
from unpaired.media.voice.metrics import judges, moonshine, naturalness, optional_packages, speakers, word_errors
from unpaired.media.voice.metrics.acoustic_frames import Wave
from unpaired.packages import find_package_folder

pytestmark = pytest.mark.filterwarnings("ignore")  # warnings of the judges' packages

RATE = 16000


def voice(hz: float, seconds: float = 2.0) -> Wave:
    """Return a synthetic buzz with harmonics."""
    time = np.arange(round(RATE * seconds)) / RATE
    return np.asarray(0.05 * sum(np.sin(2 * np.pi * hz * k * time) / k for k in range(1, 20)), np.float32)


def test_missing_package_is_reported_with_its_install_command() -> None:
    text = optional_packages.explain_missing("words kept", ("numpy", "no_such_package"), "pip install it")
    assert text == "no words kept: no_such_package not installed (pip install it)"
    assert optional_packages.explain_missing("words kept", ("numpy",), "pip install it") is None


SEATS: dict[judges.JudgeKind, tuple[str, ...]] = {
    "speakers": ("speaker_encoder", "second_speaker_encoder"),
    "words": ("recognizer", "second_recognizer"),
    "naturalness": ("mos", "dnsmos"),
}


@pytest.mark.parametrize("selected", [judges.JUDGE_KINDS, (), ("speakers",), ("words", "naturalness")])
@pytest.mark.parametrize("installed", [True, False])
def test_selected_judges_are_created_or_reported_missing(
    selected: tuple[judges.JudgeKind, ...], installed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("resemblyzer", "dvector", "whisper", "moonshine", "distillmos", "dnsmos"):
        monkeypatch.setattr(judges, f"explain_missing_{name}", lambda name=name: None if installed else f"no {name}")
    found = judges.find_judges(selected)
    for kind, seats in SEATS.items():
        judging = [vars(found)[seat] is not None for seat in seats]
        assert judging == [installed and kind in selected] * len(seats)
        assert len(found.missing.get(kind, ())) == (len(seats) if kind in selected and not installed else 0)
    if not installed:
        assert list(found.missing) == [*selected]
        assert all(found.missing[kind] == ["no whisper", "no moonshine"] for kind in selected if kind == "words")


@pytest.mark.parametrize(
    ("selection", "kinds"),
    [
        ("all", judges.JUDGE_KINDS),
        ("none", ()),
        ("naturalness, speakers", ("speakers", "naturalness")),
        (["words", "words"], ("words",)),
        ((), ()),
        (judges.JUDGE_KINDS, judges.JUDGE_KINDS),
    ],
)
def test_parse_kinds_accepts_any_order(selection: str | list[str], kinds: tuple[judges.JudgeKind, ...]) -> None:
    assert judges.parse_kinds(selection) == kinds


@pytest.mark.parametrize(
    ("selection", "wrong"),
    [("speaker", "speaker"), ("speakers,none", "none"), ("", ""), ("words,", ""), (["all"], "all")],
)
def test_parse_kinds_raises_usage_error_for_unknown_kinds(selection: str | list[str], wrong: str) -> None:
    expected = f"'{wrong}' is .*; expected all, none, or some of speakers,words,naturalness joined by commas"
    with pytest.raises(UsageError, match=f"^--judges '{''.join(selection)}': {expected}$"):
        judges.parse_kinds(selection)


@pytest.mark.parametrize(
    ("encoder", "reason"),
    [
        (speakers.Resemblyzer(), speakers.explain_missing_resemblyzer()),
        (speakers.DVector(), speakers.explain_missing_dvector()),
    ],
)
def test_speaker_encoders_return_unit_embeddings(encoder: speakers.SpeakerEncoder, reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)
    low, high = encoder(voice(100), RATE), encoder(voice(300), RATE)
    assert low.shape == (256,)
    assert np.linalg.norm(low) == pytest.approx(1, abs=1e-5)
    assert float(low @ high) < 0.99
    np.testing.assert_array_equal(encoder(voice(100), RATE), low)
    assert np.isfinite(encoder(voice(100, 0.01), RATE)).all()


@pytest.mark.parametrize(
    ("predictor", "reason"),
    [
        (naturalness.DistillMos(), naturalness.explain_missing_distillmos()),
        (naturalness.Dnsmos(), naturalness.explain_missing_dnsmos()),
    ],
)
def test_mos_predictors_return_scores_between_1_and_5(predictor: naturalness.MosPredictor, reason: str | None) -> None:
    if reason is not None:
        pytest.skip(reason)
    score = predictor(voice(100), RATE)
    assert 1 <= score <= 5
    assert predictor(voice(100), RATE) == predictor(voice(100).astype(np.float64), RATE) == score


def test_recognizer_finds_no_words_in_a_buzz() -> None:
    reason = word_errors.explain_missing_whisper()
    if reason is not None:
        pytest.skip(reason)
    assert len(word_errors.normalise_text(word_errors.Whisper()(voice(100), RATE)).split()) < 5


def test_error_rates_equal_computed_values() -> None:
    pytest.importorskip("jiwer")
    found = word_errors.compute_error_rates(["The cat sat.", "", "Yes"], ["the bat sat", "noise", "yes!"])
    assert found is not None
    assert found.wer == pytest.approx(1 / 4)
    assert found.cer == pytest.approx(1 / 14)
    assert word_errors.compute_error_rates([""], ["something"]) is None


def test_moonshine_recognizes_the_sentence_of_its_package() -> None:
    reason = moonshine.explain_missing_moonshine()
    if reason is not None:
        pytest.skip(reason)
    folder = find_package_folder("moonshine_voice")
    assert folder is not None
    wave = read(folder / "assets" / "beckett.wav", RATE).wave
    found = word_errors.normalise_text(moonshine.Moonshine()(wave, RATE))
    said = "ever tried ever failed no matter try again fail again fail better"  # Samuel Beckett, Worstward Ho
    assert said in found
    assert moonshine.Moonshine()(wave[:10], RATE) is not None  # shorter than a frame of the encoder


def test_moonshine_without_weights_is_reported_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moonshine, "explain_missing", lambda *_: None)
    monkeypatch.setattr(moonshine, "find_package_folder", lambda _: tmp_path)
    reason = moonshine.explain_missing_moonshine()
    assert reason is not None
    assert "moonshine-voice==0.0.73" in reason
    (tmp_path / "assets" / "tiny-en").mkdir(parents=True)
    (tmp_path / "assets" / "tiny-en" / "decoder_model_merged.ort").touch()
    assert moonshine.explain_missing_moonshine() is None


def test_tokens_are_read_with_lengths_of_one_or_two_bytes(tmp_path: Path) -> None:
    path = tmp_path / "tokens.bin"
    long = b"a" * 300  # 300 = 44 + 2 * 128
    path.write_bytes(b"\x02</" + b"\x00" + bytes([44 + 128, 2]) + long + b"\x05\xe2\x96\x81hi")
    tokens = moonshine.read_tokens(path)
    assert tokens == [b"</", b"", long, "\u2581hi".encode()]
    assert moonshine.join_tokens([3, 3], tokens) == "hi hi"
    path.write_bytes(b"\x05abc")
    with pytest.raises(WorkError, match=r"tokens\.bin"):
        moonshine.read_tokens(path)
    with pytest.raises(WorkError, match=r"absent\.bin"):
        moonshine.read_tokens(tmp_path / "absent.bin")

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from content_fakes import FakeEncoder
from PIL import Image
from tiny_voices import RATE, hum, sound

from unpaired.cli.main import main
from unpaired.data.folders import discover_collections
from unpaired.errors import UsageError, WorkError
from unpaired.media.voice import converter_fitting
from unpaired.media.voice.content.encoder import is_content_encoder_installed
from unpaired.media.voice.converter_fitting import choose_converter, fit_converter
from unpaired.media.voice.settings import VoiceConvertOptions
from unpaired.media.voice.world import World


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return recordings of alice at 200 Hz and of bob at 100 Hz, whose upper harmonics are weaker."""
    root = tmp_path_factory.mktemp("speakers")
    for i in range(2):
        sound(root / "alice" / f"{i}.wav", hum(0.8, 200.0 * (1 + i / 20)))
        wave = hum(0.8, 100.0 * (1 + i / 20))
        sound(root / "bob" / f"{i}.wav", np.convolve(wave, np.hanning(12) / 6, "same").astype(np.float32))
    return root


def c1_and_f0(path: Path) -> tuple[float, float]:
    wave, rate = soundfile.read(path)
    assert rate == RATE
    features = World().analyse(wave.astype(np.float32))
    middle = features.slice_frames(40, 120)
    return float(middle.values[0].mean()), float(np.median(middle["f0"]))


@pytest.mark.parametrize("kind", ["affine", "knn"])
def test_convert_command_fits_and_applies_a_converter_of_a_known_source(
    data: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    words = ["convert", str(data / "bob"), str(data / "alice"), "--source", str(data / "alice"), "--out", str(out)]
    words += ["--converter", kind, "--vad", "energy"]
    assert main(words) == 0
    assert f"Converted 2 files to {out}" in capsys.readouterr().out
    (before, _), (after, f0), (goal, _) = (
        c1_and_f0(path) for path in (data / "alice" / "0.wav", out / "0.wav", data / "bob" / "0.wav")
    )
    assert abs(after - goal) < 0.4 * abs(before - goal) and f0 == pytest.approx(100, rel=0.08)
    assert main(words) == 0
    assert "Skipped 2 up to date" in capsys.readouterr().out


@pytest.mark.parametrize("source", [[], ["--source", "alice"]])
def test_content_converter_needs_only_the_target(
    data: Path, tmp_path: Path, source: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(converter_fitting, "find_content_encoder", lambda *_: FakeEncoder())
    out = tmp_path / "out"
    words = ["convert", str(data / "bob"), str(data / "alice"), "--out", str(out), "--vad", "energy"]
    words += ["--converter", "content", *(str(data / word) if word == "alice" else word for word in source)]
    assert main(words) == 0
    texts = capsys.readouterr()
    assert f"Converted 2 files to {out}" in texts.out and "bob: only 2 s of speech" in texts.err
    (before, _), (after, f0), (goal, _) = (
        c1_and_f0(path) for path in (data / "alice" / "0.wav", out / "0.wav", data / "bob" / "0.wav")
    )
    assert abs(after - goal) < 0.4 * abs(before - goal) and f0 == pytest.approx(100, rel=0.08)
    assert main(words) == 0
    assert "Skipped 2 up to date" in capsys.readouterr().out


def test_content_converter_takes_silence_noise_music_and_a_target_of_two_seconds(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter_fitting, "find_content_encoder", lambda *_: FakeEncoder())
    target, *_ = discover_collections([data / "bob"])
    converter = fit_converter(target, None, VoiceConvertOptions(converter="content", vad="energy"))
    noise = np.random.default_rng(0).normal(0, 0.1, RATE).astype(np.float32)
    chord = np.sum([hum(1.0, hz) for hz in (262.0, 330.0, 392.0)], 0)
    silence = np.zeros(RATE, np.float32)
    for name, wave in (("silence", silence), ("noise", noise), ("music", chord), ("short", hum(0.12))):
        path, result = sound(tmp_path / f"{name}.wav", wave), tmp_path / f"{name}-out.wav"
        converter.pipeline.write(result, converter.pipeline.prepare_file(path), None)
        converted, _ = soundfile.read(result)
        assert len(converted) == len(wave) and np.isfinite(converted).all()
        assert np.abs(converted).max() < 0.01 or name != "silence"


def test_default_converter_is_content_where_its_packages_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converter_fitting, "is_content_encoder_installed", lambda: True)
    assert choose_converter(VoiceConvertOptions(), has_source=False) == "content"
    assert choose_converter(VoiceConvertOptions(representation="mel"), has_source=True) == "knn"
    monkeypatch.setattr(converter_fitting, "is_content_encoder_installed", lambda: False)
    assert choose_converter(VoiceConvertOptions(), has_source=True) == "knn"
    assert choose_converter(VoiceConvertOptions(content_encoder="own"), has_source=False) == "content"
    with pytest.raises(UsageError, match=r"--converter knn: .*--source FOLDER; .*unpaired\[voice-content\]"):
        choose_converter(VoiceConvertOptions(), has_source=False)
    with pytest.raises(UsageError, match=r"--converter affine: .*--source FOLDER"):
        choose_converter(VoiceConvertOptions(converter="affine"), has_source=False)
    with pytest.raises(UsageError, match=r"--converter content: .*--representation world"):
        choose_converter(VoiceConvertOptions(converter="content", representation="mel"), has_source=True)
    with pytest.raises(UsageError, match=r"--content-encoder: .*--converter knn"):
        choose_converter(VoiceConvertOptions(converter="knn", content_encoder="own"), has_source=True)


@pytest.mark.skipif(not is_content_encoder_installed(), reason="unpaired[voice-content] is not installed")
def test_content_converter_with_the_packaged_encoder(data: Path, tmp_path: Path, with_content_encoder: None) -> None:
    words = ["convert", str(data / "bob"), str(data / "alice" / "0.wav"), "--out", str(tmp_path / "out")]
    assert main([*words, "--vad", "energy"]) == 0
    assert c1_and_f0(tmp_path / "out" / "0.wav")[1] == pytest.approx(100, rel=0.08)


@pytest.mark.skipif(not is_content_encoder_installed(), reason="unpaired[voice-content] is not installed")
@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_a_language_that_the_recognizer_does_not_know_is_converted(
    data: Path, tmp_path: Path, with_content_encoder: None
) -> None:
    """Whisper's languages do not include Lojban; the sounds are found by their content all the same."""
    speech = tmp_path / "lojban.wav"
    subprocess.run(["espeak-ng", "-v", "jbo", "-w", str(speech), "coi rodo mi klama"], check=True, timeout=60)
    target, *_ = discover_collections([data / "bob"])
    pipeline = fit_converter(target, None, VoiceConvertOptions(converter="content", vad="energy")).pipeline
    pipeline.write(tmp_path / "out.wav", pipeline.prepare_file(speech), None)
    converted, rate = soundfile.read(tmp_path / "out.wav")
    assert len(converted) == pytest.approx(soundfile.info(speech).duration * rate, abs=2)
    assert np.isfinite(converted).all() and np.abs(converted).max() > 0.01
    f0 = World().analyse(converted.astype(np.float32))["f0"]
    assert np.median(f0[f0 > 0]) == pytest.approx(100, rel=0.1)


def test_convert_command_names_unusable_inputs(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("p", "q"):
        (tmp_path / name).mkdir()
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / name / "p.png")
    p, q, out = (str(tmp_path / name) for name in ("p", "q", "out"))
    assert main(["convert", p, q, "--out", out]) == 2
    assert "convert: not available for pictures" in capsys.readouterr().err and not Path(out).exists()
    sound(tmp_path / "quiet" / "a.wav", np.zeros(RATE))
    quiet, alice = discover_collections([tmp_path / "quiet", data / "alice"])
    with pytest.raises(WorkError, match=r"'quiet': none of its recordings can be used; skipped: .*silent"):
        fit_converter(quiet, alice, VoiceConvertOptions(converter="affine", vad="energy"))

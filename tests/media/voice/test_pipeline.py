from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from tiny_runs import Known, config, make_run
from tiny_voices import RATE, hum, sound, speaker, voice_config

from unpaired.errors import UnreadableFileError, UsageError
from unpaired.media.voice.audio_io import Recording
from unpaired.media.voice.loudness import measure_loudness
from unpaired.media.voice.world import World
from unpaired.translate import Outcome, Translator, translate_files


@pytest.fixture
def translator() -> Translator:
    return Translator(voice_config(), Known(), "cpu")


def go(translator: Translator, *inputs: Path, out: Path, to: str = "bob", **more: Any) -> Outcome:
    return translate_files(translator, inputs, out, translator.resolve_request(to), **more)


def pitch(wave: Any, rate: int = RATE) -> float:
    assert rate == RATE
    f0 = World().analyse(np.asarray(wave, np.float32))["f0"][0]
    return float(np.median(f0[f0 > 0]))


def test_files_of_a_folder_are_converted(tmp_path: Path) -> None:
    translator = Translator.load(make_run(tmp_path / "run", voice_config()), device="cpu")
    for name in ("a.wav", "deep/b.flac", "deep/c.OGG"):
        sound(tmp_path / "in" / name)
    sound(tmp_path / "in" / "d.mp3")
    (tmp_path / "in" / "notes.txt").touch()
    seen: list[tuple[int, int]] = []
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out", progress=lambda n, total: seen.append((n, total)))
    assert (outcome.done, outcome.failed) == (4, []) and seen[-1] == (4, 4)
    assert any("results of .mp3 files are .flac" in text for text in outcome.warnings)
    for name, kind in (("a.wav", "WAV"), ("deep/b.flac", "FLAC"), ("deep/c.OGG", "OGG"), ("d.flac", "FLAC")):
        facts = soundfile.info(tmp_path / "out" / name)
        assert (facts.format, facts.samplerate, facts.channels) == (kind, RATE, 1)
        if name != "d.flac":
            assert facts.frames == RATE // 2
    assert go(translator, tmp_path / "in", out=tmp_path / "out").skipped == 4
    one = tmp_path / "in" / "a.wav"
    assert go(translator, one, out=tmp_path / "out", to="alice").done == 1
    other = Translator.load(make_run(tmp_path / "other", voice_config(), seed=1), device="cpu")
    assert go(other, one, out=tmp_path / "out", to="alice").done == 1


def test_f0_is_transformed_and_loudness_is_kept(translator: Translator, tmp_path: Path) -> None:
    """Alice at 200 Hz becomes Bob at 100 Hz; identity networks change nothing else."""
    path = sound(tmp_path / "in" / "a.wav", hum(1.0, 200.0, level=0.02))
    before = soundfile.read(path)[0]
    go(translator, path, out=tmp_path / "out")
    after = soundfile.read(tmp_path / "out" / "a.wav")[0]
    assert pitch(before) == pytest.approx(200, rel=0.03) and pitch(after) == pytest.approx(100, rel=0.03)
    assert (
        abs(measure_loudness(after.astype(np.float32), RATE) - measure_loudness(before.astype(np.float32), RATE)) < 0.2
    )


def test_output_has_the_statistics_of_the_target(tmp_path: Path) -> None:
    """With an identity network, c1 increases by the difference of the speakers' means."""
    domains = (speaker("alice", 100.0), speaker("bob", 100.0, mean=0.3))
    path = sound(tmp_path / "a.wav", hum(1.0, 100.0, level=0.02))
    c1 = []
    for pair in (domains, (domains[0], speaker("bob", 100.0))):
        out = Translator(voice_config(*pair), Known(), "cpu")(path, to="bob")
        assert isinstance(out, Recording)
        c1.append(float(World().analyse(out.wave).values[0, 50:150].mean()))
    assert c1[0] - c1[1] == pytest.approx(0.3, abs=0.1)


def test_arrays_in_memory_are_converted(translator: Translator, tmp_path: Path) -> None:
    path = sound(tmp_path / "a.wav")
    made = translator(str(path), to="bob")
    assert isinstance(made, Recording) and made.sample_rate_hz == RATE and made.wave.shape == (RATE // 2,)
    go(translator, path, out=tmp_path / "out")
    assert np.abs(made.wave - soundfile.read(tmp_path / "out" / "a.wav")[0]).max() < 2e-4
    made.save(tmp_path / "b.flac")
    assert soundfile.info(tmp_path / "b.flac").frames == RATE // 2
    array = soundfile.read(path)[0]
    same = translator(array, to="bob", sample_rate_hz=RATE)
    assert same.dtype == np.float64 and np.abs(same - made.wave).max() < 1e-6
    other = translator(hum(0.5, rate=44100), to="bob", sample_rate_hz=44100)
    assert other.dtype == np.float32 and other.shape == (22050,) and np.abs(other).max() > 0.01


def test_long_recordings_are_converted_in_windows(tmp_path: Path) -> None:
    method = Known()
    path = sound(tmp_path / "a.wav", np.tile(hum(0.8), 5))
    Translator(voice_config(), method, "cpu")(path, to="bob")
    assert len(method.seen) > 1 and all(shape[:3] == (1, 1, 24) and shape[3] <= 700 for shape in method.seen)


def test_mel_output_has_22050_hz(tmp_path: Path) -> None:
    domains = (speaker("alice", 200.0, coefficients=80), speaker("bob", 100.0, coefficients=80))
    settings = voice_config(*domains, voice={"representation": "mel", "vocoder": "griffin-lim"})
    made = Translator(settings, Known(), "cpu")(sound(tmp_path / "a.wav", hum(0.5)), to="bob")
    assert isinstance(made, Recording) and made.sample_rate_hz == 22050 and len(made.wave) == 11025


def test_unreadable_files_are_reported_and_the_others_converted(translator: Translator, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    good = sound(folder / "good.flac", hum(3.0))
    data = good.read_bytes()
    (folder / "cut.flac").write_bytes(data[: len(data) // 3])
    (folder / "text.wav").write_text("hello")
    sound(folder / "short.wav", hum()[:160])
    broken = hum()
    broken[::2] = np.nan
    soundfile.write(folder / "nan.wav", broken, RATE, subtype="FLOAT")
    sound(folder / "silence.wav", np.zeros(RATE))
    sound(folder / "stereo.wav", np.stack([hum(), np.zeros(RATE, np.float32)], 1))
    outcome = go(translator, folder, out=tmp_path / "out")
    reasons = {path.name: reason for path, reason in outcome.failed}
    assert reasons.keys() == {"cut.flac", "text.wav", "short.wav", "nan.wav"} and outcome.done == 3
    assert "10 ms long" in reasons["short.wav"] and "supported sound format" in reasons["text.wav"]
    assert np.abs(soundfile.read(tmp_path / "out" / "silence.wav")[0]).max() < 1e-4
    assert any("channel 2 of 2" in text for text in outcome.warnings)
    assert {p.name for p in (tmp_path / "out").iterdir() if p.suffix} == {"good.flac", "silence.wav", "stereo.wav"} | {
        ".unpaired.sqlite"
    }


def test_inputs_of_another_medium_raise_usage_error(translator: Translator, tmp_path: Path) -> None:
    image = tmp_path / "pictures" / "p.png"
    image.parent.mkdir()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(image)
    wave = sound(tmp_path / "sounds" / "s.wav")
    pictures = Translator(config(resize_mode="crop"), Known(), "cpu")
    for given in (image, image.parent):
        with pytest.raises(UsageError, match=r"p\.png: contains pictures, but this run translates recordings"):
            go(translator, given, out=tmp_path / "out")
    for given in (wave, wave.parent):
        with pytest.raises(UsageError, match=r"s\.wav: contains recordings, but this run translates pictures"):
            go(pictures, given, out=tmp_path / "out", to="paintings")
    with pytest.raises(UsageError, match=r"p\.png: contains pictures"):
        translator(image, to="bob")
    with pytest.raises(UsageError, match=r"s\.wav: contains recordings"):
        pictures(wave, to="paintings")
    with pytest.raises(UsageError, match="sample rate is for recordings"):
        pictures(np.zeros((8, 8), np.uint8), to="paintings", sample_rate_hz=16000)
    assert not (tmp_path / "out").exists()


def test_invalid_inputs_raise_usage_error(translator: Translator, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Tensor; this run translates recordings"):
        translator(torch.zeros(1, 24, 16), to="bob")
    for wrong in (np.zeros((2, RATE), np.float32), np.zeros(RATE, np.int16)):
        with pytest.raises(UsageError, match="expected floating point"):
            translator(wrong, to="bob", sample_rate_hz=RATE)
    for rate in (None, 0):
        with pytest.raises(UsageError, match="expected the rate"):
            translator(hum(), to="bob", sample_rate_hz=rate)
    with pytest.raises(UsageError, match=r"at least 0\.1 s"):
        translator(hum()[:100], to="bob", sample_rate_hz=RATE)
    with pytest.raises(UsageError, match="NaN or infinite"):
        translator(np.full(RATE, np.nan), to="bob", sample_rate_hz=RATE)
    with pytest.raises(UsageError, match="--scale: for pictures only"):
        translator(hum(), to="bob", sample_rate_hz=RATE, scale="native")
    with pytest.raises(UsageError, match="sample_rate_hz 16000: omit it"):
        translator.create_pipeline(translator.resolve_request("bob")).translate_object("a.wav", RATE)
    with pytest.raises(UnreadableFileError):
        translator(tmp_path / "none.wav", to="bob")
    with pytest.raises(UsageError, match="both be written"):
        go(translator, sound(tmp_path / "a.mp3"), sound(tmp_path / "a.flac"), out=tmp_path / "out")
    with pytest.raises(UsageError, match="--mode: for pictures only"):
        translator.create_pipeline(translator.resolve_request("bob", options={"mode": "input"}))

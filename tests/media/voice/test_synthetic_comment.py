"""Conversions that are marked as synthetic in their metadata, and previews for browsers."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("soundfile")

import soundfile
from tiny_runs import make_run
from tiny_voices import hum, sound, voice_config

from unpaired.cli.main import main
from unpaired.media import MEDIA
from unpaired.media.voice.audio_io import write


@pytest.mark.parametrize("tag", [False, True])
def test_outputs_are_marked_on_request(tmp_path: Path, tag: bool) -> None:
    run = make_run(tmp_path / "run", voice_config())
    source, out = sound(tmp_path / "x.wav", hum(1.0)), tmp_path / "out"
    flags = ["--tag"] if tag else []
    assert main(["translate", str(run), str(source), "--to", "bob", "--out", str(out), *flags]) == 0
    with soundfile.SoundFile(out / "x.wav") as file:
        assert ("synthetic" in file.comment) is tag
        assert ("trainedAlgorithmicMedia" in file.comment) is tag


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".aiff"])
def test_comments_are_stored(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    write(path, hum(0.5), 16000, comment="synthetic")
    with soundfile.SoundFile(path) as file:
        assert file.comment == "synthetic"
        assert file.frames == 8000


def test_previews_are_formats_that_browsers_play(tmp_path: Path) -> None:
    medium = MEDIA["voice"]
    wav = sound(tmp_path / "x.wav", hum(0.5))
    assert medium.write_preview(wav, tmp_path) == ("sound", wav)
    write(tmp_path / "x.caf", hum(0.5), 16000)
    preview = medium.write_preview(tmp_path / "x.caf", tmp_path).path
    with soundfile.SoundFile(preview) as file:
        assert (file.format, file.frames, file.samplerate) == ("FLAC", 8000, 16000)

"""Voice demo with a fake speech synthesizer."""

from __future__ import annotations

from pathlib import Path

import pytest
from voice_worlds import buzz

from unpaired.cli.main import main
from unpaired.errors import WorkError
from unpaired.media.voice import demo, text_to_speech
from unpaired.media.voice.audio_io import write
from unpaired.runs.folder import RunFolder


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Install a fake `flite`, which returns the same recording of a voice for every text, as the only synthesizer."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, hz in (("slt", 200.0), ("rms", 110.0)):
        write(folder / f"{name}.wav", buzz(0.7, hz=hz), 16000)
    script = folder / "flite"
    script.write_text('#!/bin/sh\ntest "$1 $3 $5" = "-voice -o -t" && cp "$(dirname "$0")/$2.wav" "$4"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return script


def test_speakers_train_on_different_sentences_and_share_test_sentences() -> None:
    lines = demo.SENTENCES.read_text(encoding="utf-8").splitlines()
    assert len(set(lines)) == len(lines) >= 60 and all(line[-1] in ".?!" for line in lines)
    plan = demo.assign_sentences(lines, ("a", "b"))
    train_a, train_b = set(plan["a", "train"].values()), set(plan["b", "train"].values())
    assert not train_a & train_b and plan["a", "test"] == plan["b", "test"]
    assert train_a | train_b | set(plan["a", "test"].values()) == set(lines)
    # The names must differ, so that training files are not treated as pairs.
    assert not plan["a", "train"].keys() & plan["b", "train"].keys()


def test_demo_synthesizes_trains_and_translates(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = tmp_path / "sentences.txt"
    short.write_text("".join(f"This is line {i}.\n" for i in range(10)))
    monkeypatch.setattr(demo, "SENTENCES", short)
    monkeypatch.setattr(demo, "TEST_SENTENCES", 2)
    run = tmp_path / "run"
    assert main(["demo", "--voice", "--minutes", "0.005", "--out", str(run)]) == 0
    captured = capsys.readouterr()
    assert str(run / "report.html") in captured.out and "slt to rms and back" in captured.err
    voices = tmp_path / "demo-voices"
    counts = {
        f"{s}/{use}": len(list((voices / s / use).glob("*.wav"))) for s in ("slt", "rms") for use in ("train", "test")
    }
    assert counts == {"slt/train": 4, "slt/test": 2, "rms/train": 4, "rms/test": 2}
    assert (voices / "texts.csv").read_text().splitlines()[1] == "slt/000.wav,This is line 0."
    assert "MCD" in captured.err and RunFolder(run).load_config().pairs
    assert len(list((run / "translated" / "rms").glob("*.wav"))) == 2
    assert "data:audio/flac" in (run / "report.html").read_text()


def test_missing_or_failing_synthesizer_is_reported(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls: list[int] = []
    text_to_speech.find_synthesizer().speak("rms", {"0": "Hello."}, tmp_path / "speech", lambda: calls.append(1))
    assert calls == [1]
    program.write_text("#!/bin/sh\necho no such voice >&2\nexit 3\n")
    with pytest.raises(WorkError, match=r"flite failed \(no such voice"):
        text_to_speech.find_synthesizer().speak("rms", {"1": "Hello."}, tmp_path / "speech", lambda: None)
    assert sorted(path.name for path in (tmp_path / "speech").iterdir()) == ["0.wav"]
    monkeypatch.setenv("PATH", str(tmp_path))
    assert main(["demo", "--voice"]) == 2
    assert "apt install flite" in capsys.readouterr().err


def test_identical_voices_raise_work_error(program: Path, tmp_path: Path) -> None:
    (program.parent / "rms.wav").write_bytes((program.parent / "slt.wav").read_bytes())
    with pytest.raises(WorkError, match="slt or rms"):
        demo.run_voice_demo(tmp_path / "run", 1, lambda _: None)

"""The gate of speech that a run begins with is the one that it goes on with."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from test_train import quiet
from voice_worlds import TINY, speaker

from unpaired.errors import UsageError, WorkError
from unpaired.media.voice import silero_vad
from unpaired.media.voice.settings import speaker_statistics, voice_settings
from unpaired.media.voice.silero_vad import SileroVad
from unpaired.runs.folder import RunFolder
from unpaired.training.train import resume, train

FIRST = {**TINY, "steps": 1, "evaluate_every": 0, "sample_every": 0}


@pytest.fixture
def speakers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("unpaired.media.voice.cache._MAX_INLINE_FILES", 1000)
    monkeypatch.setattr(
        silero_vad, "compute_speech_probabilities", lambda *_: iter([np.ones(8, np.float32), np.zeros(11, np.float32)])
    )
    for name, hz in (("low", 110), ("high", 190)):
        speaker(tmp_path / "voices", name, hz, [0.6] * 6)
    return tmp_path / "voices"


def now(monkeypatch: pytest.MonkeyPatch, digest: str | None) -> None:
    found = None if digest is None else SileroVad(Path("none"), digest)
    monkeypatch.setattr(silero_vad, "find_silero_vad", lambda: found)


def test_a_run_keeps_its_gate(speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    now(monkeypatch, "1" * 64)
    run = train(speakers, out=tmp_path / "run", log=heard.append, **{**FIRST, "vad": "auto"})
    assert run is not None and any("voice activity detection: silero-vad" in words for words in heard)
    config = RunFolder(run).load_config()
    assert voice_settings(config).vad == "silero"
    assert config.pretrained == {"silero-vad": "1" * 64}
    assert speaker_statistics(config.domains[0]).frames == 6 * 52  # of six files, eight steps: 51.2 frames
    before = (run / "config.yaml").read_bytes()
    now(monkeypatch, None)
    with pytest.raises(UsageError, match=r"--vad silero: .*--vad energy"):
        resume(run, log=quiet, steps=2)
    now(monkeypatch, "2" * 64)
    with pytest.raises(
        WorkError, match=r"'silero-vad': .*\(SHA-256 222222222222 .*\(111111111111 .*install the package"
    ):
        resume(run, log=quiet, steps=2)
    assert (run / "config.yaml").read_bytes() == before
    now(monkeypatch, "1" * 64)
    resume(run, log=quiet, steps=2)


def test_without_it_a_run_goes_by_levels_ever_after(
    speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, None)
    with pytest.raises(UsageError, match=r"silero-vad .*pip install 'unpaired\[voice-vad\]'"):
        train(speakers, out=tmp_path / "run", log=quiet, **{**FIRST, "vad": "silero"})
    preset = {name: value for name, value in FIRST.items() if name != "vad"}
    run = train(speakers, out=tmp_path / "run", log=quiet, **preset)
    config = RunFolder(run).load_config()
    assert voice_settings(config).vad == "energy" and config.pretrained == {}
    now(monkeypatch, "1" * 64)
    resume(run, log=quiet, steps=2)


def test_a_file_without_speech_is_named_with_what_to_do(
    speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now(monkeypatch, "1" * 64)
    monkeypatch.setattr(silero_vad, "compute_speech_probabilities", lambda *_: iter([np.zeros(19, np.float32)]))
    with pytest.raises(WorkError, match=r"no speech .*silero-vad \(--vad energy"):
        train(speakers, out=tmp_path / "run", log=quiet, **{**FIRST, "vad": "silero"})

"""Voice activity detection of a run, which must be the same when the run is resumed."""

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

ONE_STEP = {**TINY, "steps": 1, "evaluate_every": 0, "sample_every": 0}


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


def install_silero(monkeypatch: pytest.MonkeyPatch, digest: str | None) -> None:
    silero = None if digest is None else SileroVad(Path("none"), digest)
    monkeypatch.setattr(silero_vad, "find_silero_vad", lambda: silero)


def test_resuming_requires_same_silero_weights(speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    install_silero(monkeypatch, "1" * 64)
    run = train(speakers, out=tmp_path / "run", log=messages.append, **{**ONE_STEP, "vad": "auto"})
    assert run is not None and any("voice activity detection: silero-vad" in message for message in messages)
    config = RunFolder(run).load_config()
    assert voice_settings(config).vad == "silero"
    assert config.pretrained == {"silero-vad": "1" * 64}
    # Each of six files has 8 VAD windows with speech, which are 51.2 frames.
    assert speaker_statistics(config.domains[0]).frames == 6 * 52
    config_before = (run / "config.yaml").read_bytes()
    install_silero(monkeypatch, None)
    with pytest.raises(UsageError, match=r"--vad silero: .*--vad energy"):
        resume(run, log=quiet, steps=2)
    install_silero(monkeypatch, "2" * 64)
    with pytest.raises(WorkError, match=r"'silero-vad': .*\(SHA-256 222222222222 .*\(111111111111 .*install"):
        resume(run, log=quiet, steps=2)
    assert (run / "config.yaml").read_bytes() == config_before
    install_silero(monkeypatch, "1" * 64)
    resume(run, log=quiet, steps=2)


def test_run_without_silero_uses_energy_when_resumed(
    speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_silero(monkeypatch, None)
    with pytest.raises(UsageError, match=r"silero-vad .*pip install 'unpaired\[voice-vad\]'"):
        train(speakers, out=tmp_path / "run", log=quiet, **{**ONE_STEP, "vad": "silero"})
    without_vad = {name: value for name, value in ONE_STEP.items() if name != "vad"}
    run = train(speakers, out=tmp_path / "run", log=quiet, **without_vad)
    config = RunFolder(run).load_config()
    assert voice_settings(config).vad == "energy" and config.pretrained == {}
    install_silero(monkeypatch, "1" * 64)
    resume(run, log=quiet, steps=2)


def test_files_without_speech_raise_work_error(speakers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install_silero(monkeypatch, "1" * 64)
    monkeypatch.setattr(silero_vad, "compute_speech_probabilities", lambda *_: iter([np.zeros(19, np.float32)]))
    with pytest.raises(WorkError, match=r"no speech .*silero-vad \(--vad energy"):
        train(speakers, out=tmp_path / "run", log=quiet, **{**ONE_STEP, "vad": "silero"})

"""The log after the last step: equal for every medium, with commands that can be pasted into a shell."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import TINY

from unpaired import train
from unpaired.media.voice.settings import VoiceSettings
from unpaired.runs.folder import RunFolder
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog


def test_commands_that_are_shown_are_quoted(
    discs: Path, tmp_path: Path, without_features: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages: list[str] = []
    folder = RunFolder(tmp_path / "a run")
    train(discs, out=folder.path, log=messages.append, **TINY | {"steps": 1})
    assert f"translate: unpaired translate '{folder.path}' YOUR_BLUE --to red" in messages
    config = folder.load_config().model_copy(update={"medium": "voice", "medium_settings": VoiceSettings()})
    evaluation = SimpleNamespace(text=lambda **_: "metrics")
    monkeypatch.setattr("unpaired.training.finish.evaluate", lambda *_, **__: evaluation)
    record = TrainingLog(folder, messages.append, 1)
    finish_training(config, folder, record, 1, torch.device("cpu"), ".wav")
    record.close()
    assert messages[-4] == "metrics"
    assert messages[-3].endswith(f": unpaired evaluate '{folder.path}'")
    assert messages[-2:] == [
        f"report: {folder.report}",
        f"translate: unpaired translate '{folder.path}' YOUR_BLUE.wav --to red",
    ]

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
    said: list[str] = []
    folder = RunFolder(tmp_path / "a run")
    train(discs, out=folder.path, log=said.append, **TINY | {"steps": 1})
    assert f"translate: unpaired translate '{folder.path}' YOUR_BLUE --to red" in said
    config = folder.load_config().model_copy(update={"medium": "voice", "medium_settings": VoiceSettings()})
    measured = SimpleNamespace(text=lambda: "measured")
    monkeypatch.setattr("unpaired.training.finish.evaluate", lambda *_, **__: measured)
    record = TrainingLog(folder, said.append, 1)
    finish_training(config, folder, record, 1, torch.device("cpu"), ".wav")
    record.close()
    assert said[-4:] == [
        "measured",
        f"networks also judge speaker similarity, words and naturalness: unpaired evaluate '{folder.path}'",
        f"report: {folder.report}",
        f"translate: unpaired translate '{folder.path}' YOUR_BLUE.wav --to red",
    ]

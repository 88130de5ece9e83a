"""Messages after the last training step."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from conftest import TINY

from unpaired import train
from unpaired.runs.folder import RunFolder
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog


def test_logged_commands_are_quoted_for_a_shell(
    discs: Path, tmp_path: Path, without_features: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    folder = RunFolder(tmp_path / "a run")
    train(discs, out=folder.path, log=said.append, **TINY | {"steps": 1})
    assert f"translate: unpaired translate '{folder.path}' YOUR_BLUE --to red" in said
    config = folder.load_config().model_copy(update={"medium": "voice"})
    options: list[dict[str, Any]] = []

    def evaluate(_: str, **given: Any) -> SimpleNamespace:
        options.append(given)
        return SimpleNamespace(text=lambda: "measured")

    monkeypatch.setattr("unpaired.training.finish.evaluate", evaluate)
    record = TrainingLog(folder, said.append, 1)
    finish_training(config, folder, record, 1, torch.device("cpu"), ".wav")
    record.close()
    assert options == [{"device": "cpu", "judges": "none"}]
    assert said[-4] == "measured" and said[-3].endswith(f": unpaired evaluate '{folder.path}'")
    assert said[-2:] == [
        f"report: {folder.report}",
        f"translate: unpaired translate '{folder.path}' YOUR_BLUE.wav --to red",
    ]

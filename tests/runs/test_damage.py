"""Runs with damaged files: intact files are used, and a warning names the damaged ones."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tiny_runs import make_run

from unpaired.errors import UnpairedWarning, WorkError
from unpaired.runs.folder import RunFolder, load_model
from unpaired.runs.history import History


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder(make_run(tmp_path / "run"))
    shutil.copy(folder.model_path("last"), folder.model_path("best"))
    return folder


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


@pytest.mark.filterwarnings("error")
def test_intact_files_load_without_warning(run: RunFolder) -> None:
    assert load_model(run.path).checkpoint == "best"


def test_damaged_last_model_warns_and_best_is_used(run: RunFolder) -> None:
    damage(run.model_path("last"))
    with pytest.warns(UnpairedWarning) as caught:
        assert load_model(run.path).checkpoint == "best"
    (message,) = (str(warning.message) for warning in caught)
    assert message.startswith("best.safetensors") and str(run.model_path("last")) in message


def test_damaged_best_model_warns_and_last_is_used(run: RunFolder) -> None:
    damage(run.model_path("best"))
    with pytest.warns(UnpairedWarning, match=r"best\.safetensors.*model\.safetensors is used"):
        assert load_model(run.path).checkpoint == "last"
    with pytest.raises(WorkError, match=r"best\.safetensors"):
        load_model(run.path, "best")
    damage(run.model_path("last"))
    with pytest.raises(WorkError, match=r"best\.safetensors"):
        load_model(run.path)


def test_history_skips_damaged_lines(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add("losses", 1, losses={}, spent_s=1)
    with history.path.open("ab") as file:
        file.write(b'12\n[]\n{"kind": 3, "step": 1}\n{"kind": "losses"}\n{"step": 2}\n\xff\xfe\n{"kind": "losses", "st')
    assert [line["step"] for line in history.read()] == [1]
    history.rewind(5)
    history.add("losses", 2, losses={}, spent_s=2)
    assert [line["step"] for line in history.read("losses")] == [1, 2]

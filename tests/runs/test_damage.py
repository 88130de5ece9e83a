"""Runs of which some files are damaged: what is used is said, and what is whole is used."""

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
def test_whole_files_are_loaded_silently(run: RunFolder) -> None:
    assert load_model(run.path).checkpoint == "best"


def test_a_damaged_last_model_beside_the_best_is_noticed(run: RunFolder) -> None:
    damage(run.model_path("last"))
    with pytest.warns(UnpairedWarning) as told:
        assert load_model(run.path).checkpoint == "best"
    (message,) = (str(warning.message) for warning in told)
    assert message.startswith("best.safetensors") and str(run.model_path("last")) in message


def test_a_damaged_best_model_is_replaced_by_the_last(run: RunFolder) -> None:
    damage(run.model_path("best"))
    with pytest.warns(UnpairedWarning, match=r"best\.safetensors.*model\.safetensors is used"):
        assert load_model(run.path).checkpoint == "last"
    with pytest.raises(WorkError, match=r"best\.safetensors"):
        load_model(run.path, "best")
    damage(run.model_path("last"))
    with pytest.raises(WorkError, match=r"best\.safetensors"):
        load_model(run.path)


def test_damaged_lines_of_a_history_are_left_out(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    history.add("losses", 1, losses={})
    with history.path.open("ab") as file:
        file.write(b'12\n[]\n{"kind": 3, "step": 1}\n{"kind": "losses"}\n{"step": 2}\n\xff\xfe\n{"kind": "losses", "st')
    assert [line["step"] for line in history.read()] == [1]
    history.rewind(5)
    history.add("losses", 2, losses={})
    assert [line["step"] for line in history.read("losses")] == [1, 2]

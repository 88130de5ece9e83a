from __future__ import annotations

import os
from pathlib import Path

import pytest

from unpaired.config.run_config import read_config
from unpaired.errors import UsageError, WorkError
from unpaired.runs.folder import RunFolder, format_run_name, load_model, next_free_path, require_unused


def test_a_folder_is_called_by_its_domains_of_many_by_the_first() -> None:
    assert format_run_name(["photos", "paintings"]) == "photos-paintings"
    assert format_run_name([str(i) for i in range(40)]) == "0-1-2-3-36-more"
    assert len(os.fsencode(format_run_name(["ä" * 100] * 4))) <= 255


def test_only_the_checkpoints_that_there_are_can_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="checkpoint 'bst'; expected last or best"):
        load_model(tmp_path, "bst")  # type: ignore[arg-type]


def test_a_setting_that_the_method_no_longer_has_is_named(tmp_path: Path) -> None:
    known = (
        "format: 2\nunpaired_version: '0'\nmethod: gan\npreset: small\nmedium: image\nmedium_settings: {}\n"
        "domains: []\ntraining: {steps: 1}\ndata: {}\nnetworks: {}\n"
    )
    path = tmp_path / "config.yaml"
    path.write_text(known + "method_settings: {lr: 0.1}\n", encoding="utf-8")
    assert read_config(path).method_settings.model_dump()["lr"] == 0.1
    path.write_text(known + "method_settings: {closeness: 0.1}\n", encoding="utf-8")
    with pytest.raises(WorkError, match=r"config\.yaml: method_settings: .*'closeness'.* train a new run"):
        read_config(path)


def test_what_is_in_the_way_of_a_new_run_is_told(tmp_path: Path) -> None:
    require_unused(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file: is a file"):
        require_unused(tmp_path / "file")
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    require_unused(run.path)
    run.config.touch()
    with pytest.raises(UsageError, match="without checkpoint and model; choose another --out, or remove"):
        require_unused(run.path)
    run.model_path("last").touch()
    with pytest.raises(UsageError, match=r"holds a run; choose another --out$"):  # imported
        require_unused(run.path)
    (run.checkpoints / "step-000000001").mkdir(parents=True)
    with pytest.raises(UsageError, match="or continue it with --resume"):
        require_unused(run.path)


def test_the_first_free_number_is_taken(tmp_path: Path) -> None:
    assert next_free_path(tmp_path / "a-b") == tmp_path / "a-b"
    (tmp_path / "a-b").mkdir()
    (tmp_path / "a-b-2").mkdir()
    assert next_free_path(tmp_path / "a-b") == tmp_path / "a-b-3"

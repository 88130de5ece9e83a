"""Run folders: names, checks before use, and loading of configurations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from unpaired.config.run_config import read_config
from unpaired.errors import UsageError, WorkError
from unpaired.runs.folder import RunFolder, format_run_name, load_model, next_free_path, require_unused


def test_run_name_lists_at_most_four_domains() -> None:
    assert format_run_name(["photos", "paintings"]) == "photos-paintings"
    assert format_run_name([str(i) for i in range(40)]) == "0-1-2-3-36-more"
    assert len(os.fsencode(format_run_name(["ä" * 100] * 4))) <= 255


def test_unknown_checkpoint_raises_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="checkpoint 'bst'; expected last or best"):
        load_model(tmp_path, "bst")  # type: ignore[arg-type]


def test_unknown_method_setting_in_config_raises_work_error(tmp_path: Path) -> None:
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


def test_used_path_raises_usage_error(tmp_path: Path) -> None:
    require_unused(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="file: is a file"):
        require_unused(tmp_path / "file")
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    require_unused(run.path)
    run.config.touch()
    with pytest.raises(UsageError, match="without checkpoint and model; choose another --out"):
        require_unused(run.path)
    run.model_path("last").touch()
    with pytest.raises(UsageError, match=r"run; choose another --out$"):  # imported
        require_unused(run.path)
    (run.checkpoints / "step-000000001").mkdir(parents=True)
    with pytest.raises(UsageError, match="--resume"):
        require_unused(run.path)


def test_next_free_path_uses_first_free_number(tmp_path: Path) -> None:
    assert next_free_path(tmp_path / "a-b") == tmp_path / "a-b"
    (tmp_path / "a-b").mkdir()
    (tmp_path / "a-b-2").mkdir()
    assert next_free_path(tmp_path / "a-b") == tmp_path / "a-b-3"

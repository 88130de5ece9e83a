"""Folders that are given to `evaluate` and `check`: files that are not used are named, and lists by their own name."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import draw_domain
from tiny_runs import config, domain, make_run

from unpaired.cli.main import main
from unpaired.errors import UnpairedWarning
from unpaired.evaluation.test_sets import load_given_sets
from unpaired.runs.folder import RunFolder


def test_files_that_are_not_used_cause_a_warning(tmp_path: Path) -> None:
    folders = [draw_domain(tmp_path, name, 3) for name in ("red", "blue")]
    (folders[0] / "notes.docx").write_text("x")
    (folders[0] / ".hidden.png").write_text("x")
    run = RunFolder(make_run(tmp_path / "run", config(domain("red"), domain("blue"))))
    with pytest.warns(UnpairedWarning, match=r"red: .*\.docx 1.*\.hidden\.png") as caught:
        splits, _ = load_given_sets(run.load_config(), folders)
    assert len(caught) == 1
    assert [len(split.test) for split in splits] == [3, 3]


def test_check_names_a_list_and_not_its_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lists = []
    for name in ("red", "blue"):
        folder = draw_domain(tmp_path / "pictures", name, 3)
        lists.append(tmp_path / f"{name}.txt")
        lists[-1].write_text("\n".join(map(str, folder.iterdir())))
    assert main(["check", *map(str, lists)]) == 0
    shown = capsys.readouterr().out
    assert all(str(path) in shown for path in lists)

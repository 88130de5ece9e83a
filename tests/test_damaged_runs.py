"""Damaged runs work or are refused by the file's name; `benchmarks/damaged_runs.py` tries every file and command."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks.commands import import_everything, own_cache
from benchmarks.damaged_runs import make_targets, try_damages


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_damaged_files_of_a_run(tmp_path: Path) -> None:
    import_everything()
    with own_cache(tmp_path):
        targets = make_targets(tmp_path, tmp_path / "log", only_images=True)
        report = try_damages(targets, tmp_path, tmp_path / "log", count=8, seed=1)
    assert report.faults == []
    assert report.outcomes.total() == 8

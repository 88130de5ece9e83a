"""Tests of the step benchmark and of the rows that it writes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from benchmarks.results import append_row, rows
from benchmarks.step import Case, straight, times
from unpaired.config.resolve import SettingsRequest, resolve_settings
from unpaired.media import MEDIA


@pytest.mark.parametrize("name", ["cyclegan", "gan", "unit"])
def test_both_sides_run_the_same_method(name: str) -> None:
    small = {"size": 16, "width": 4, "discriminator_width": 4, "discriminator_layers": 1, "augment": (), "blocks": 2}
    case = Case(
        resolve_settings(SettingsRequest(name, "paper", small), MEDIA["image"], "paper"),
        "fp32",
        "cpu",
        torch.get_num_threads(),
        seed=0,
    )
    method = case.method()
    other = straight(method, case.settings.method_settings.model_dump())
    assert type(other).__name__ == f"Straight{type(method).__name__}"
    taken = times(case, rounds=2)
    assert all(len(pairs) == 2 and min(min(pair) for pair in pairs) > 0 for pairs in taken.values())


def test_row_contains_command_machine_seed_and_values(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/benchmarks/step.py", "--method", "gan"])
    file = tmp_path / "results.jsonl"
    assert rows("step", file) == []
    append_row("step", {"ratio": 1.1}, seed=3, path=file)
    append_row("other", {"ratio": 9}, seed=0, path=file)
    (row,) = rows("step", file)
    assert row["command"] == "python -m benchmarks.step --method gan"
    assert row["figures"] == {"ratio": 1.1} and row["seed"] == 3
    assert row["machine"]["cores"] and row["machine"]["torch"]

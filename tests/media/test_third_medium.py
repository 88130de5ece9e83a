"""A medium that only this folder knows is checked, trained, resumed, translated, measured, compared and reported on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from signal_medium import MEAN_ERROR, SignalMedium

import unpaired
from unpaired.cli.main import main
from unpaired.media import MEDIA

STEPS = 6
SETTINGS: dict[str, Any] = {
    "preset": "tiny",
    "width": 4,
    "length": 16,
    "batch_size": 2,
    "threads": 1,
    "precision": "fp32",
    "evaluate_every": 3,
    "identity_weight": 0.0,
}


@pytest.fixture(autouse=True)
def signal_medium(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the row to the table of media."""
    monkeypatch.setitem(MEDIA, "signal", SignalMedium())


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Two domains of signals: the levels of the second are higher."""
    generator = np.random.default_rng(0)
    for name, level in (("low", -0.5), ("high", 0.5)):
        (tmp_path / name).mkdir()
        for i in range(12):
            values = generator.normal(level, 0.1, 20 + i).astype(np.float32)
            with (tmp_path / name / f"{i}.signal").open("wb") as file:
                np.save(file, values)
    return [tmp_path / "low", tmp_path / "high"]


def train(folders: list[Path], out: Path, **settings: Any) -> Path:
    """Train a tiny run."""
    unpaired.train(*folders, method="cyclegan", out=out, **{**SETTINGS, **settings})
    return out


def test_check_counts_its_files(folders: list[Path], capsys: pytest.CaptureFixture[str]) -> None:
    (folders[0] / "broken.signal").write_bytes(b"no array")
    main(["check", *map(str, folders)])
    out = capsys.readouterr().out
    assert "low: 12 signals" in out
    assert "high: 12 signals" in out


def test_training_translates_and_measures(folders: list[Path], tmp_path: Path) -> None:
    run = train(folders, tmp_path / "run", steps=60, lr=0.02, lr_d=0.02)
    translator = unpaired.Translator.load(run)
    x = np.load(folders[0] / "0.signal")
    y = translator(x, to="high")
    assert y.shape == x.shape
    assert y.mean() > x.mean()
    assert main(["translate", str(run), str(folders[0]), "--to", "high", "--out", str(tmp_path / "out")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out" / "0.signal"), y)
    evaluation = unpaired.evaluate(run)
    assert [set(route.values) for route in evaluation.routes] == [{MEAN_ERROR.name}] * 2
    assert MEAN_ERROR.label in evaluation.text()


def test_resumed_run_equals_an_uninterrupted_one(folders: list[Path], tmp_path: Path) -> None:
    whole = train(folders, tmp_path / "whole", steps=STEPS, lr_decay_start=1)
    parts = train(folders, tmp_path / "parts", steps=STEPS // 2, lr_decay_start=1)
    unpaired.resume(parts, steps=STEPS)
    digests = {unpaired.Translator.load(run).weights_digest for run in (whole, parts)}
    assert len(digests) == 1


def test_report_shows_its_metric(folders: list[Path], tmp_path: Path) -> None:
    run = train(folders, tmp_path / "run", steps=STEPS)
    page = (run / "report.html").read_text()
    assert MEAN_ERROR.label in page
    assert "signals" in page


def test_comparison_ranks_by_its_metric(folders: list[Path], tmp_path: Path) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "identity_weight"}
    out = tmp_path / "comparison"
    unpaired.compare(*folders, methods=["cyclegan", "dualgan"], out=out, steps=STEPS, **settings)
    result = json.loads((out / "compare.json").read_text())
    assert result["ranking_metric"] == MEAN_ERROR.name
    assert {row["method"] for row in result["ranking"]["all"]} == {"cyclegan", "dualgan"}
    assert all(row["value"] is not None for row in result["ranking"]["all"])
    assert MEAN_ERROR.label in (out / "compare.html").read_text()


def test_comparison_with_several_seeds_and_patience(folders: list[Path], tmp_path: Path) -> None:
    settings = {name: value for name, value in SETTINGS.items() if name != "identity_weight"}
    out = tmp_path / "comparison"
    done = unpaired.compare(
        *folders, methods=["dualgan"], out=out, steps=12, seeds=[1, 2], patience=1, lr=0.5, lr_d=0.5, **settings
    )
    assert [seed.run for seed in done.results[0].seeds] == ["dualgan", "dualgan-seed-2"]
    assert all(route.spreads[MEAN_ERROR.name] > 0 for route in done.results[0].routes)
    steps = [seed.steps for seed in done.results[0].seeds]
    assert all(step % 3 == 0 and step <= 12 for step in steps)
    again = unpaired.compare(
        *folders, methods=["dualgan"], out=out, steps=12, seeds=[1, 2], patience=1, lr=0.5, lr_d=0.5, **settings
    )
    assert again.results == done.results  # runs that stopped early are finished

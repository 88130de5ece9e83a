"""Early stopping: when it stops, what is saved, resuming, and where it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY, draw_domain
from test_train import quiet, state, stopped_after, trained

from unpaired.cli.main import main
from unpaired.errors import UsageError
from unpaired.media.image.medium import ImageMedium
from unpaired.media.image.validation import ImageValidator, explain_no_validation
from unpaired.runs.history import History
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.summary import is_finished, read_run_summary
from unpaired.runs.weights import read_tensors
from unpaired.training.train import resume, train

pytestmark = pytest.mark.usefixtures("without_features")

VALUES: Mapping[int, float | None] = {2: 5.0, 4: 3.0, 6: 4.0, 8: None, 10: 3.0, 12: 1.0, 14: 0.5}
"""Validation metric by step: the best before step 12 is that of step 4."""
SETTINGS: dict[str, Any] = {"steps": 14, "evaluate_every": 2, "sample_every": 0, "patience": 2}


@pytest.fixture
def known_values(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the validation of pictures by `VALUES`."""
    monkeypatch.setattr(ImageMedium, "explain_no_validation", lambda self, splits: "")
    monkeypatch.setattr(ImageValidator, "evaluate", lambda self, step, spent_s, best_value: VALUES[step])


def get_last_step(run: Path) -> int:
    return int(list_checkpoints(run / "checkpoints")[-1].name.removeprefix("step-"))


@pytest.mark.usefixtures("known_values")
def test_stops_after_patience_evaluations_without_improvement(discs: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    run = trained(discs, tmp_path / "run", log=messages.append, **SETTINGS)
    # Step 6 is worse, step 8 was not measured, and an equal value at step 10 is no improvement.
    assert get_last_step(run) == 10
    assert read_tensors(run / "best.safetensors")[1]["step"] == "4"
    notice = next(message for message in messages if "--patience" in message)
    assert "step 10" in notice and "step 4" in notice
    assert notice in [line["message"] for line in History(run / "history.jsonl").read("notice")]
    summary = read_run_summary(run)
    assert summary.is_stopped_early and is_finished(summary.folder)
    assert "--patience none" in (run / "report.html").read_text()


@pytest.mark.usefixtures("known_values")
def test_without_patience_the_budget_is_used(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", **{**SETTINGS, "patience": None})
    assert get_last_step(run) == 14
    assert not read_run_summary(run).is_stopped_early


@pytest.mark.usefixtures("known_values")
@pytest.mark.parametrize("step", [4, 5, 6, 9, 10])
def test_an_interrupted_run_stops_at_the_same_step(step: int, discs: Path, tmp_path: Path) -> None:
    """Steps 4, 6 and 10 have an evaluation, which the interruption precedes."""
    uninterrupted, interrupted = trained(discs, tmp_path / "uninterrupted", **SETTINGS), tmp_path / "interrupted"
    stopped_after(discs, interrupted, step, SETTINGS)
    assert not is_finished(read_run_summary(interrupted).folder)
    resume(interrupted, log=quiet)
    assert get_last_step(interrupted) == get_last_step(uninterrupted) == 10
    assert is_finished(read_run_summary(interrupted).folder)
    for name in ("model.safetensors", "best.safetensors"):
        a, b = (read_tensors(run / name) for run in (uninterrupted, interrupted))
        assert a[1]["step"] == b[1]["step"]
        assert all(torch.equal(a[0][key], b[0][key]) for key in a[0])
    a_state, b_state = state(uninterrupted), state(interrupted)
    assert all(torch.equal(a_state[name], b_state[name]) for name in a_state)


@pytest.mark.usefixtures("known_values")
def test_a_stopped_run_continues_with_another_patience_only(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", **SETTINGS)
    with pytest.raises(UsageError, match="--patience"):
        resume(run, log=quiet, steps=20)
    assert get_last_step(run) == 10
    resume(run, log=quiet, patience=None)
    assert get_last_step(run) == 14
    assert read_tensors(run / "best.safetensors")[1]["step"] == "14"


@pytest.mark.usefixtures("known_values")
def test_patience_can_be_added_when_resuming(discs: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    stopped_after(discs, run, 9, {**SETTINGS, "patience": None})
    resume(run, log=quiet, patience=2)
    assert get_last_step(run) == 10


def test_refused_without_evaluations(discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flags = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = ["train", str(discs), "--out", str(tmp_path / "run"), "--steps", "2", "--patience", "2", *flags]
    assert main([*command, "--evaluate-every", "0"]) == 2
    message = capsys.readouterr().err
    assert "--patience 2" in message and "--evaluate-every 0" in message
    assert main(command) == 2
    assert "unpaired[features]" in capsys.readouterr().err
    assert main([*command[: -len(flags) - 1], "0", *flags]) == 2
    assert "patience" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_refused_without_validation_items(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unpaired.metrics.features.is_available", lambda: True)
    folders = [draw_domain(tmp_path, name, 12) for name in ("red", "blue")]
    with pytest.raises(UsageError, match=r"--patience 2.*red has 1.*--holdout-fraction"):
        train(*folders, out=tmp_path / "run", log=quiet, **TINY, steps=2, patience=2)
    assert not (tmp_path / "run").exists()
    assert not explain_no_validation([])


def test_refused_when_resuming_without_evaluations(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, evaluate_every=0, sample_every=0)
    with pytest.raises(UsageError, match="--evaluate-every 0"):
        resume(run, log=quiet, steps=4, patience=1)

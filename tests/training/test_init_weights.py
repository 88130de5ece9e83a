"""Initialization with another run's weights (`--init`), and the callback `on_step`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import TINY

from unpaired.errors import UsageError
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.step_report import StepReport
from unpaired.training.train import resume, train


def quiet(_: str) -> None:
    """Discard a message."""


def read_first_state(run: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a run's first saved checkpoint."""
    return read_tensors(list_checkpoints(RunFolder(run).checkpoints)[0] / "state.safetensors")[0]


SHORT = {**TINY, "steps": 1, "evaluate_every": 0, "sample_every": 0, "lr": 0.0, "lr_d": 0.0, "ema_decay": 0.0}


def test_equal_networks_copy_all_weights(discs: Path, tmp_path: Path) -> None:
    start = train(discs, out=tmp_path / "start", log=quiet, **{**SHORT, "seed": 1})
    messages: list[str] = []
    run = train(discs, out=tmp_path / "run", log=messages.append, init=start, **{**SHORT, "seed": 2})
    state, initial_state = read_first_state(run), read_first_state(start)
    weights = [name for name in state if name.startswith("method/") and "pool" not in name]
    assert weights and all(torch.equal(state[name], initial_state[name]) for name in weights)
    assert any(str(start) in message for message in messages)
    assert RunFolder(run).load_config().init_from == str(start)


def test_unmatched_roles_are_logged_and_random(discs: Path, tmp_path: Path) -> None:
    start = train(discs, out=tmp_path / "start", log=quiet, **SHORT)
    messages: list[str] = []
    wider = {**SHORT, "discriminator_width": 6}
    run = train(discs, out=tmp_path / "run", log=messages.append, init=start, **wider)
    (line,) = [message for message in messages if message.startswith("init")]
    assert "D_x (" in line and "D_y (" in line and "G (" not in line
    state, initial_state = read_first_state(run), read_first_state(start)
    assert all(torch.equal(state[name], initial_state[name]) for name in state if name.startswith("method/G."))


def test_run_without_matching_roles_raises_usage_error(discs: Path, tmp_path: Path) -> None:
    start = train(discs, out=tmp_path / "start", log=quiet, method="cogan", **SHORT)
    with pytest.raises(UsageError, match=r"D_x|G_x"):
        train(discs, out=tmp_path / "run", log=quiet, init=start, **{**SHORT, "width": 6, "discriminator_width": 6})
    assert not (tmp_path / "run").exists()


def test_on_step_receives_every_step_and_can_stop_training(discs: Path, tmp_path: Path) -> None:
    steps: list[int] = []

    def stop_at_two(report: StepReport) -> bool:
        steps.append(report.step)
        assert report.losses and 0 < report.budget_fraction <= 1
        return report.step < 2

    run = train(discs, out=tmp_path / "run", log=quiet, on_step=stop_at_two, **{**SHORT, "steps": 5})
    assert steps == [1, 2] and [path.name for path in list_checkpoints(RunFolder(run).checkpoints)] == [
        "step-000000002"
    ]
    resume(run, log=quiet, on_step=lambda report: steps.append(report.step))
    assert steps == [1, 2, 3, 4, 5]

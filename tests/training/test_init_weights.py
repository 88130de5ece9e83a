"""`--init`: weights of another run, by role and shape."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import TINY

from unpaired.errors import UsageError
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.train import resume, train
from unpaired.training.trainer import StepReport


def quiet(_: str) -> None:
    """Discard a message."""


def first_state(run: Path) -> dict[str, torch.Tensor]:
    """The tensors of a run's first saved checkpoint."""
    return read_tensors(list_checkpoints(RunFolder(run).checkpoints)[0] / "state.safetensors")[0]


SHORT = {**TINY, "steps": 1, "evaluate_every": 0, "sample_every": 0, "lr": 0.0, "lr_d": 0.0, "ema_decay": 0.0}


def test_equal_networks_take_all_weights(discs: Path, tmp_path: Path) -> None:
    start = train(discs, out=tmp_path / "start", log=quiet, **{**SHORT, "seed": 1})
    messages: list[str] = []
    run = train(discs, out=tmp_path / "run", log=messages.append, init=start, **{**SHORT, "seed": 2})
    ours, theirs = first_state(run), first_state(start)
    weights = [name for name in ours if name.startswith("method/") and "pool" not in name]
    assert weights and all(torch.equal(ours[name], theirs[name]) for name in weights)
    assert any(str(start) in message for message in messages)
    assert RunFolder(run).load_config().init_from == str(start)


def test_what_does_not_match_is_named_and_random(discs: Path, tmp_path: Path) -> None:
    start = train(discs, out=tmp_path / "start", log=quiet, **SHORT)
    messages: list[str] = []
    wider = {**SHORT, "discriminator_width": 6}
    run = train(discs, out=tmp_path / "run", log=messages.append, init=start, **wider)
    (line,) = [message for message in messages if message.startswith("init")]
    assert "D_x (" in line and "D_y (" in line and "G (" not in line
    ours, theirs = first_state(run), first_state(start)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours if name.startswith("method/G."))


def test_a_run_of_other_roles_is_refused(discs: Path, tmp_path: Path) -> None:
    start = train(discs, out=tmp_path / "start", log=quiet, method="cogan", **SHORT)
    with pytest.raises(UsageError, match="D_x|G_x"):
        train(discs, out=tmp_path / "run", log=quiet, init=start, **{**SHORT, "width": 6, "discriminator_width": 6})
    assert not (tmp_path / "run").exists()


def test_on_step_sees_every_step_and_stops_after_saving(discs: Path, tmp_path: Path) -> None:
    seen: list[int] = []

    def stop_at_two(report: StepReport) -> bool:
        seen.append(report.step)
        assert report.losses and 0 < report.budget_fraction <= 1
        return report.step < 2

    run = train(discs, out=tmp_path / "run", log=quiet, on_step=stop_at_two, **{**SHORT, "steps": 5})
    assert seen == [1, 2] and [path.name for path in list_checkpoints(RunFolder(run).checkpoints)] == ["step-000000002"]
    resume(run, log=quiet, on_step=lambda report: seen.append(report.step))
    assert seen == [1, 2, 3, 4, 5]

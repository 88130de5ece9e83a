"""Resuming: bit-identical results in every layout and precision, recovery after kills and full disks."""

from __future__ import annotations

import errno
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import TINY
from lightning_fabric import Fabric
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]
from test_train import quiet, state, state_step, stopped_after, trained
from torch import Tensor
from two_ranks import build_tiny_method

from unpaired.errors import UsageError, WorkError
from unpaired.media.image.validation import ImageValidator
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.runs.progress import Progress, list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.checkpoint import load_checkpoint, save_checkpoint
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop
from unpaired.training.step_report import StepReport
from unpaired.training.train import resume, train
from unpaired.training.trainer import TrainingInterrupt

pytestmark = pytest.mark.usefixtures("without_features")


@pytest.mark.parametrize(
    "settings",
    [
        {"memory_format": "channels_last"},
        {"memory_format": "contiguous", "precision": "bf16-mixed", "grad_accumulation": 2},
        {"memory_format": "channels_last", "preset": "paper", "discriminator_layers": 2, "pool_size": 3},
    ],
    ids=["channels last", "bf16 in micro-batches", "paper, channels last"],
)
def test_resumed_run_is_bit_identical_in_every_layout_and_precision(
    settings: dict[str, Any], discs: Path, tmp_path: Path
) -> None:
    settings = {"steps": 4, "checkpoint_every": 2, "evaluate_every": 0, "sample_every": 0, **settings}
    uninterrupted, interrupted = trained(discs, tmp_path / "uninterrupted", **settings), tmp_path / "interrupted"
    stopped_after(discs, interrupted, 3, settings)
    resume(interrupted, log=quiet)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert state_a.keys() == state_b.keys()
    assert [name for name in state_a if not torch.equal(state_a[name], state_b[name])] == []


def test_resuming_writes_models_of_last_checkpoint_again(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageValidator, "evaluate", lambda self, step, spent_s, best_value: 10.0 - step)
    run = trained(discs, tmp_path / "run", steps=3, evaluate_every=1, sample_every=0)
    before = {name: read_tensors(run / name) for name in ("model.safetensors", "best.safetensors")}
    assert all(metadata["step"] == "3" for _, metadata in before.values())
    for name in before:
        (run / name).unlink()  # not overwritten, because the read tensors are mapped from the file
        (run / name).write_bytes(b"of an earlier step")
    with pytest.raises(UsageError, match="already complete"):
        resume(run, log=quiet)
    for name, (tensors, metadata) in before.items():
        tensors_now, metadata_now = read_tensors(run / name)
        assert metadata_now == metadata
        assert all(torch.equal(tensors_now[key], tensors[key]) for key in tensors)


def test_best_model_has_best_validation_metric(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = {1: 5.0, 2: 3.0, 3: 4.0}
    monkeypatch.setattr(ImageValidator, "evaluate", lambda self, step, spent_s, best_value: values[step])
    run = trained(discs, tmp_path / "run", steps=3, evaluate_every=1, sample_every=0)
    assert read_tensors(run / "best.safetensors")[1]["step"] == "2"
    assert read_tensors(run / "model.safetensors")[1]["step"] == "3"
    metadata = json.loads(read_tensors(list_checkpoints(run / "checkpoints")[-1] / "state.safetensors")[1]["state"])
    assert (metadata["progress"]["best_step"], metadata["progress"]["best_value"]) == (2, 3.0)


def test_notice_is_recorded_once(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    resume(run, log=quiet, steps=2)
    messages = [line["message"] for line in History(run / "history.jsonl").read("notice")]
    assert len(messages) == len(set(messages)) > 0


def test_resuming_removes_incomplete_checkpoints(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    leftover = run / "checkpoints" / ".step-000000099.part"
    leftover.mkdir()
    (leftover / "state.safetensors.part").write_bytes(b"half")
    resume(run, log=quiet, steps=2)
    assert not leftover.exists()


@pytest.mark.parametrize(("rename_count", "is_renamed", "survivor"), [(1, False, 1), (2, False, 1), (2, True, 2)])
def test_a_kill_while_a_checkpoint_of_the_same_step_is_replaced_loses_none(
    rename_count: int, is_renamed: bool, survivor: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = TrainingLoop(build_tiny_method("cyclegan"), Distributed(Fabric(accelerator="cpu", devices=1)))
    folder = tmp_path / "checkpoints"
    save_checkpoint(folder, loop, "cyclegan", Progress(step=3, spent_s=1))
    rename, calls = Path.rename, itertools.count(1)

    def kill(path: Path, target: Path) -> Path:
        is_last = next(calls) == rename_count
        if is_renamed or not is_last:
            rename(path, target)
        if is_last:
            raise KeyboardInterrupt
        return target

    monkeypatch.setattr(Path, "rename", kill)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(folder, loop, "cyclegan", Progress(step=3, spent_s=2))
    monkeypatch.undo()
    assert load_checkpoint(folder, loop, "cyclegan").spent_s == survivor
    save_checkpoint(folder, loop, "cyclegan", Progress(step=3, spent_s=3))
    assert load_checkpoint(folder, loop, "cyclegan").spent_s == 3
    save_checkpoint(folder, loop, "cyclegan", Progress(step=4))
    assert sorted(path.name for path in folder.iterdir()) == ["step-000000003", "step-000000004"]


def test_duplicate_signals_save_once(discs: Path, tmp_path: Path) -> None:
    """Launchers forward a signal that the terminal has already sent to all processes."""
    with pytest.MonkeyPatch.context() as patch:
        send_signals(patch, 2, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
        with pytest.raises(TrainingInterrupt, match="saved at step 2"):
            trained(discs, tmp_path / "run", steps=4)
    assert state_step(tmp_path / "run") == "step-000000002"


def test_evaluation_and_samples_are_recorded_once_if_a_resumed_run_is_killed(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal saves step 2 before its evaluation, so both later runs evaluate it; the first of them is killed."""
    monkeypatch.setattr("unpaired.training.trainer.LOG_EVERY_S", 0)
    run = tmp_path / "run"
    with pytest.MonkeyPatch.context() as patch:
        send_signals(patch, 2, signal.SIGTERM)
        with pytest.raises(TrainingInterrupt, match="saved at step 2"):
            trained(discs, run, steps=3, evaluate_every=1, sample_every=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "step", raise_kill)
        with pytest.raises(KeyboardInterrupt):
            resume(run, log=quiet)
    assert state_step(run) == "step-000000002"
    resume(run, log=quiet)
    history = History(run / "history.jsonl")
    assert [line["step"] for line in history.read("evaluation")] == [1, 2, 3]
    samples = [(line["step"], line["route"]) for line in history.read("samples")]
    assert len(samples) == len(set(samples)) and {step for step, _ in samples} == {1, 2, 3}
    board = EventAccumulator(str(RunFolder(run).tensorboard), size_guidance={"images": 0, "scalars": 0}).Reload()
    names = [name for name in board.Tags()["scalars"] if name.startswith(("losses/", "metrics/"))]
    steps = {name: [event.step for event in board.Scalars(name)] for name in names}
    assert {name.partition("/")[0] for name in names} == {"losses", "metrics"}
    assert all(found in ([1, 2], [1, 2, 3]) for found in steps.values()), steps
    assert all([event.step for event in board.Images(name)] == [1, 2, 3] for name in board.Tags()["images"])


def raise_kill(*_: Any) -> None:
    raise KeyboardInterrupt


def test_signal_in_last_step_lets_run_finish(discs: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        send_signals(patch, 3, signal.SIGINT)
        run = trained(discs, tmp_path / "run", steps=3)
    assert (run / "evaluation.json").is_file()


def send_signals(patch: pytest.MonkeyPatch, step: int, *signals: signal.Signals) -> None:
    """Send `signals` to this process in step `step`, counted from 1."""
    original = TrainingLoop.step

    def step_with_signals(self: TrainingLoop, batches: Any, context: Any, factor: float = 1.0) -> dict[str, Tensor]:
        if context.step == step - 1:
            for number in signals:
                os.kill(os.getpid(), number)
        return original(self, batches, context, factor)

    patch.setattr(TrainingLoop, "step", step_with_signals)


def test_full_disk_while_logging_raises_work_error(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_disk_full(self: History, kind: str, step: int, **fields: Any) -> None:
        if kind == "losses":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(History, "add", raise_disk_full)
    with pytest.raises(WorkError, match="No space left on device"):
        trained(discs, tmp_path / "run", steps=3)


@pytest.mark.parametrize("place", ["page.atomic_write", "page.render_page"])
def test_an_error_of_the_report_does_not_hide_the_error_that_stopped_training(
    place: str, discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_disk_error(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error", "report.html")

    def raise_callback_error(_: StepReport) -> bool:
        raise ValueError("the first error")

    monkeypatch.setattr(f"unpaired.report.{place}", raise_disk_error)
    lines: list[str] = []
    with pytest.raises(ValueError, match="the first error"):
        train(discs, out=tmp_path / "run", log=lines.append, on_step=raise_callback_error, **TINY | {"steps": 1})
    (note,) = (line for line in lines if "report.html" in line)
    assert "Input/output error" in note


def test_resuming_with_other_settings_raises_usage_error(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    with pytest.raises(UsageError, match=r"batch_size: .*resumed"):
        resume(run, log=quiet, steps=2, batch_size=4)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["training"]["device"] = "cuda"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="device 'cuda'"):
            resume(run, log=quiet, steps=2)


def test_config_of_a_run_reproduces_the_run(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1, blocks=0, augment=("color",))
    again = train(discs, out=tmp_path / "again", config=run / "config.yaml", log=quiet)
    config_a, config_b = (yaml.safe_load((path / "config.yaml").read_text()) for path in (run, again))
    assert config_a == config_b
    state_a, state_b = state(run), state(again)
    assert all(torch.equal(state_a[name], state_b[name]) for name in state_a)


def test_two_ranks_from_settings_file_resume_bit_identically(discs: Path, tmp_path: Path) -> None:
    """Fabric starts the ranks. A missing last checkpoint simulates a killed run."""
    file, run = tmp_path / "settings.yaml", tmp_path / "run"
    file.write_text("training: {devices: 2, device: cpu, checkpoint_every: 1, evaluate_every: 0, sample_every: 0}\n")
    flags = [word for name, value in TINY.items() for word in (f"--{name}".replace("_", "-"), str(value))]
    flags += ["--pool-size", "3", "--steps", "3"]
    command = [sys.executable, "-m", "unpaired", "train"]
    completed = subprocess.run(
        [*command, str(discs), "--out", str(run), "--config", str(file), *flags],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert completed.returncode == 0, completed.stderr
    last = list_checkpoints(run / "checkpoints")[-1]
    names = ("state.safetensors", "rank-1.safetensors")
    before = [read_tensors(last / name)[0] for name in names]
    shutil.rmtree(last)
    completed = subprocess.run(
        [*command, "--resume", str(run)], capture_output=True, text=True, timeout=300, check=False
    )
    assert completed.returncode == 0, completed.stderr
    for tensors, name in zip(before, names, strict=True):
        again = read_tensors(last / name)[0]
        assert [key for key in tensors if not torch.equal(tensors[key], again[key])] == []


def test_run_with_raised_budget_evaluates_before_the_end(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluated_steps: list[int] = []
    monkeypatch.setattr(
        ImageValidator, "evaluate", lambda self, step, spent_s, best_value: evaluated_steps.append(step)
    )
    run = trained(discs, tmp_path / "run", steps=4, evaluate_every=None, sample_every=0)
    assert evaluated_steps[-1] == 4
    resume(run, steps=20, log=quiet)
    assert any(4 < step < 20 for step in evaluated_steps), evaluated_steps


def test_interval_can_be_reset_when_resuming(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1, sample_every=1)
    resume(run, steps=2, sample_every=None, log=quiet)
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["sample_every"] is None

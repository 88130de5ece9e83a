"""Training runs: files, resuming, interruption, larger budgets, divergence and errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import TINY, draw_domain
from torch import Tensor

from unpaired.errors import DivergenceError, UsageError, WorkError
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors, write_tensors
from unpaired.training.loop import TrainingLoop
from unpaired.training.step_report import StepReport
from unpaired.training.train import dry_run, resume, train
from unpaired.training.trainer import TrainingInterrupt

pytestmark = pytest.mark.usefixtures("without_features")

METHOD_SETTINGS: dict[str, dict[str, Any]] = {
    "cyclegan": {"pool_size": 3},
    "gan": {"depth": 4, "pool_size": 3},
    "unit": {},
}


def quiet(_: str) -> None:
    pass


def trained(data: Path, out: Path, **settings: Any) -> Path:
    return train(data, out=out, log=settings.pop("log", quiet), **(TINY | settings))


def state(run: Path) -> dict[str, Tensor]:
    return read_tensors(list_checkpoints(run / "checkpoints")[-1] / "state.safetensors")[0]


def test_run_folder_contains_files_and_config(discs: Path, tmp_path: Path) -> None:
    messages: list[str] = []
    run = trained(discs, tmp_path / "run", steps=3, log=messages.append)
    names = {p.name for p in run.iterdir()}
    assert {"config.yaml", "model.safetensors", "checkpoints", "files", "history.jsonl", "log", "samples"} <= names
    assert (run / "report.html").read_text().count("<html") == 1
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert [d["name"] for d in config["domains"]] == ["blue", "red"]
    assert "auto" not in json.dumps(config)
    assert [p.name for p in list_checkpoints(run / "checkpoints")] == ["step-000000003"]
    assert list((run / "samples").glob("*blue-red.png"))
    assert any("blue: 10 train, 1 validation, 1 test" in message for message in messages)
    assert any("pip install" in message for message in messages)
    assert not (run / "best.safetensors").exists()


@pytest.mark.parametrize("method", METHOD_SETTINGS)
def test_resumed_run_is_bit_identical(method: str, discs: Path, tmp_path: Path) -> None:
    settings = {"method": method, "steps": 6, "checkpoint_every": 3, **METHOD_SETTINGS[method]}
    uninterrupted = trained(discs, tmp_path / "uninterrupted", **settings)
    interrupted = tmp_path / "interrupted"
    stopped_after(discs, interrupted, 4, settings)
    assert [p.name for p in list_checkpoints(interrupted / "checkpoints")] == ["step-000000003", "step-000000004"]
    resume(interrupted, log=quiet)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert state_a.keys() == state_b.keys()
    assert all(torch.equal(state_a[name], state_b[name]) for name in state_a)
    model_a, model_b = (
        read_tensors(uninterrupted / "model.safetensors")[0],
        read_tensors(interrupted / "model.safetensors")[0],
    )
    assert all(torch.equal(model_a[name], model_b[name]) for name in model_a)


def stopped_after(
    data: Path, out: Path, steps: int, settings: dict[str, Any], begin: Callable[..., Path] = trained
) -> None:
    """Train and send SIGINT (Ctrl-C) in step `steps`."""
    original, count = TrainingLoop.step, 0

    def step(self: TrainingLoop, *args: Any, **kwargs: Any) -> Any:
        nonlocal count
        count += 1
        if count == steps:
            os.kill(os.getpid(), signal.SIGINT)
        return original(self, *args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "step", step)
        with pytest.raises(TrainingInterrupt, match=f"saved at step {steps}; continue with: unpaired train --resume"):
            begin(data, out, **settings)


def test_killed_run_resumes_from_complete_checkpoint(discs: Path, tmp_path: Path) -> None:
    """Another process is killed (SIGKILL) at different times and resumed; the final state must be the same."""
    uninterrupted = trained(discs, tmp_path / "uninterrupted", steps=40, checkpoint_every=1)
    run = tmp_path / "killed"
    flags = [word for name, value in TINY.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    arguments = [
        str(discs),
        "--out",
        str(run),
        "--steps",
        "40",
        "--checkpoint-every",
        "1",
        "--sample-every",
        "0",
        *flags,
    ]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    for kill in range(3):
        process = subprocess.Popen(
            [sys.executable, "-m", "unpaired", "train", *(["--resume", str(run)] if kill else arguments)],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        before = len(list_saved_steps(run))
        deadline = time.monotonic() + 120
        while len(list_saved_steps(run) - {0}) <= (1 if before else 0) and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.02 * kill)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert list_checkpoints(run / "checkpoints")
    if len(state_step(run)) and state_step(run) != "step-000000040":
        resume(run, log=quiet)
    state_a, state_b = state(uninterrupted), state(run)
    assert all(torch.equal(state_a[name], state_b[name]) for name in state_a)


def list_saved_steps(run: Path) -> set[int]:
    return {int(p.name.removeprefix("step-")) for p in list_checkpoints(run / "checkpoints")}


def state_step(run: Path) -> str:
    return list_checkpoints(run / "checkpoints")[-1].name


def test_resuming_with_larger_budget_logs_it_and_trains(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2)
    with pytest.raises(UsageError, match="already complete"):
        resume(run, log=quiet)
    messages: list[str] = []
    resume(run, log=messages.append, steps=4)
    assert any("4 steps (was 2 steps)" in message for message in messages)
    assert state_step(run) == "step-000000004"
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["steps"] == 4


def test_resuming_restores_spent_minutes(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", minutes=0.01)
    spent = json.loads(read_tensors(list_checkpoints(run / "checkpoints")[-1] / "state.safetensors")[1]["state"])[
        "progress"
    ]
    assert spent["spent_s"] >= 0.6
    resume(run, log=quiet, minutes=0.015)
    again = json.loads(read_tensors(list_checkpoints(run / "checkpoints")[-1] / "state.safetensors")[1]["state"])[
        "progress"
    ]
    assert again["spent_s"] >= 0.9
    assert again["step"] > spent["step"]


def test_used_run_folder_raises_usage_error(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    messages: list[str] = []
    with pytest.raises(UsageError, match=r"contains a run; .*--out.*--resume"):
        trained(discs, run, steps=1, log=messages.append)
    with pytest.raises(UsageError, match=r"not empty; choose another --out$"):
        trained(discs, discs / "red", steps=1, log=messages.append)
    assert not messages, "the error must be raised before the data are read"
    monkeypatch.chdir(tmp_path)
    first = train(discs, log=quiet, steps=1, **TINY)
    second = train(discs, log=quiet, steps=1, **TINY)
    assert (first, second) == (Path("runs/blue-red"), Path("runs/blue-red-2"))


def test_changed_data_raise_work_error_without_flag(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    missing = discs / "red" / "003.png"
    missing.unlink()
    draw_domain(discs / "blue", "green", 1)
    with pytest.raises(WorkError, match=r"changed.*green/000\.png.*003\.png|changed.*003\.png.*green/000\.png"):
        resume(run, log=quiet, steps=2)
    resume(run, log=quiet, steps=2, changed_data=True)
    assert state_step(run) == "step-000000002"


def test_divergence_stops_training_and_keeps_last_checkpoint(discs: Path, tmp_path: Path) -> None:
    original = TrainingLoop.step

    def step(self: TrainingLoop, batches: Any, context: Any, factor: float = 1.0) -> Any:
        losses = original(self, batches, context, factor)
        return losses | {"generators.cycle": torch.tensor(float("nan"))} if context.step == 3 else losses

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "step", step)
        with pytest.raises(DivergenceError, match=r"step 3: generators\.cycle is nan; the state of step 2 is kept"):
            trained(discs, tmp_path / "run", steps=6, checkpoint_every=2)
    assert state_step(tmp_path / "run") == "step-000000002"
    assert all(tensor.isfinite().all() for tensor in state(tmp_path / "run").values())
    with pytest.raises(DivergenceError, match="diverged at step 0"):
        trained(discs, tmp_path / "other", steps=6, divergence_threshold=1e-3)


def test_unwritable_or_full_disk_raises_work_error(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkError, match="cannot be written"):
        trained(discs, tmp_path / "file" / "run", steps=1)

    original, count = write_tensors, 0

    def raise_disk_full(path: Path, *args: Any) -> None:
        nonlocal count
        count += 1
        if count > 1:
            raise WorkError(f"{path}: cannot be written ([Errno 28] No space left on device)")
        original(path, *args)

    monkeypatch.setattr("unpaired.training.checkpoint.write_tensors", raise_disk_full)
    with pytest.raises(WorkError, match="No space left"):
        trained(discs, tmp_path / "run", steps=4, checkpoint_every=1)
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["step-000000001"]
    monkeypatch.undo()
    monkeypatch.setattr("unpaired.metrics.features.is_available", lambda: False)
    resume(tmp_path / "run", log=quiet)
    assert state_step(tmp_path / "run") == "step-000000004"


def test_only_write_errors_of_training_are_reported_as_an_unwritable_folder(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raise_callback_error(_: StepReport) -> bool:
        raise FileNotFoundError(2, "No such file or directory", "callback.txt")

    with pytest.raises(FileNotFoundError, match=r"callback\.txt"):
        trained(discs, tmp_path / "callback", steps=1, on_step=raise_callback_error)

    def raise_disk_full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("unpaired.training.logging.SummaryWriter.add_scalar", raise_disk_full)
    with pytest.raises(WorkError, match=r"full: .*No space left.*checkpoint") as caught:
        trained(discs, tmp_path / "full", steps=1)
    assert str(tmp_path / "full") in str(caught.value)
    monkeypatch.undo()
    monkeypatch.setattr("unpaired.runs.history.History.add", raise_disk_full)
    with pytest.raises(WorkError, match=r"other: .*No space left"):
        trained(discs, tmp_path / "other", steps=1)


def test_edited_or_foreign_checkpoint_raises_work_error(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    other = trained(discs, tmp_path / "other", steps=1, method="unit")
    file = list_checkpoints(run / "checkpoints")[-1] / "state.safetensors"
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(WorkError, match="digest"):
        resume(run, log=quiet, steps=2)
    file.write_bytes((list_checkpoints(other / "checkpoints")[-1] / "state.safetensors").read_bytes())
    with pytest.raises(WorkError, match="method 'unit', but the run is 'cyclegan'"):
        resume(run, log=quiet, steps=2)
    torch.save({"a": 1}, file)
    with pytest.raises(WorkError, match="pickle"):
        resume(run, log=quiet, steps=2)


def test_evaluations_and_samples_do_not_change_training(discs: Path, tmp_path: Path) -> None:
    """Samples and evaluations must not change parameters or random states."""
    with_evaluations = trained(discs, tmp_path / "with_evaluations", steps=4, evaluate_every=1, sample_every=1)
    without_evaluations = trained(discs, tmp_path / "without_evaluations", steps=4, evaluate_every=0, sample_every=0)
    state_a, state_b = state(with_evaluations), state(without_evaluations)
    assert all(torch.equal(state_a[name], state_b[name]) for name in state_a)


def test_unreadable_files_are_logged_and_skipped(discs: Path, tmp_path: Path) -> None:
    (discs / "red" / "bad.png").write_bytes(b"not a picture")
    messages: list[str] = []
    trained(discs, tmp_path / "run", steps=1, log=messages.append)
    assert any("bad.png" in message and "skipped" in message for message in messages)


def test_wrong_number_of_domains_raises_usage_error(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two or more domains"):
        train(discs / "red", log=quiet, steps=1, **TINY)
    draw_domain(discs, "green", 12)
    with pytest.raises(UsageError, match="cyclegan takes two domains; 3 were given"):
        train(discs, log=quiet, steps=1, **TINY)


def test_dry_run_returns_text_and_writes_no_files(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    text = dry_run(discs, log=quiet, steps=10, **TINY)
    assert "width: 4" in text
    assert "parameters" in text
    assert "a step takes" in text
    assert not (tmp_path / "runs").exists()

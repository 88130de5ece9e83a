"""Resuming: equal to the last bit in every layout and precision, and mended where a kill came between two files."""

from __future__ import annotations

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
from test_train import quiet, state, state_step, stopped_after, trained
from torch import Tensor

from unpaired.errors import UsageError, WorkError
from unpaired.media.image.validation import ImageValidator
from unpaired.runs.history import History
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.loop import TrainingLoop
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
def test_resumed_is_equal_in_every_layout_and_precision(settings: dict[str, Any], discs: Path, tmp_path: Path) -> None:
    settings = {"steps": 4, "checkpoint_every": 2, "evaluate_every": 0, "sample_every": 0, **settings}
    whole, part = trained(discs, tmp_path / "whole", **settings), tmp_path / "part"
    stopped_after(discs, part, 3, settings)
    resume(part, log=quiet)
    one, other = state(whole), state(part)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_kill_between_a_checkpoint_and_its_models_is_mended(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageValidator, "evaluate", lambda self, step, spent_s, best_value: 10.0 - step)
    run = trained(discs, tmp_path / "run", steps=3, evaluate_every=1, sample_every=0)
    before = {name: read_tensors(run / name) for name in ("model.safetensors", "best.safetensors")}
    assert all(about["step"] == "3" for _, about in before.values())
    for name in before:
        (run / name).unlink()  # not overwritten: what was read is mapped from the file
        (run / name).write_bytes(b"of an earlier step")
    with pytest.raises(UsageError, match="already complete"):
        resume(run, log=quiet)
    for name, (tensors, about) in before.items():
        now, about_now = read_tensors(run / name)
        assert about_now == about
        assert all(torch.equal(now[key], tensors[key]) for key in tensors)


def test_a_better_state_replaces_the_best_and_a_worse_one_does_not(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kids = {1: 5.0, 2: 3.0, 3: 4.0}
    monkeypatch.setattr(ImageValidator, "evaluate", lambda self, step, spent_s, best_value: kids[step])
    run = trained(discs, tmp_path / "run", steps=3, evaluate_every=1, sample_every=0)
    assert read_tensors(run / "best.safetensors")[1]["step"] == "2"
    assert read_tensors(run / "model.safetensors")[1]["step"] == "3"
    about = json.loads(read_tensors(list_checkpoints(run / "checkpoints")[-1] / "state.safetensors")[1]["state"])
    assert (about["progress"]["best_step"], about["progress"]["best_value"]) == (2, 3.0)


def test_a_notice_is_kept_once(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    resume(run, log=quiet, steps=2)
    words = [line["message"] for line in History(run / "history.jsonl").read("notice")]
    assert len(words) == len(set(words)) > 0


def test_leftovers_of_a_kill_are_cleared(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    left = run / "checkpoints" / ".step-000000099.part"
    left.mkdir()
    (left / "state.safetensors.part").write_bytes(b"half")
    resume(run, log=quiet, steps=2)
    assert not left.exists()


def test_a_signal_that_comes_twice_at_once_saves_all_the_same(discs: Path, tmp_path: Path) -> None:
    """Launchers pass on what the terminal has sent to all."""
    with pytest.MonkeyPatch.context() as patch:
        signalled(patch, 2, signal.SIGTERM, signal.SIGTERM, signal.SIGINT)
        with pytest.raises(TrainingInterrupt, match="saved at step 2"):
            trained(discs, tmp_path / "run", steps=4)
    assert state_step(tmp_path / "run") == "step-000000002"


def test_a_signal_in_the_last_step_lets_the_run_end(discs: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        signalled(patch, 3, signal.SIGINT)
        run = trained(discs, tmp_path / "run", steps=3)
    assert (run / "evaluation.json").is_file()


def signalled(patch: pytest.MonkeyPatch, step: int, *signals: signal.Signals) -> None:
    """Have these signals come in a step (from 1)."""
    original = TrainingLoop.step

    def stepped(self: TrainingLoop, batches: Any, now: Any, factor: float = 1.0) -> dict[str, Tensor]:
        if now.step == step - 1:
            for number in signals:
                os.kill(os.getpid(), number)
        return original(self, batches, now, factor)

    patch.setattr(TrainingLoop, "step", stepped)


def test_a_full_disk_while_recording_is_a_clear_error(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: History, kind: str, step: int, **facts: Any) -> None:
        if kind == "losses":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(History, "add", full)
    with pytest.raises(WorkError, match="No space left on device"):
        trained(discs, tmp_path / "run", steps=3)


def test_a_resumed_run_keeps_its_settings(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1)
    with pytest.raises(UsageError, match="batch_size: a resumed run keeps its own"):
        resume(run, log=quiet, steps=2, batch_size=4)
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["training"]["device"] = "cuda"
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="device 'cuda'"):
            resume(run, log=quiet, steps=2)


def test_a_runs_config_given_back_gives_the_same_settings(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1, blocks=0, augment=("color",))
    again = train(discs, out=tmp_path / "again", config=run / "config.yaml", log=quiet)
    one, other = (yaml.safe_load((path / "config.yaml").read_text()) for path in (run, again))
    assert one == other
    ours, theirs = state(run), state(again)
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_two_ranks_by_a_file_of_settings_resume_to_the_last_bit(discs: Path, tmp_path: Path) -> None:
    """Started by Fabric itself; killed runs are those whose last checkpoint is gone."""
    file, run = tmp_path / "settings.yaml", tmp_path / "run"
    file.write_text("training: {devices: 2, device: cpu, checkpoint_every: 1, evaluate_every: 0, sample_every: 0}\n")
    flags = [word for name, value in TINY.items() for word in (f"--{name}".replace("_", "-"), str(value))]
    flags += ["--pool-size", "3", "--steps", "3"]
    command = [sys.executable, "-m", "unpaired", "train"]
    done = subprocess.run(
        [*command, str(discs), "--out", str(run), "--config", str(file), *flags],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    last = list_checkpoints(run / "checkpoints")[-1]
    names = ("state.safetensors", "rank-1.safetensors")
    before = [read_tensors(last / name)[0] for name in names]
    shutil.rmtree(last)
    done = subprocess.run([*command, "--resume", str(run)], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    for whole, name in zip(before, names, strict=True):
        again = read_tensors(last / name)[0]
        assert [key for key in whole if not torch.equal(whole[key], again[key])] == []


def test_a_larger_budget_is_evaluated_on_the_way(discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    monkeypatch.setattr(ImageValidator, "evaluate", lambda self, step, spent_s, best_value: looked.append(step))
    run = trained(discs, tmp_path / "run", steps=4, evaluate_every=None, sample_every=0)
    assert looked[-1] == 4
    resume(run, steps=20, log=quiet)
    assert any(4 < step < 20 for step in looked), looked


def test_an_interval_may_be_taken_back(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=1, sample_every=1)
    resume(run, steps=2, sample_every=None, log=quiet)
    assert yaml.safe_load((run / "config.yaml").read_text())["training"]["sample_every"] is None

"""Runs that go on elsewhere: another device, moved data, a closed terminal, a second process."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import TINY, draw_domain
from test_resume import signalled
from test_train import quiet, state, stopped_after, trained

from unpaired.cli.main import main
from unpaired.errors import UsageError, WorkError
from unpaired.runs.folder import RunFolder
from unpaired.runs.lock import FolderLock
from unpaired.runs.progress import list_checkpoints
from unpaired.training.train import resume, train
from unpaired.training.trainer import TrainingInterrupt, list_stop_signals

pytestmark = pytest.mark.usefixtures("without_features")
FAST: dict[str, Any] = {"evaluate_every": 0, "sample_every": 0}


def set_training(run: Path, **values: Any) -> None:
    """Change settings of a run as if another machine had written them."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["training"] |= values
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_a_gpus_run_goes_on_where_there_is_none(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    set_training(run, device="cuda", precision="fp16-mixed", threads=None, workers=None)
    with pytest.raises(UsageError, match="--device cpu"):
        resume(run, log=quiet, steps=3)
    said: list[str] = []
    resume(run, log=said.append, steps=3, device="cpu")
    training = RunFolder(run).load_config().training
    assert training.device == "cpu" and training.precision in ("fp32", "bf16-mixed") and training.threads
    note = next(line for line in said if "device cpu (was cuda)" in line)
    assert "no longer equal to the last bit" in note and "precision" in note
    assert list_checkpoints(run / "checkpoints")[-1].name == "step-000000003"


def test_a_precision_that_is_asked_for_is_taken_or_refused(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    with pytest.raises(UsageError, match="fp16-mixed needs a CUDA device"):
        resume(run, log=quiet, steps=3, precision="fp16-mixed", device="cpu")
    said: list[str] = []
    resume(run, log=said.append, steps=3, precision="bf16-mixed")
    assert any("precision bf16-mixed (was fp32)" in line for line in said)


def test_threads_of_a_larger_machine_are_lowered(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    set_training(run, threads=4096)
    said: list[str] = []
    resume(run, log=said.append, steps=3)
    assert RunFolder(run).load_config().training.threads < 4096  # type: ignore[operator]
    assert any("(was 4096)" in line for line in said)


@pytest.mark.parametrize("new_names", [("red", "blue"), ("rot", "blau")], ids=["same names", "renamed, in order"])
def test_moved_data_are_found_and_the_run_is_the_same(new_names: tuple[str, str], tmp_path: Path) -> None:
    settings = {"steps": 4, "checkpoint_every": 2, **FAST}
    folders = [draw_domain(tmp_path / "old", name, 12) for name in ("red", "blue")]

    def begin(_: Path, out: Path, **more: Any) -> Path:
        return train(*folders, out=out, log=quiet, **(TINY | more))

    whole, part = begin(tmp_path, tmp_path / "whole", **settings), tmp_path / "part"
    stopped_after(tmp_path, part, 3, settings, begin)
    moved = [tmp_path / "new" / name for name in new_names]
    moved[0].parent.mkdir()
    for old, new in zip(folders, moved, strict=True):
        old.rename(new)
    with pytest.raises(UsageError, match="--data"):
        resume(part, log=quiet)
    resume(part, log=quiet, data=moved)
    one, other = state(whole), state(part)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert [d.sources for d in RunFolder(part).load_config().domains] == [(str(path),) for path in moved]


def test_other_files_at_the_new_place_are_refused(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    other = shutil.copytree(discs, tmp_path / "other")
    (other / "red" / "003.png").unlink()
    (other / "blue" / "004.png").write_bytes(b"other")
    with pytest.raises(WorkError) as refused:
        resume(run, log=quiet, steps=3, data=[other])
    assert "003.png is missing" in str(refused.value) and "004.png is of another size" in str(refused.value)
    with pytest.raises(UsageError, match="this run has 2"):
        resume(run, log=quiet, steps=3, data=[other / "red", other / "blue", draw_domain(tmp_path, "green", 3)])
    assert RunFolder(run).load_config().domains[0].sources == (str(discs / "blue"),)


def test_a_complete_run_learns_where_its_data_are(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    moved = discs.rename(tmp_path / "moved")
    assert main(["train", "--resume", str(run), "--data", str(moved / "red"), str(moved / "blue")]) == 0
    assert RunFolder(run).load_config().domains[0].sources == (str(moved / "blue"),)
    assert main(["train", str(moved), "--data", str(moved)]) == 2
    assert "--resume" in capsys.readouterr().err


def test_names_with_accents_stored_in_another_way_are_the_same_files(tmp_path: Path) -> None:
    folders = [draw_domain(tmp_path / "old", name, 12) for name in ("red", "blue")]
    for folder in folders:
        for path in folder.iterdir():
            path.rename(path.with_name(unicodedata.normalize("NFC", f"é{path.name}")))
    run = train(*folders, out=tmp_path / "run", log=quiet, **(TINY | FAST | {"steps": 2}))
    for folder in folders:
        for path in list(folder.iterdir()):
            path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    resume(run, log=quiet, steps=4)
    assert list_checkpoints(run / "checkpoints")[-1].name == "step-000000004"


def test_a_run_that_another_process_trains_is_refused(
    discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    before = (run / "history.jsonl").read_bytes()
    with FolderLock(run, "trains", "wait"):
        assert main(["train", "--resume", str(run), "--steps", "3"]) == 1
    assert f"{run}: another process" in capsys.readouterr().err
    assert (run / "history.jsonl").read_bytes() == before
    assert main(["train", "--resume", str(run), "--steps", "3"]) == 0


def test_a_run_killed_before_its_report_ends_when_resumed(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    with pytest.raises(UsageError, match="already complete"):
        resume(run, log=quiet)
    (run / "report.html").unlink()
    resume(run, log=quiet)
    assert "</html>" in (run / "report.html").read_text("utf-8")


def test_what_killed_processes_left_is_removed(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    left = run / ".0123456789abcdef.part"
    left.write_text("half")
    resume(run, log=quiet, steps=3)
    assert not left.exists()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal")
def test_a_closed_terminal_saves(discs: Path, tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        signalled(patch, 2, signal.SIGHUP)
        with pytest.raises(TrainingInterrupt, match="saved at step 2") as stopped:
            trained(discs, tmp_path / "run 3", steps=4, **FAST)
    assert stopped.value.signal == signal.SIGHUP
    assert f"--resume '{tmp_path / 'run 3'}'" in str(stopped.value)  # as a shell takes it


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal")
def test_a_hangup_that_is_ignored_stays_ignored() -> None:
    assert signal.SIGHUP in list_stop_signals()
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert list_stop_signals() == [signal.SIGINT, signal.SIGTERM]
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals")
def test_training_goes_on_when_the_terminal_is_gone(discs: Path, tmp_path: Path) -> None:
    """As after nohup: the terminal closes, and everything written to it fails."""
    leader, terminal = os.openpty()
    settings = "--preset tiny --size 16 --width 4 --blocks 1 --discriminator-width 4 --precision fp32 --device cpu"
    command = [sys.executable, "-m", "unpaired", "train", str(discs), "--out", str(tmp_path / "run"), "--steps", "60"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which the process inherits
    process = subprocess.Popen(
        [*command, *settings.split(), "--evaluate-every", "0"],
        stdout=terminal,
        stderr=terminal,
        stdin=terminal,
        start_new_session=True,
    )
    signal.signal(signal.SIGHUP, before)
    os.close(terminal)
    while b"run: " not in os.read(leader, 4096):
        time.sleep(0.01)
    os.close(leader)
    assert process.wait(300) == 0
    assert (tmp_path / "run" / "report.html").exists()
    assert list_checkpoints(tmp_path / "run" / "checkpoints")[-1].name == "step-000000060"

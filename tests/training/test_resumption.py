"""Resuming on another machine, with moved data, after a closed terminal, and while another process trains."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from conftest import TINY, draw_domain
from test_resume import send_signals
from test_train import quiet, state, stopped_after, trained

from unpaired.cli.main import main
from unpaired.errors import UsageError, WorkError
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.runs.lock import FolderLock
from unpaired.runs.progress import list_checkpoints
from unpaired.training.stop_signals import list_stop_signals
from unpaired.training.train import resume, train
from unpaired.training.trainer import TrainingInterrupt

pytestmark = pytest.mark.usefixtures("without_features")
FAST: dict[str, Any] = {"evaluate_every": 0, "sample_every": 0}


def set_training(run: Path, **values: Any) -> None:
    """Change training settings in a run's configuration, as if another machine had written it."""
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["training"] |= values
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a GPU")
def test_gpu_run_resumes_on_cpu_with_device_flag(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    set_training(run, device="cuda", precision="fp16-mixed", threads=None, workers=None)
    with pytest.raises(UsageError, match="--device cpu"):
        resume(run, log=quiet, steps=3)
    messages: list[str] = []
    resume(run, log=messages.append, steps=3, device="cpu")
    training = RunFolder(run).load_config().training
    assert training.device == "cpu" and training.precision in ("fp32", "bf16-mixed") and training.threads
    note = next(line for line in messages if "device cpu (was cuda)" in line)
    assert "not bit-identical" in note and "precision" in note
    assert list_checkpoints(run / "checkpoints")[-1].name == "step-000000003"


def test_given_precision_is_used_or_raises_usage_error(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    with pytest.raises(UsageError, match="fp16-mixed needs a CUDA device"):
        resume(run, log=quiet, steps=3, precision="fp16-mixed", device="cpu")
    messages: list[str] = []
    resume(run, log=messages.append, steps=3, precision="bf16-mixed")
    assert any("precision bf16-mixed (was fp32)" in line for line in messages)


def test_threads_above_core_count_are_lowered(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    set_training(run, threads=4096)
    messages: list[str] = []
    resume(run, log=messages.append, steps=3)
    assert RunFolder(run).load_config().training.threads < 4096  # type: ignore[operator]
    assert any("(was 4096)" in line for line in messages)


@pytest.mark.parametrize("new_names", [("red", "blue"), ("rot", "blau")], ids=["same names", "renamed, in order"])
def test_moved_data_resume_bit_identically(new_names: tuple[str, str], tmp_path: Path) -> None:
    settings = {"steps": 4, "checkpoint_every": 2, **FAST}
    folders = [draw_domain(tmp_path / "old", name, 12) for name in ("red", "blue")]

    def start_run(_: Path, out: Path, **more: Any) -> Path:
        return train(*folders, out=out, log=quiet, **(TINY | more))

    uninterrupted, interrupted = start_run(tmp_path, tmp_path / "uninterrupted", **settings), tmp_path / "interrupted"
    stopped_after(tmp_path, interrupted, 3, settings, start_run)
    moved = [tmp_path / "new" / name for name in new_names]
    moved[0].parent.mkdir()
    for old, new in zip(folders, moved, strict=True):
        old.rename(new)
    with pytest.raises(UsageError, match="--data"):
        resume(interrupted, log=quiet)
    resume(interrupted, log=quiet, data=moved)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert all(torch.equal(state_a[name], state_b[name]) for name in state_a)
    assert [d.sources for d in RunFolder(interrupted).load_config().domains] == [(str(path),) for path in moved]


def test_different_files_in_new_folders_raise_work_error(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    other = shutil.copytree(discs, tmp_path / "other")
    (other / "red" / "003.png").unlink()
    (other / "blue" / "004.png").write_bytes(b"other")
    with pytest.raises(WorkError) as caught:
        resume(run, log=quiet, steps=3, data=[other])
    assert "003.png is missing" in str(caught.value) and "004.png is of another size" in str(caught.value)
    with pytest.raises(UsageError, match="this run has 2"):
        resume(run, log=quiet, steps=3, data=[other / "red", other / "blue", draw_domain(tmp_path, "green", 3)])
    assert RunFolder(run).load_config().domains[0].sources == (str(discs / "blue"),)


def test_complete_run_records_new_data_folders(discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    moved = discs.rename(tmp_path / "moved")
    assert main(["train", "--resume", str(run), "--data", str(moved / "red"), str(moved / "blue")]) == 0
    assert RunFolder(run).load_config().domains[0].sources == (str(moved / "blue"),)
    assert main(["train", str(moved), "--data", str(moved)]) == 2
    assert "--resume" in capsys.readouterr().err


def test_file_names_match_across_unicode_normal_forms(tmp_path: Path) -> None:
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


def test_resuming_a_locked_run_fails(discs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    before = (run / "history.jsonl").read_bytes()
    with FolderLock(run, "trains", "wait"):
        assert main(["train", "--resume", str(run), "--steps", "3"]) == 1
    assert f"{run}: another process" in capsys.readouterr().err
    assert (run / "history.jsonl").read_bytes() == before
    assert main(["train", "--resume", str(run), "--steps", "3"]) == 0


def test_resuming_completes_missing_report(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    with pytest.raises(UsageError, match="already complete"):
        resume(run, log=quiet)
    (run / "report.html").unlink()
    resume(run, log=quiet)
    assert "</html>" in (run / "report.html").read_text("utf-8")


def test_resuming_removes_part_files(discs: Path, tmp_path: Path) -> None:
    run = trained(discs, tmp_path / "run", steps=2, **FAST)
    leftover = run / ".0123456789abcdef.part"
    leftover.write_text("half")
    resume(run, log=quiet, steps=3)
    assert not leftover.exists()


@pytest.fixture
def default_sighup() -> Iterator[None]:
    """Set the default action of SIGHUP, which tests inherit as ignored from nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP")
def test_sighup_saves_and_stops(discs: Path, tmp_path: Path, default_sighup: None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        send_signals(patch, 2, signal.SIGHUP)
        with pytest.raises(TrainingInterrupt, match="saved at step 2") as stopped:
            trained(discs, tmp_path / "run 3", steps=4, **FAST)
    assert stopped.value.signal == signal.SIGHUP
    assert f"--resume '{tmp_path / 'run 3'}'" in str(stopped.value)  # quoted for a shell


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP")
def test_ignored_sighup_remains_ignored(default_sighup: None) -> None:
    assert signal.SIGHUP in list_stop_signals()
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert list_stop_signals() == [signal.SIGINT, signal.SIGTERM]


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="no terminals")
def test_training_continues_after_terminal_closes(discs: Path, tmp_path: Path) -> None:
    """With nohup, SIGHUP is ignored and writes to a closed terminal fail, but training continues."""
    leader, terminal = os.openpty()
    settings = "--preset tiny --size 16 --width 4 --blocks 1 --discriminator-width 4 --precision fp32 --device cpu"
    command = [sys.executable, "-m", "unpaired", "train", str(discs), "--out", str(tmp_path / "run"), "--steps", "60"]
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the process inherits it
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
    process.send_signal(signal.SIGHUP)
    assert process.wait(300) == 0
    assert (tmp_path / "run" / "report.html").exists()
    assert list_checkpoints(tmp_path / "run" / "checkpoints")[-1].name == "step-000000060"


def test_a_damaged_checkpoint_is_named_with_the_one_before(discs: Path, tmp_path: Path) -> None:
    run = RunFolder(train(discs, out=tmp_path / "run", **TINY, steps=4, checkpoint_every=2))
    older, newest = list_checkpoints(run.checkpoints)
    (newest / "state.safetensors").write_bytes(b"damaged")
    with pytest.raises(WorkError, match=rf"{newest}/state\.safetensors.*{older.name}.*remove {newest}"):
        resume(run.path, steps=5)
    shutil.rmtree(newest)
    lines: list[str] = []
    resume(run.path, steps=5, log=lines.append)
    assert any("at step 2" in line for line in lines)


def test_a_run_whose_end_is_not_recorded_is_evaluated_again(discs: Path, tmp_path: Path) -> None:
    run = RunFolder(train(discs, out=tmp_path / "run", **TINY, steps=2))
    with pytest.raises(UsageError, match="complete"):
        resume(run.path)
    History(run.history).rewind(1)  # as if the disk was full while the run ended
    run.evaluation.unlink()
    resume(run.path)
    assert run.evaluation.is_file() and [line["step"] for line in History(run.history).read("end")] == [2]

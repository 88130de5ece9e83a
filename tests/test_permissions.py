"""Permissions that are missing or taken away during the work: one line, nothing damaged, and the work continues.

Root has every permission, so that as root the commands run as another user.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.commands import import_everything, make_images, own_cache, run_command
from benchmarks.disk_full import TRAIN_FLAGS, list_damaged
from unpaired.training.loop import TrainingLoop

NOBODY = 65534
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


def drop_privileges() -> None:
    if os.getuid() == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a temporary folder of the unprivileged user, which pytest's own folder is closed to."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    import_everything()
    make_images(path / "data")
    if os.getuid() == 0:
        for part in (path, *path.rglob("*")):
            os.chown(part, NOBODY, NOBODY)
    with own_cache(path):
        yield path
    for part in path.rglob("*"):
        if part.is_dir():
            part.chmod(0o755)
    shutil.rmtree(path)


def test_permission_taken_away_while_training(folder: Path) -> None:
    run, checkpoints = folder / "run", folder / "run" / "checkpoints"
    data = [folder / "data" / name for name in ("one", "two")]

    def take_away_later() -> None:
        drop_privileges()
        step, calls = TrainingLoop.step, []

        def counted(self: TrainingLoop, *args: object) -> object:
            calls.append(1)
            if len(calls) == 3:
                checkpoints.chmod(0o500)
            return step(self, *args)  # type: ignore[arg-type]

        TrainingLoop.step = counted  # type: ignore[method-assign, assignment]

    log = folder.with_suffix(".log")
    arguments = ["train", *data, "--out", run, *TRAIN_FLAGS, "--size", "16"]
    result = run_command(*arguments, log=log, prepare=take_away_later)
    assert result.find_fault((1,)) == ""
    assert str(checkpoints) in result.output.splitlines()[-1]
    assert [path.name for path in checkpoints.iterdir()] == ["step-000000002"]
    assert list(list_damaged(run)) == []
    checkpoints.chmod(0o755)
    assert run_command("train", "--resume", run, log=log, prepare=drop_privileges).find_fault((0,)) == ""
    log.unlink()


def test_files_and_folders_without_permission_are_named(folder: Path) -> None:
    log = folder.with_suffix(".log")
    data = [folder / "data" / name for name in ("one", "two")]
    (data[0] / "03.png").chmod(0)
    result = run_command("check", *data, log=log, prepare=drop_privileges)
    assert result.find_fault((0,)) == "" and "03.png" in result.output
    data[1].chmod(0)
    result = run_command("check", *data, log=log, prepare=drop_privileges)
    assert result.find_fault((1, 2)) == "" and str(data[1]) in result.output
    data[1].chmod(0o755)
    folder.chmod(0o555)
    result = run_command("train", *data, "--out", folder / "run", *TRAIN_FLAGS, log=log, prepare=drop_privileges)
    assert result.find_fault((1,)) == "" and str(folder / "run") in result.output
    log.unlink()

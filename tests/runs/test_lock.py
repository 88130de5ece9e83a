"""Folder locks between processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from unpaired.errors import WorkError
from unpaired.runs.lock import LOCK_FILE, FolderLock

HOLDER = """
import sys
from pathlib import Path
from unpaired.runs.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]), "trains", "wait")
print("locked", flush=True)
input()
"""


def lock(folder: Path) -> FolderLock:
    return FolderLock(folder, "trains this run", "wait or stop it")


def test_lock_excludes_other_process_and_ends_when_it_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None and holder.stdout.readline() == "locked\n"
    with pytest.raises(WorkError) as caught:
        lock(tmp_path)
    assert str(tmp_path) in str(caught.value) and str(holder.pid) in str(caught.value)
    assert str(caught.value).endswith("trains this run; wait or stop it")
    holder.kill()
    holder.communicate()
    assert (tmp_path / LOCK_FILE).exists()
    with lock(tmp_path), pytest.raises(WorkError, match=str(os.getpid())):
        lock(tmp_path)
    assert not (tmp_path / LOCK_FILE).exists()
    lock(tmp_path).release()


def test_file_system_without_locks_is_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    lock(tmp_path)
    lock(tmp_path)
    lock(tmp_path / "missing")

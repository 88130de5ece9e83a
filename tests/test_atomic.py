from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from unpaired.atomic import atomic_write, get_part_path, remove_parts
from unpaired.errors import WorkError


def test_file_is_replaced_only_after_a_complete_write(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), PermissionError(errno.EACCES, "no permission")])
def test_system_error_becomes_work_error(tmp_path: Path, error: OSError) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with (
        pytest.raises(WorkError, match=r"a\.txt: cannot be written \(.*(disk is full|no permission)") as caught,
        atomic_write(path) as part,
    ):
        part.write_text("half")
        raise error
    assert caught.value.__cause__ is error
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_other_errors_propagate_and_leave_no_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a.txt", tmp_path / "own.part") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


def test_the_longest_name_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / ("日" * 83 + ".txt")
    with atomic_write(path) as part:
        part.write_text("whole")
        assert part.name.startswith(".") and len(part.name) < 60
    assert path.read_text() == "whole"


def test_only_parts_of_ended_processes_are_removed(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    paths = [get_part_path(tmp_path / "a", number) for number in (child.pid, dead.pid, None)]
    other = tmp_path / "mine.part"
    for path in [*paths, other]:
        path.write_text("half")
    remove_parts(tmp_path)
    child.communicate()
    assert [path.exists() for path in paths] == [True, False, False] and other.exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no limits of file sizes there")
def test_full_disk_keeps_the_previous_file(tmp_path: Path) -> None:
    """Simulate a full disk with a limit on file size, which fails in the middle of the file."""
    code = """
import resource, signal, sys
from pathlib import Path
from unpaired.atomic import atomic_write, get_part_path, remove_parts
from unpaired.errors import WorkError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path = Path(sys.argv[1])
path.write_text("old")
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with atomic_write(path) as part:
        part.write_bytes(bytes(2000))
except WorkError as error:
    print(error)
"""
    path = tmp_path / "a.txt"
    output = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True).stdout
    assert str(path) in output and path.read_text() == "old" and len(list(tmp_path.iterdir())) == 1

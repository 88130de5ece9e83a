from __future__ import annotations

import errno
from pathlib import Path

import pytest

from unpaired.atomic import atomic_write
from unpaired.errors import WorkError


def test_a_file_changes_only_when_all_of_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with atomic_write(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "no space"), PermissionError(errno.EACCES, "no permission")])
def test_what_the_system_refuses_is_a_work_error(tmp_path: Path, error: OSError) -> None:
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


def test_other_errors_pass_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), atomic_write(tmp_path / "a.txt", tmp_path / "own.part") as part:
        part.write_text("half")
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())

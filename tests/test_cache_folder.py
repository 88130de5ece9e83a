from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from unpaired.cache_folder import find_cache_home, make_temporary_folder


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    return folder


def test_writable_home_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_cache_home() == tmp_path / ".cache"


@pytest.mark.parametrize("home", ["/dev/null", "/proc"])
def test_unwritable_home_gives_temporary_folder(
    home: str, temporary: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", home)
    folder = find_cache_home()
    assert folder.parent == temporary and os.environ["XDG_CACHE_HOME"] == str(folder)
    assert "XDG_CACHE_HOME" in capsys.readouterr().err and find_cache_home() == folder
    assert folder.stat().st_mode & 0o077 == 0


def test_a_user_without_a_home(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", fail)
    assert find_cache_home().parent == temporary


def test_temporary_folder_of_another_user_is_not_used(temporary: Path) -> None:
    own = make_temporary_folder()
    own.chmod(0o777)
    other = make_temporary_folder()
    assert other != own and other.parent == temporary
    own.rmdir()
    own.symlink_to("/")
    assert make_temporary_folder() != own

"""Check of the files of a wheel and a source distribution."""

from __future__ import annotations

import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pytest

from tools.check_dist import SOURCE_FILES, WHEEL_METADATA, check_sdist, check_wheel, main


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a repository with two files of the package, a test and a cache."""
    root = tmp_path / "root"
    for name in (
        "src/unpaired/a.py",
        "src/unpaired/samples/b.png",
        "tests/c.py",
        "tests/__pycache__/c.pyc",
        *SOURCE_FILES,
    ):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return root


def write_wheel(folder: Path, names: Iterable[str]) -> Path:
    """Write a wheel with empty files."""
    with zipfile.ZipFile(folder / "unpaired-1-py3-none-any.whl", "w") as archive:
        for name in names:
            archive.writestr(name, "")
    return folder / "unpaired-1-py3-none-any.whl"


def write_sdist(folder: Path, root: Path, names: Iterable[str]) -> Path:
    """Write a source distribution with the named files of `root`."""
    with tarfile.open(folder / "unpaired-1.tar.gz", "w:gz") as archive:
        for name in names:
            archive.add(root / name, f"unpaired-1/{name}")
    return folder / "unpaired-1.tar.gz"


def test_missing_and_unexpected_files_of_a_wheel_are_named(root: Path, tmp_path: Path) -> None:
    complete = ["unpaired/a.py", "unpaired/samples/b.png", *(f"unpaired-1.dist-info/{name}" for name in WHEEL_METADATA)]
    assert list(check_wheel(write_wheel(tmp_path, complete), root)) == []
    faults = " ".join(check_wheel(write_wheel(tmp_path, ["unpaired/a.py", "unpaired/old.py", *complete[2:-1]]), root))
    assert (
        "unpaired/samples/b.png is missing" in faults and "unpaired/old.py" in faults and WHEEL_METADATA[-1] in faults
    )
    assert "unpaired/a.py" not in faults


def test_missing_files_of_an_sdist_are_named(root: Path, tmp_path: Path) -> None:
    complete = ["src/unpaired/a.py", "src/unpaired/samples/b.png", "tests/c.py", *SOURCE_FILES]
    assert list(check_sdist(write_sdist(tmp_path, root, complete), root)) == []
    faults = " ".join(check_sdist(write_sdist(tmp_path, root, [*complete[:2], "tests/__pycache__/c.pyc"]), root))
    assert "tests/c.py is missing" in faults and "c.pyc is not in the repository" in faults and "LICENSE" in faults


def test_folder_without_distributions_is_a_fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 1
    assert "0 wheels" in capsys.readouterr().out

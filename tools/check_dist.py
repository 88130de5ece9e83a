"""Compare a wheel and a source distribution with the repository: `python -m tools.check_dist build/dist`.

Exit code 1 if a file of the package is missing from the wheel or from the source distribution, or if they have others.
"""

from __future__ import annotations

import argparse
import sys
import tarfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.doc_pages import ROOT

SOURCE_FOLDERS = ("benchmarks", "docs", "requirements", "src/unpaired", "tests", "tools")
SOURCE_FILES = ("constraints.txt", "LICENSE", "Makefile", "NOTICE", "README.md", "mkdocs.yml", "pyproject.toml")
WHEEL_METADATA = ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE")


def list_files(root: Path, folder: str) -> set[str]:
    """List the files of `root`/`folder` as POSIX paths relative to `root`, without Python's caches."""
    return {
        path.relative_to(root).as_posix()
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def check_wheel(wheel: Path, root: Path) -> Iterator[str]:
    """Yield the differences between a wheel and `root`/src/unpaired, and the metadata files that it lacks."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    expected = {name.removeprefix("src/") for name in list_files(root, "src/unpaired")}
    yield from (f"{wheel.name}: {name} is missing" for name in sorted(expected - names))
    yield from (f"{wheel.name}: {name} is not in src" for name in sorted(names - metadata - expected))
    present = {name.partition("/")[2] for name in metadata}
    yield from (f"{wheel.name}: {name} is missing" for name in WHEEL_METADATA if name not in present)


def check_sdist(sdist: Path, root: Path) -> Iterator[str]:
    """Yield the files of `root` that a source distribution lacks, and those of its folders that `root` lacks."""
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    for folder in SOURCE_FOLDERS:
        expected = list_files(root, folder)
        present = {name for name in names if name.startswith(f"{folder}/")}
        yield from (f"{sdist.name}: {name} is missing" for name in sorted(expected - present))
        yield from (f"{sdist.name}: {name} is not in the repository" for name in sorted(present - expected))
    yield from (f"{sdist.name}: {name} is missing" for name in SOURCE_FILES if name not in names)


def main(arguments: Sequence[str] | None = None) -> int:
    """Check the wheel and the source distribution of a folder; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="folder with one .whl and one .tar.gz file")
    folder = parser.parse_args(arguments).folder
    wheels, sdists = list(folder.glob("*.whl")), list(folder.glob("*.tar.gz"))
    faults = []
    if len(wheels) != 1 or len(sdists) != 1:
        faults.append(f"{folder}: {len(wheels)} wheels and {len(sdists)} source distributions; expected one of each")
    else:
        faults += [*check_wheel(wheels[0], ROOT), *check_sdist(sdists[0], ROOT)]
    sys.stdout.write("".join(f"{fault}\n" for fault in faults) or f"{folder}: the files agree with the repository\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())

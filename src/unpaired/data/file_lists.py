"""Text files that list files, one name per line: as inputs of a translation, and as domains to train on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from unpaired.errors import UsageError, WorkError

LIST_SUFFIXES = (".txt", ".lst")
"""Suffixes of lists that can be given as domains."""


@dataclass(frozen=True)
class FileList:
    """Content of a list: `entries` are the existing paths in order, without repetitions; `missing` the other lines."""

    path: Path
    entries: tuple[Path, ...]
    missing: tuple[str, ...]

    @property
    def common_folder(self) -> Path:
        """Deepest folder that contains all entries."""
        parents = [os.path.abspath(entry if entry.is_dir() else entry.parent) for entry in self.entries]  # noqa: PTH100
        return Path(os.path.commonpath(parents)) if parents else self.path.parent


def is_file_list(path: Path) -> bool:
    """Whether a path is a text file that may list others."""
    return path.suffix.lower() in LIST_SUFFIXES and path.is_file()


def read_file_names(path: Path) -> FileList:
    """Read a list of files and folders: one per line, relative to the list's folder or else to the current folder.

    Empty lines are skipped. Raises UsageError if `path` is not a file, WorkError if it is not text or lists no existing
    file.
    """
    if not path.is_file():
        raise UsageError(f"{path}: no such file; expected a text file with the name of a file on each line")
    try:
        text = path.read_bytes()
    except OSError as error:
        raise WorkError(f"{path}: the list cannot be read ({error.strerror})") from error
    if b"\0" in text:
        raise WorkError(f"{path}: is not a list of files; expected UTF-8 text with the name of a file on each line")
    entries: dict[str, Path] = {}
    missing = []
    for line in _iterate_lines(text):
        entry = next((entry for entry in _list_candidates(path, line) if entry.exists()), None)
        if entry is None:
            missing.append(line)
        else:
            entries.setdefault(os.path.abspath(entry), entry)  # noqa: PTH100 (resolve would follow links)
    if not entries:
        examples = f" (the first line is '{missing[0]}', which does not exist)" if missing else ""
        raise WorkError(f"{path}: lists no file that exists{examples}; expected the name of a file on each line")
    return FileList(path, tuple(entries.values()), tuple(missing))


def _iterate_lines(text: bytes) -> Iterator[str]:
    for line in text.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        name = os.fsdecode(line.rstrip(b"\r"))
        if name.strip():
            yield name


def _list_candidates(path: Path, line: str) -> Iterator[Path]:
    for name in dict.fromkeys((line, line.strip())):  # a name may begin or end with a space
        yield path.parent / name
        yield Path(name)

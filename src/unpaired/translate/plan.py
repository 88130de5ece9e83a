"""Which input becomes which output: listed before any work starts, in memory that does not grow with their number."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unpaired.errors import UsageError
from unpaired.media.suffixes import KINDS, Medium, medium_of
from unpaired.translate.inputs import require


@dataclass(frozen=True)
class Item:
    """One input file and the file that its translation becomes."""

    input: Path
    output: Path

    @cached_property
    def origin(self) -> tuple[bytes, int | None, int | None]:
        """The input's path, size and time of change when first asked (before it is read)."""
        return (os.fsencode(self.input.absolute()), *(stamp(self.input) or (None, None)))


def stamp(path: Path) -> tuple[int, int] | None:
    """Size in bytes and time of change in ns; None where there is no such file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


class Plan:
    """The inputs and outputs of one translation, in a temporary database on disk.

    `inputs` are files and folders (searched with their subfolders for files of the medium; hidden files and the folder
    `out` itself are passed over); a folder's structure is kept below `out`, where a file is called as `named` says.
    `unlisted` are the folders that could not be listed, each with the reason.

    Raises UsageError where an input does not exist or is not of the medium by its suffix, there is none, `out` is an
    input folder, a file or called like one, two inputs would write one output, or an output is itself an input.
    """

    def __init__(
        self, inputs: Sequence[Path], out: Path, medium: Medium = "image", named: Callable[[str], str] = str
    ) -> None:
        self.out = Path(os.path.realpath(out))
        self.medium = medium
        self._foreign: Path | None = None
        self.unlisted: list[tuple[Path, str]] = []
        try:
            self._check(inputs, out)
        except OSError as error:
            raise UsageError(f"{error.filename}: cannot be looked at ({error.strerror})") from error
        self._files = sqlite3.connect("", isolation_level=None)
        self._files.execute("CREATE TABLE files (output BLOB PRIMARY KEY, input BLOB, real BLOB) WITHOUT ROWID")
        self._files.execute("BEGIN")
        for given in inputs:
            if given.is_dir():
                real = Path(os.path.realpath(given))
                for path in self._search(given):
                    inner = path.relative_to(given)
                    self._add(path, self.out / inner.with_name(named(inner.name)), real / inner)
            else:
                self._add(given, self.out / named(given.name), Path(os.path.realpath(given)))
        self._check_outputs()
        if not len(self):
            if self._foreign is not None:
                require(self._foreign, medium)
            why = "".join(f"; {path}: {reason}" for path, reason in self.unlisted)
            words, known = KINDS[medium]
            raise UsageError(f"no {words} in {', '.join(map(str, inputs))}{why}; expected {', '.join(sorted(known))}")

    def __len__(self) -> int:
        return int(self._files.execute("SELECT count(*) FROM files").fetchone()[0])

    def __iter__(self) -> Iterator[Item]:
        for output, given in self._files.execute("SELECT output, input FROM files ORDER BY output"):
            yield Item(Path(os.fsdecode(given)), Path(os.fsdecode(output)))

    def _check(self, inputs: Sequence[Path], out: Path) -> None:
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out}: is a file; expected a folder for the translations")
        if medium_of(out.name) and not out.exists():
            raise UsageError(
                f"{out}: is the name of a file; expected a folder for the translations, which keep their inputs' names"
            )
        for given in inputs:
            if not given.exists():
                raise UsageError(f"{given}: no such file or folder")
            if given.is_dir() and Path(os.path.realpath(given)) == self.out:
                raise UsageError(f"{out}: is also the folder to translate; give another --out")
            if not given.is_dir() and medium_of(given.name) != self.medium:
                require(given, self.medium)
                words, known = KINDS[self.medium]
                raise UsageError(f"{given}: not among the {words} that can be translated ({', '.join(sorted(known))})")

    def _search(self, folder: Path) -> Iterator[Path]:
        seen: set[str] = {str(self.out)}  # and folders that links lead back to
        waiting = [folder]
        while waiting:
            now = waiting.pop()
            real = os.path.realpath(now)
            if real in seen:
                continue
            seen.add(real)
            try:
                with os.scandir(now) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir():
                            waiting.append(Path(entry.path))
                        elif (medium := medium_of(entry.name)) and entry.is_file():
                            if medium == self.medium:
                                yield Path(entry.path)
                            else:
                                self._foreign = self._foreign or Path(entry.path)
            except OSError as error:
                self.unlisted.append((now, f"cannot be listed ({error.strerror})"))

    def _add(self, given: Path, output: Path, real: Path) -> None:
        row = (os.fsencode(output), os.fsencode(given), os.fsencode(real))
        try:
            self._files.execute("INSERT INTO files VALUES (?, ?, ?)", row)
        except sqlite3.IntegrityError:
            held = self._files.execute("SELECT input, real FROM files WHERE output = ?", row[:1]).fetchone()
            if held[1] != row[2]:
                raise UsageError(
                    f"{os.fsdecode(held[0])} and {given} would both be written to {output}; "
                    "translate them into different folders"
                ) from None

    def _check_outputs(self) -> None:
        over = self._files.execute(
            "SELECT input FROM files WHERE output IN (SELECT real FROM files) LIMIT 1"
        ).fetchone()
        if over is not None:
            raise UsageError(
                f"the translation of {os.fsdecode(over[0])} would be written over an input; give another --out"
            )

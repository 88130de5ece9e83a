"""Which input becomes which output: listed before any work starts, in memory that does not grow with their number."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unpaired.errors import UsageError
from unpaired.media import Medium, infer_medium, require_medium


@dataclass(frozen=True)
class TranslationJob:
    """One input file and the file that its translation becomes."""

    input: Path
    output: Path

    @cached_property
    def input_signature(self) -> tuple[bytes, int | None, int | None]:
        """The input's path, size and time of change when first asked (before it is read)."""
        return (os.fsencode(self.input.absolute()), *(file_signature(self.input) or (None, None)))


def file_signature(path: Path) -> tuple[int, int] | None:
    """Size in bytes and time of change in ns; None where there is no such file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class TranslationJobs:
    """The inputs and outputs of one translation, in a temporary database on disk.

    `inputs` are files and folders (searched with their subfolders for files of the medium; hidden files and the folder
    `out` itself are passed over); a folder's structure is kept below `out`, where a file is called as `named` says.
    `unlisted` are the folders that could not be listed, each with the reason.

    Raises UsageError where an input does not exist or is not of the medium by its suffix, there is none, `out` is an
    input folder, a file or called like one, two inputs would write one output, or an output is itself an input.
    """

    def __init__(
        self, inputs: Sequence[Path], out: Path, medium: Medium, make_output_name: Callable[[str], str] = str
    ) -> None:
        self.out = Path(os.path.realpath(out))
        self.medium = medium
        self._other_medium_file: Path | None = None
        self.unlisted_folders: list[tuple[Path, str]] = []
        try:
            self._check_inputs(inputs, out)
        except OSError as error:
            raise UsageError(f"{error.filename}: cannot be looked at ({error.strerror})") from error
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.execute("CREATE TABLE files (output BLOB PRIMARY KEY, input BLOB, real BLOB) WITHOUT ROWID")
        self._database.execute("BEGIN")
        for input_path in inputs:
            if input_path.is_dir():
                real_path = Path(os.path.realpath(input_path))
                for path in self._find_files(input_path):
                    relative_path = path.relative_to(input_path)
                    self._add_job(
                        path,
                        self.out / relative_path.with_name(make_output_name(relative_path.name)),
                        real_path / relative_path,
                    )
            else:
                self._add_job(
                    input_path, self.out / make_output_name(input_path.name), Path(os.path.realpath(input_path))
                )
        self._check_outputs()
        if not len(self):
            if self._other_medium_file is not None:
                require_medium(self._other_medium_file, medium)
            reasons = "".join(f"; {path}: {reason}" for path, reason in self.unlisted_folders)
            folders = ", ".join(map(str, inputs))
            raise UsageError(f"no {medium.files_noun} in {folders}{reasons}; expected {medium.expected_suffixes()}")

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM files").fetchone()[0])

    def __iter__(self) -> Iterator[TranslationJob]:
        for output, input_path in self._database.execute("SELECT output, input FROM files ORDER BY output"):
            yield TranslationJob(Path(os.fsdecode(input_path)), Path(os.fsdecode(output)))

    def _check_inputs(self, inputs: Sequence[Path], out: Path) -> None:
        medium = self.medium
        if out.exists() and not out.is_dir():
            raise UsageError(f"{out}: is a file; expected a folder for the translations")
        if infer_medium(out.name) and not out.exists():
            raise UsageError(
                f"{out}: is the name of a file; expected a folder for the translations, which keep their inputs' names"
            )
        for input_path in inputs:
            if not input_path.exists():
                raise UsageError(f"{input_path}: no such file or folder")
            if input_path.is_dir() and Path(os.path.realpath(input_path)) == self.out:
                raise UsageError(f"{out}: is also the folder to translate; give another --out")
            if not input_path.is_dir() and infer_medium(input_path.name) != medium:
                require_medium(input_path, medium)
                raise UsageError(
                    f"{input_path}: not among the {medium.files_noun} that can be translated "
                    f"({medium.expected_suffixes()})"
                )

    def _find_files(self, folder: Path) -> Iterator[Path]:
        visited: set[str] = {str(self.out)}  # and folders that links lead back to
        pending_folders = [folder]
        while pending_folders:
            current_folder = pending_folders.pop()
            real_path = os.path.realpath(current_folder)
            if real_path in visited:
                continue
            visited.add(real_path)
            try:
                with os.scandir(current_folder) as entries:
                    for entry in entries:
                        if entry.name.startswith("."):
                            continue
                        if entry.is_dir():
                            pending_folders.append(Path(entry.path))
                        elif (medium := infer_medium(entry.name)) and entry.is_file():
                            if medium is self.medium:
                                yield Path(entry.path)
                            else:
                                self._other_medium_file = self._other_medium_file or Path(entry.path)
            except OSError as error:
                self.unlisted_folders.append((current_folder, f"cannot be listed ({error.strerror})"))

    def _add_job(self, input_path: Path, output: Path, real_path: Path) -> None:
        row = (os.fsencode(output), os.fsencode(input_path), os.fsencode(real_path))
        try:
            self._database.execute("INSERT INTO files VALUES (?, ?, ?)", row)
        except sqlite3.IntegrityError:
            existing_row = self._database.execute("SELECT input, real FROM files WHERE output = ?", row[:1]).fetchone()
            if existing_row[1] != row[2]:
                raise UsageError(
                    f"{os.fsdecode(existing_row[0])} and {input_path} would both be written to {output}; "
                    "translate them into different folders"
                ) from None

    def _check_outputs(self) -> None:
        overwritten_row = self._database.execute(
            "SELECT input FROM files WHERE output IN (SELECT real FROM files) LIMIT 1"
        ).fetchone()
        if overwritten_row is not None:
            raise UsageError(
                f"the translation of {os.fsdecode(overwritten_row[0])} would be written over an input; give another --out"
            )

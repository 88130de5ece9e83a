"""Translation jobs: pairs of input and output files, in a database on disk so that memory stays constant."""

from __future__ import annotations

import os
import sqlite3
import tempfile
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from unpaired.data.file_lists import FileList
from unpaired.data.walk import SkippedFiles, explain_suffix, get_suffix, walk_files
from unpaired.errors import UsageError
from unpaired.file_names import suggest_path
from unpaired.media import Medium, infer_medium, require_medium
from unpaired.translate.shards import Shard


@dataclass(frozen=True)
class TranslationJob:
    """One input file and the file of its translation."""

    input: Path
    output: Path

    @cached_property
    def input_signature(self) -> tuple[bytes, int | None, int | None]:
        """Absolute path, size in bytes and modification time in ns of the input, cached before the file is read."""
        return (os.fsencode(self.input.absolute()), *(file_signature(self.input) or (None, None)))


def file_signature(path: Path) -> tuple[int, int] | None:
    """Return the size in bytes and the modification time in ns; None if the file does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


class TranslationJobs:
    """The inputs and outputs of one translation, in a temporary database on disk.

    `inputs` are files and folders; folders are searched recursively for files of the medium, without the folder `out`.
    Outputs keep the folder structure below `out`; `make_output_name` maps paths of inputs to names. Files of
    `file_list` keep the structure below their common folder. `unlisted` holds unreadable folders and invalid lines of
    the list, with reasons; `notes` describes skipped files. With `shard`, only the files of that shard are jobs.

    Raises UsageError if an input does not exist or has a suffix of another medium, if there are no inputs, if `out` is
    an input folder, a file or named like a file, if two inputs have the same output (in a folder that ignores case,
    also if outputs differ only in case), or if an output is an input.
    """

    def __init__(
        self,
        inputs: Sequence[Path],
        out: Path,
        medium: Medium,
        make_output_name: Callable[[str], str] = os.path.basename,
        file_list: FileList | None = None,
        shard: Shard | None = None,
    ) -> None:
        self.out = Path(os.path.realpath(out))
        self.medium = medium
        self._make_output_name = make_output_name
        self._shard, self._out_prefix = shard, os.path.join(self.out, "")  # noqa: PTH118 - compared with strings
        self._files_of_other_shards = 0
        self._other_medium_file: Path | None = None
        self.unlisted: list[tuple[Path, str]] = []
        self._skipped = SkippedFiles()
        try:
            self._check_inputs(inputs, out)
        except OSError as error:
            raise UsageError(f"{error.filename}: cannot be opened ({error.strerror})") from error
        # The garbage collector may close it in another thread.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._database.close)  # also if an error follows; Python 3.13 warns of open databases
        self._database.execute("CREATE TABLE files (output BLOB PRIMARY KEY, input BLOB, real BLOB) WITHOUT ROWID")
        self._database.execute("CREATE TABLE others (real BLOB)")
        self._database.execute("BEGIN")
        for input_path in inputs:
            self._add_input(input_path, Path())
        if file_list is not None:
            self._add_listed(file_list)
        self._check_outputs()
        if not len(self) and not self._files_of_other_shards:
            if self._other_medium_file is not None:
                require_medium(self._other_medium_file, medium)
            reasons = "".join(f"; {path}: {reason}" for path, reason in self.unlisted)
            reasons += "".join(f"; {note}" for note in self.notes)
            sources = ", ".join(map(str, [*inputs, *([file_list.path] if file_list else [])]))
            raise UsageError(f"no {medium.files_noun} in {sources}{reasons}; expected {medium.expected_inputs()}")

    @property
    def notes(self) -> list[str]:
        """Descriptions of the files that were skipped."""
        return self._skipped.describe()

    def __len__(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM files").fetchone()[0])

    def __iter__(self) -> Iterator[TranslationJob]:
        for output, input_path in self._database.execute("SELECT output, input FROM files ORDER BY output"):
            yield TranslationJob(Path(os.fsdecode(input_path)), Path(os.fsdecode(output)))

    def _check_inputs(self, inputs: Sequence[Path], out: Path) -> None:
        medium = self.medium
        if out.exists() and not out.is_dir():
            raise UsageError(f"--out {out}: is a file; expected a folder for the translations")
        if infer_medium(out.name) and not out.exists():
            raise UsageError(
                f"--out {out}: is named like a file; expected a folder, where translations keep their inputs' names"
            )
        for input_path in inputs:
            if not input_path.exists():
                raise UsageError(f"{input_path}: no such file or folder{suggest_path(input_path)}")
            if input_path.is_dir() and Path(os.path.realpath(input_path)) == self.out:
                raise UsageError(f"--out {out}: is also an input folder; give another --out")
            if not input_path.is_dir() and not medium.translates(input_path.name):
                require_medium(input_path, medium)
                hint = explain_suffix(input_path.suffix)
                raise UsageError(
                    f"{input_path}: this run translates {medium.files_noun} "
                    f"({medium.expected_inputs()}){'; ' if hint else ''}{hint}"
                )

    def _add_input(self, input_path: Path, parent: Path) -> None:
        """Add a file, or all files of a folder, with outputs below `parent` (relative to `out`)."""
        real_path = Path(os.path.realpath(input_path))
        if not input_path.is_dir():
            self._add_job(str(input_path), str(parent / input_path.name), str(real_path))
            return
        prefixes = [os.path.join(path, "") for path in (input_path, real_path)]  # noqa: PTH118 (a Path is slow)
        parent_prefix = "" if parent == Path() else os.path.join(parent, "")  # noqa: PTH118
        for name in self._find_files(input_path):
            self._add_job(prefixes[0] + name, parent_prefix + name, prefixes[1] + name)

    def _add_listed(self, file_list: FileList) -> None:
        root = file_list.common_folder
        for line in file_list.missing:
            self.unlisted.append((Path(line), f"does not exist; it is listed in {file_list.path}"))
        for entry in file_list.entries:
            absolute = Path(os.path.abspath(entry))  # noqa: PTH100 - resolve would follow links
            if entry.is_dir():
                self._add_input(entry, absolute.relative_to(root))
            elif self.medium.translates(entry.name):
                self._add_input(entry, absolute.relative_to(root).parent)
            else:
                hint = explain_suffix(entry.suffix)
                reason = f"this run translates {self.medium.files_noun} ({self.medium.expected_inputs()})"
                self.unlisted.append((entry, f"{reason}; {hint}" if hint else reason))

    def _find_files(self, folder: Path) -> Iterator[str]:
        """Yield the names of the medium's files, relative to the folder."""

        def note_error(path: str, error: OSError) -> None:
            self.unlisted.append((Path(path), f"cannot be listed ({error.strerror})"))

        own_output = {(status.st_dev, status.st_ino) for status in [self.out.stat()]} if self.out.exists() else set()
        for name, _, _ in walk_files(folder, self._skipped, note_error, visited=own_output):
            if self.medium.translates(name):
                yield name
            else:
                self._skipped.other_suffixes[get_suffix(name)] += 1
                self._other_medium_file = self._other_medium_file or folder / name

    def _add_job(self, input_path: str, relative_input: str, real_path: str) -> None:
        """Add a file; `relative_input` gives the folder of its output below `out`."""
        folder = os.path.dirname(relative_input)  # noqa: PTH120 (a Path is slow)
        relative_output = os.path.join(folder, self._make_output_name(input_path))  # noqa: PTH118 (a Path is slow)
        if self._shard is not None and not self._shard.contains(os.fsencode(relative_output.replace(os.sep, "/"))):
            self._files_of_other_shards += 1
            if real_path.startswith(self._out_prefix):  # an input that a translation could overwrite
                self._database.execute("INSERT INTO others VALUES (?)", [os.fsencode(real_path)])
            return
        output = self._out_prefix + relative_output
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
            "SELECT input FROM files WHERE output IN (SELECT real FROM files UNION ALL SELECT real FROM others) LIMIT 1"
        ).fetchone()
        if overwritten_row is not None:
            raise UsageError(
                f"give another --out: the translation of {os.fsdecode(overwritten_row[0])} would overwrite an input"
            )
        self._database.create_function("fold", 1, lambda name: os.fsdecode(name).casefold(), deterministic=True)
        twins = self._database.execute(
            "SELECT min(output), max(output) FROM files GROUP BY fold(output) HAVING count(*) > 1 LIMIT 1"
        ).fetchone()
        if twins is not None and ignores_case(self.out):
            first, second = map(os.fsdecode, twins)
            raise UsageError(
                f"{first} and {second} are the same file in this folder, which ignores upper and lower case; rename an "
                "input, or translate them into different folders"
            )


def ignores_case(folder: Path) -> bool:
    """Return whether the file system of a folder ignores upper and lower case, as on Windows, macOS and SMB shares.

    Creates the folder and a temporary file in it; False if that is not possible.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(prefix=".unpaired-case-", dir=folder) as probe:
            path = Path(probe.name)
            return path.with_name(path.name.upper()).exists()
    except OSError:
        return False

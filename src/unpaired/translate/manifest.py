"""What a folder of translations remembers: which files were made, of what, by which model and settings."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from unpaired.errors import WorkError
from unpaired.runs.lock import FolderLock
from unpaired.translate.jobs import TranslationJob, file_signature

DATABASE_NAME = ".unpaired.sqlite"
_TABLE = """CREATE TABLE IF NOT EXISTS made (
    output BLOB PRIMARY KEY, recipe TEXT, input BLOB, input_size INT, input_time INT, size INT, time INT
) WITHOUT ROWID"""


class OutputState(Enum):
    """What there is in the place of an output."""

    ABSENT = "nothing, or our own of another model, settings or input"
    UP_TO_DATE = "the very translation that is asked for"
    FOREIGN = "a file that was not made here, or changed since"


class Manifest:
    """The record in the folder `out`, which is made; one row per output, written before the output and after it.

    So, wherever the work is cut off, no file of ours is taken for another's, and no half record for a finished file.
    `recipe` identifies the model and the settings. Raises WorkError where the folder cannot be written or the record is
    damaged.
    """

    def __init__(self, out: Path, settings_hash: str) -> None:
        self.out = out
        self.settings_hash = settings_hash
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkError(f"{out}: cannot be made ({error.strerror}); give an --out that can be written") from error
        if not os.access(out, os.W_OK | os.X_OK):
            raise WorkError(f"{out}: no permission to write in it; give an --out that can be written")
        self._lock = FolderLock(out, "translates into this folder", "wait until it has ended, or give another --out")
        try:
            with self._wrap_database_errors():
                self._database = sqlite3.connect(out / DATABASE_NAME, isolation_level=None)
                # A killed process loses nothing without waiting for the disk; only a power failure could.
                self._database.execute("PRAGMA synchronous = OFF")
                self._database.execute(_TABLE)
        except WorkError:
            self._lock.release()
            raise

    def close(self) -> None:
        """Release the record and the folder's lock."""
        self._database.close()
        self._lock.release()

    def get_state(self, job: TranslationJob) -> OutputState:
        """Look at what is in the place of `item`'s output."""
        current_signature = file_signature(job.output)
        with self._wrap_database_errors():
            row = self._database.execute("SELECT * FROM made WHERE output = ?", [self._get_output_key(job)]).fetchone()
        if current_signature is None:
            return OutputState.ABSENT
        if row is None or (row[5] is not None and row[5:] != current_signature):
            return OutputState.FOREIGN
        is_up_to_date = row[5] is not None and row[1:5] == (self.settings_hash, *job.input_signature)
        return OutputState.UP_TO_DATE if is_up_to_date else OutputState.ABSENT

    def mark_started(self, jobs: Iterable[TranslationJob]) -> None:
        """Record that the outputs of `items` are about to be written: what is found there later is ours."""
        rows = [(self._get_output_key(job), self.settings_hash, *job.input_signature) for job in jobs]
        with self._wrap_database_errors():
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows)
            self._database.execute("COMMIT")

    def mark_finished(self, job: TranslationJob) -> None:
        """Record that `item`'s output is written."""
        with self._wrap_database_errors():
            output_signature = file_signature(job.output) or (None, None)
            self._database.execute(
                "UPDATE made SET size = ?, time = ? WHERE output = ?", [*output_signature, self._get_output_key(job)]
            )

    def _get_output_key(self, job: TranslationJob) -> bytes:
        return os.fsencode(job.output.relative_to(self.out))

    @contextmanager
    def _wrap_database_errors(self) -> Iterator[None]:
        path = self.out / DATABASE_NAME
        try:
            yield
        except sqlite3.OperationalError as error:
            raise WorkError(
                f"{path}: cannot be written ({error}); is the disk full, or the folder not writable?"
            ) from error
        except sqlite3.DatabaseError as error:
            raise WorkError(
                f"{path}: the record of earlier translations is damaged ({error}); delete it, and use --overwrite"
            ) from error

"""Manifest of an output folder: which files were written, from which inputs, by which model and settings."""

from __future__ import annotations

import os
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from unpaired.errors import WorkError
from unpaired.runs.lock import FolderLock, require_unlocked
from unpaired.translate.jobs import TranslationJob, file_signature
from unpaired.translate.shards import Shard, refuse_other_division

DATABASE_NAME = ".unpaired.sqlite"
_SHARD_TABLE = "CREATE TABLE IF NOT EXISTS shard (recipe TEXT, total INT, done INT, failed INT)"
_TABLE = """CREATE TABLE IF NOT EXISTS made (
    output BLOB PRIMARY KEY, recipe TEXT, input BLOB, input_size INT, input_time INT, size INT, time INT
) WITHOUT ROWID"""


def create_table(database: sqlite3.Connection) -> None:
    """Create the table of outputs, if the database does not have it."""
    database.execute(_TABLE)


class OutputState(Enum):
    """State of an output file."""

    ABSENT = "missing, or written by another model, with other settings or from another input"
    UP_TO_DATE = "the requested translation"
    FOREIGN = "not written by this package, or changed since"


class Manifest:
    """SQLite database in the folder `out`, which is created; one row per output.

    A row is written before its output and completed after it, so that after an interruption own files are recognized
    and unfinished ones are translated again. `settings_hash` identifies the model and the settings (column `recipe`).

    The manifest of a `shard` is in a folder of its own, with a table of the shard's progress; `done` and `failed` are
    NULL until all its files were processed. Rows of the folder's manifest are read, not written.

    Raises UsageError if the folder is divided into other shards, WorkError if it is not writable, another process uses
    it, or the database is damaged.
    """

    def __init__(self, out: Path, settings_hash: str, shard: Shard | None = None) -> None:
        self.out = out
        self.settings_hash = settings_hash
        refuse_other_division(out, shard)
        self._folder = out if shard is None else shard.get_folder(out)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkError(f"{out}: cannot be created ({error.strerror}); give a writable --out") from error
        if not os.access(out, os.W_OK | os.X_OK):
            raise WorkError(f"{out}: no permission to write to this folder; give a writable --out")
        advice = "wait until it has ended, or give another --out"
        activity = "translates into this folder" if shard is None else f"translates shard {shard}"
        self._lock = FolderLock(self._folder, activity, advice)
        self._earlier: sqlite3.Connection | None = None
        try:
            if shard is not None:  # while it is locked: a merge locks the folder until it has removed the shards
                require_unlocked(out, "translates into this folder", advice)
            with self._wrap_database_errors():
                # The garbage collector may close it in another thread.
                self._database = sqlite3.connect(
                    self._folder / DATABASE_NAME, isolation_level=None, check_same_thread=False
                )
                weakref.finalize(self, self._database.close)  # also if an error follows
                # No fsync: a killed process loses no rows; only a power failure could.
                self._database.execute("PRAGMA synchronous = OFF")
                create_table(self._database)
                if shard is not None:
                    self._database.execute(_SHARD_TABLE)
                    if (out / DATABASE_NAME).is_file():
                        self._earlier = sqlite3.connect(f"{(out / DATABASE_NAME).as_uri()}?mode=ro", uri=True)
        except WorkError:
            self._lock.release()
            raise

    def close(self) -> None:
        """Close the database and release the lock of the folder."""
        self._database.close()
        if self._earlier is not None:
            self._earlier.close()
        self._lock.release()

    def start_shard(self, total: int) -> None:
        """Record that the shard has `total` files and is not complete."""
        with self._wrap_database_errors():
            self._database.execute("BEGIN")
            self._database.execute("DELETE FROM shard")
            self._database.execute("INSERT INTO shard VALUES (?, ?, NULL, NULL)", [self.settings_hash, total])
            self._database.execute("COMMIT")

    def finish_shard(self, done: int, failed: int) -> None:
        """Record that all files of the shard were processed: `done` are up to date, `failed` are not."""
        with self._wrap_database_errors():
            self._database.execute("UPDATE shard SET done = ?, failed = ?", [done, failed])

    def get_state(self, job: TranslationJob) -> OutputState:
        """Compare the output file of a job with its row."""
        current_signature = file_signature(job.output)
        with self._wrap_database_errors():
            key = [self._get_output_key(job)]
            row = self._database.execute("SELECT * FROM made WHERE output = ?", key).fetchone()
            if row is None and self._earlier is not None:
                row = self._earlier.execute("SELECT * FROM made WHERE output = ?", key).fetchone()
        if current_signature is None:
            return OutputState.ABSENT
        if row is None or (row[5] is not None and row[5:] != current_signature):
            return OutputState.FOREIGN
        is_up_to_date = row[5] is not None and row[1:5] == (self.settings_hash, *job.input_signature)
        return OutputState.UP_TO_DATE if is_up_to_date else OutputState.ABSENT

    def mark_started(self, jobs: Iterable[TranslationJob]) -> None:
        """Insert rows without a signature before the outputs of `jobs` are written."""
        rows = [(self._get_output_key(job), self.settings_hash, *job.input_signature) for job in jobs]
        with self._wrap_database_errors():
            self._database.execute("BEGIN")
            self._database.executemany("INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows)
            self._database.execute("COMMIT")

    def mark_finished(self, job: TranslationJob) -> None:
        """Record the size and modification time of a written output."""
        with self._wrap_database_errors():
            output_signature = file_signature(job.output) or (None, None)
            self._database.execute(
                "UPDATE made SET size = ?, time = ? WHERE output = ?", [*output_signature, self._get_output_key(job)]
            )

    def _get_output_key(self, job: TranslationJob) -> bytes:
        return os.fsencode(job.output.relative_to(self.out))

    @contextmanager
    def _wrap_database_errors(self) -> Iterator[None]:
        path = self._folder / DATABASE_NAME
        try:
            yield
        except sqlite3.OperationalError as error:
            raise WorkError(
                f"{path}: cannot be written ({error}); check the free space and the permissions of the folder"
            ) from error
        except sqlite3.DatabaseError as error:
            raise WorkError(
                f"{path}: the manifest of earlier translations is damaged ({error}); delete it and use --overwrite"
            ) from error

"""What a folder of translations remembers: which files were made, of what, by which model and settings."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from unpaired.errors import WorkError
from unpaired.translate.plan import Item, stamp

NAME = ".unpaired.sqlite"
_TABLE = """CREATE TABLE IF NOT EXISTS made (
    output BLOB PRIMARY KEY, recipe TEXT, input BLOB, input_size INT, input_time INT, size INT, time INT
) WITHOUT ROWID"""


class State(Enum):
    """What there is in the place of an output."""

    ABSENT = "nothing, or our own of another model, settings or input"
    MADE = "the very translation that is asked for"
    FOREIGN = "a file that was not made here, or changed since"


class Ledger:
    """The record in the folder `out`, which is made; one row per output, written before the output and after it.

    So, wherever the work is cut off, no file of ours is taken for another's, and no half record for a finished file.
    `recipe` identifies the model and the settings. Raises WorkError where the folder cannot be written or the record is
    damaged.
    """

    def __init__(self, out: Path, recipe: str) -> None:
        self.out = out
        self.recipe = recipe
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkError(f"{out}: cannot be made ({error.strerror}); give an --out that can be written") from error
        if not os.access(out, os.W_OK | os.X_OK):
            raise WorkError(f"{out}: no permission to write in it; give an --out that can be written")
        with self._explained():
            self._record = sqlite3.connect(out / NAME, isolation_level=None)
            # A killed process loses nothing without waiting for the disk; only a power failure could.
            self._record.execute("PRAGMA synchronous = OFF")
            self._record.execute(_TABLE)

    def close(self) -> None:
        """Release the record."""
        self._record.close()

    def state(self, item: Item) -> State:
        """Look at what is in the place of `item`'s output."""
        there = stamp(item.output)
        with self._explained():
            row = self._record.execute("SELECT * FROM made WHERE output = ?", [self._key(item)]).fetchone()
        if there is None:
            return State.ABSENT
        if row is None or (row[5] is not None and row[5:] != there):
            return State.FOREIGN
        finished = row[5] is not None and row[1:5] == (self.recipe, *item.origin)
        return State.MADE if finished else State.ABSENT

    def begin(self, items: Iterable[Item]) -> None:
        """Record that the outputs of `items` are about to be written: what is found there later is ours."""
        rows = [(self._key(item), self.recipe, *item.origin) for item in items]
        with self._explained():
            self._record.execute("BEGIN")
            self._record.executemany("INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, ?, NULL, NULL)", rows)
            self._record.execute("COMMIT")

    def finish(self, item: Item) -> None:
        """Record that `item`'s output is written."""
        with self._explained():
            written = stamp(item.output) or (None, None)
            self._record.execute("UPDATE made SET size = ?, time = ? WHERE output = ?", [*written, self._key(item)])

    def _key(self, item: Item) -> bytes:
        return os.fsencode(item.output.relative_to(self.out))

    @contextmanager
    def _explained(self) -> Iterator[None]:
        path = self.out / NAME
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

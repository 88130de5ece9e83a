"""State of the shards of an output folder, and the merge of their manifests into the folder's."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.artifacts import SHARDS_FOLDER
from unpaired.errors import UsageError, WorkError
from unpaired.runs.lock import FolderLock
from unpaired.translate.manifest import DATABASE_NAME, create_table
from unpaired.translate.shards import Shard, find_shards


@dataclass(frozen=True)
class ShardState:
    """Progress of a shard: files in total, up to date and failed.

    `total` is None if the shard has not started, `failed` None if it has not ended. `settings_hash` identifies the
    model and the settings.
    """

    shard: Shard
    total: int | None = None
    done: int = 0
    failed: int | None = None
    settings_hash: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether all files of the shard were processed."""
        return self.failed is not None

    def describe(self) -> str:
        """Return a line on the state of the shard."""
        if self.total is None:
            return f"shard {self.shard}: missing; run --shard {self.shard}"
        if self.failed is None:
            return f"shard {self.shard}: incomplete, {self.done:,} of {self.total:,} files; run --shard {self.shard}"
        failures = f", {self.failed:,} failed" if self.failed else ""
        return f"shard {self.shard}: complete, {self.done:,} of {self.total:,} files{failures}"


@dataclass(frozen=True)
class ShardReport:
    """States of all shards of a folder, and whether their manifests were merged."""

    states: Sequence[ShardState]
    is_merged: bool


def merge_shards(out: Path) -> ShardReport:
    """Read the states of the shards of `out`; if all are complete, merge their manifests into the folder's.

    Raises UsageError if the folder has no shards or shards of different settings, WorkError if a shard is running or a
    manifest is damaged.
    """
    shards = find_shards(out)
    if not shards:
        raise UsageError(f"{out}: contains no shards; expected the --out of `unpaired translate --shard INDEX/COUNT`")
    count = Counter(shard.count for shard in shards).most_common(1)[0][0]
    advice = "wait until it has ended"
    with FolderLock(out, "translates into this folder", advice):  # no shard starts while it is held
        with ExitStack() as locks:
            for shard in shards:
                locks.enter_context(FolderLock(shard.get_folder(out), f"translates shard {shard}", advice))
            states = [_read_state(out, Shard(index, count)) for index in range(1, count + 1)]
            _require_equal_settings(out, states)
            is_merged = all(state.is_complete for state in states)
            if is_merged:
                _merge(out, [state.shard for state in states])
        if is_merged:
            shutil.rmtree(out / SHARDS_FOLDER)  # without the locks in it: Windows deletes no open file
    return ShardReport(states, is_merged)


def _read_state(out: Path, shard: Shard) -> ShardState:
    path = shard.get_folder(out) / DATABASE_NAME
    if not path.is_file():
        return ShardState(shard)
    try:
        with closing(sqlite3.connect(path)) as database:
            row = database.execute("SELECT recipe, total, done, failed FROM shard").fetchone()
            finished = "SELECT count(*) FROM made WHERE size IS NOT NULL AND recipe = ?"
            if row is None:
                return ShardState(shard)
            written = database.execute(finished, row[:1]).fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise WorkError(f"{path}: is damaged ({error}); delete it and run --shard {shard} --overwrite") from error
    recipe, total, done, failed = row
    return ShardState(shard, total, written if done is None else done, failed, recipe)


def _require_equal_settings(out: Path, states: Sequence[ShardState]) -> None:
    first = next((state for state in states if state.settings_hash), None)
    for state in states:
        if first is not None and state.settings_hash not in ("", first.settings_hash):
            raise UsageError(
                f"{out}: shards {first.shard} and {state.shard} were translated by different models or settings; run "
                "one of them again"
            )


def _merge(out: Path, shards: Sequence[Shard]) -> None:
    """Copy the rows of all shards into the folder's manifest in one transaction."""
    path = out / DATABASE_NAME
    try:
        with closing(sqlite3.connect(path, isolation_level=None)) as database:
            create_table(database)
            database.execute("BEGIN")
            for shard in shards:
                with closing(sqlite3.connect(shard.get_folder(out) / DATABASE_NAME)) as part:
                    rows = part.execute("SELECT * FROM made")
                    database.executemany("INSERT OR REPLACE INTO made VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
            database.execute("COMMIT")
    except sqlite3.DatabaseError as error:
        raise WorkError(f"{path}: the shards cannot be merged ({error}); check the free space") from error

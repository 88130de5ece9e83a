"""Shards of a translation: parts of the files for several processes or machines, with one manifest per shard.

A file belongs to a shard by a hash of its output's relative path, so that added files do not move others. The manifest
of each shard is in a folder of its own, because several machines cannot share an SQLite file on a network disk.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from unpaired.data.artifacts import SHARDS_FOLDER
from unpaired.errors import UsageError

_NAME = re.compile(r"(\d+)-of-(\d+)")
_SLURM = tuple(f"SLURM_ARRAY_TASK_{name}" for name in ("ID", "MIN", "MAX", "STEP"))


@dataclass(frozen=True, order=True)
class Shard:
    """Shard `index` (from 1) of `count`."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def contains(self, relative_path: bytes) -> bool:
        """Whether the output with this path, relative to the output folder, belongs to the shard."""
        digest = hashlib.blake2b(relative_path, digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.index - 1

    def get_folder(self, out: Path) -> Path:
        """Return the folder of the shard's manifest in the output folder `out`."""
        return out / SHARDS_FOLDER / f"{self.index}-of-{self.count}"


def parse_shard(text: str | None, environment: Mapping[str, str], log: Callable[[str], None]) -> Shard | None:
    """Parse `--shard`: `2/8` is the second of eight shards, `auto` reads the variables of a SLURM job array.

    Without the flag, nothing is sharded; if the variables of a job array are set, a line says so. Raises UsageError for
    other texts, and for `auto` outside of a job array.
    """
    if text is None:
        if environment.get(_SLURM[0]):
            log(f"note: {_SLURM[0]} is set, but without --shard auto every task of the job array translates all files")
        return None
    if text == "auto":
        return _read_job_array(environment)
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if match is None or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--shard {text}: expected INDEX/COUNT, as 1/8 to 8/8, or auto in a SLURM job array")
    return Shard(int(match[1]), int(match[2]))


def _read_job_array(environment: Mapping[str, str]) -> Shard:
    texts = {name: environment.get(name, "1" if name.endswith("STEP") else "") for name in _SLURM}
    given = ", ".join(f"{name}={text or 'unset'}" for name, text in texts.items())
    if not all(text.isdecimal() for text in texts.values()):
        raise UsageError(
            f"--shard auto: needs the variables of a SLURM job array, but {given}; use --shard INDEX/COUNT"
        )
    task, first, last, step = (int(text) for text in texts.values())
    if step < 1 or not first <= task <= last or (task - first) % step:
        raise UsageError(f"--shard auto: the task is not in the job array ({given}); use --shard INDEX/COUNT")
    return Shard((task - first) // step + 1, (last - first) // step + 1)


def find_shards(out: Path) -> list[Shard]:
    """Return the shards that have a manifest in the output folder `out`, in order."""
    folder = out / SHARDS_FOLDER
    names = os.listdir(folder) if folder.is_dir() else []  # noqa: PTH208 - only names are needed
    return sorted(Shard(int(match[1]), int(match[2])) for name in names if (match := _NAME.fullmatch(name)))


def refuse_other_division(out: Path, shard: Shard | None) -> None:
    """Raise UsageError if the folder has manifests of another division into shards that are not merged."""
    other = [found for found in find_shards(out) if shard is None or found.count != shard.count]
    if other:
        raise UsageError(
            f"{out}: was translated in {other[0].count} shards; finish them with --shard INDEX/{other[0].count}, then "
            f"merge them: unpaired shards {out}"
        )

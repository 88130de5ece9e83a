"""Files that appear whole or not at all, wherever the writing of them is cut off."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from unpaired.errors import WorkError
from unpaired.file_names import hash_name

_PART_NAME = re.compile(r"\.[0-9a-f]{16}(?:\.(\d+))?\.part")


@contextmanager
def atomic_write(path: Path, temporary: Path | None = None) -> Iterator[Path]:
    """Yield a path beside `path` to write to (`temporary`, or a short hidden name); rename it into place at the end.

    Raises WorkError where the system refuses; after that or any other error `path` is as it was, and nothing is left.
    """
    temporary = temporary or get_part_path(path, os.getpid())
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise WorkError(f"{path}: cannot be written ({reason}); what was there before is unchanged") from error


def get_part_path(path: Path, process_id: int | None = None) -> Path:
    """Return the hidden file that `path` is written to first; its name is short, however long the name of `path` is.

    Without `process_id` it is always the same, so that a second attempt after a kill replaces what the first one left:
    for folders that only one process writes to.
    """
    owner = "" if process_id is None else f".{process_id}"
    return path.with_name(f".{hash_name(path.name)}{owner}.part")


def remove_parts(folder: Path) -> None:
    """Remove the unfinished files that killed processes left in a folder; those of living processes stay."""
    with suppress(OSError):
        for path in folder.iterdir():
            match = _PART_NAME.fullmatch(path.name)
            if match is not None and not (match[1] and is_process_alive(int(match[1]))):
                path.unlink(missing_ok=True)


def is_process_alive(process_id: int) -> bool:
    """Whether another process of this machine has this number; True where the system does not tell (Windows)."""
    if process_id == os.getpid():
        return False
    if os.name != "posix":
        return True
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True

"""Atomic writing of files: an interrupted write leaves the previous file unchanged."""

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
    """Yield a temporary path in the folder of `path` (default: a short hidden name); rename it to `path` at the end.

    Raises WorkError if the system refuses to write. After any error, `path` is unchanged and the temporary file is
    removed.
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
        raise WorkError(f"{path}: cannot be written ({reason}); its previous content is unchanged") from error


def get_part_path(path: Path, process_id: int | None = None) -> Path:
    """Return the temporary file of `path`: hidden, in the same folder, with a short name of fixed length.

    Without `process_id` the name depends on `path` alone, so that the next attempt replaces the unfinished file of a
    killed process. Use this only in folders that one process at a time writes to.
    """
    owner = "" if process_id is None else f".{process_id}"
    return path.with_name(f".{hash_name(path.name)}{owner}.part")


def remove_parts(folder: Path) -> None:
    """Remove the temporary files of ended processes from a folder; keep those of running processes."""
    with suppress(OSError):
        for path in folder.iterdir():
            match = _PART_NAME.fullmatch(path.name)
            if match is not None and not (match[1] and is_process_alive(int(match[1]))):
                path.unlink(missing_ok=True)


def is_process_alive(process_id: int) -> bool:
    """Return whether another process with this id runs on this machine; True if that is unknown (Windows)."""
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

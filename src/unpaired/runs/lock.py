"""Locks on folders that one process may write to at a time. The system releases them however the process ends."""

from __future__ import annotations

import errno
import os
import socket
import sys
from pathlib import Path
from types import TracebackType
from typing import IO

from unpaired.errors import WorkError

LOCK_FILE = ".unpaired.lock"


class FolderLock:
    """An exclusive lock on a folder, by its hidden lock file; held until `release` or the end of the process.

    The operating system keeps it (flock), so a killed process leaves no lock behind, though the file stays. Where the
    file system has no locks, or the folder cannot be written, there is none. Raises WorkError where another process
    holds it; the message says which, what that process does (`activity`) and what to do instead (`advice`).
    """

    def __init__(self, folder: Path, activity: str, advice: str) -> None:
        self._file: IO[bytes] | None = None
        try:
            file = (folder / LOCK_FILE).open("a+b")
        except OSError:  # whoever writes into the folder will say why it cannot be written
            return
        try:
            _lock(file)
        except OSError as error:
            with file:
                if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN, errno.EDEADLK):
                    owner = _read_owner(file)
                    raise WorkError(f"{folder}: another process{owner} {activity}; {advice}") from error
            return
        self._file = file
        try:
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            file.flush()
        except OSError:  # a full disk: the lock holds all the same
            pass

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            file.close()


def _lock(file: IO[bytes]) -> None:
    """Lock a file or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - only there

        file.seek(1 << 20)  # beyond the text, which others may still read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _read_owner(file: IO[bytes]) -> str:
    """Return who wrote the lock file, in brackets; empty where it cannot be read."""
    try:
        file.seek(0)
        text = file.read(200).decode(errors="replace").strip()
    except OSError:
        return ""
    return f" ({text})" if text else ""

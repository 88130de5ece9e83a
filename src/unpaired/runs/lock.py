"""Locks on folders that one process may write to at a time. The system releases them however the process ends."""

from __future__ import annotations

import errno
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO

from unpaired.errors import WorkError

LOCK_FILE = ".unpaired.lock"


class FolderLock:
    """An exclusive lock on a folder, by its hidden lock file; held until `release` or the end of the process.

    The operating system keeps it (flock), so a killed process leaves no lock behind, though its file stays. Where the
    file system has no locks, or the folder cannot be written, there is none. Raises WorkError where another process
    holds it; the message says which, what that process does (`activity`) and what to do instead (`advice`).
    """

    def __init__(self, folder: Path, activity: str, advice: str) -> None:
        self._path = folder / LOCK_FILE
        self._file: IO[bytes] | None = None
        while self._file is None:
            try:
                file = self._path.open("a+b")
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
            if _is_same_file(file, self._path):
                self._file = file
            else:  # its last owner has removed it meanwhile
                file.close()
        with suppress(OSError):  # a full disk: the lock holds all the same
            self._file.truncate(0)
            self._file.write(f"process {os.getpid()} on {socket.gethostname()}\n".encode())
            self._file.flush()

    def __enter__(self) -> FolderLock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Release the lock and remove its file; a second call does nothing."""
        if self._file is not None:
            file, self._file = self._file, None
            with file, suppress(OSError):  # Windows removes no open file
                self._path.unlink()


def _lock(file: IO[bytes]) -> None:
    """Lock a file or raise OSError at once."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - only there

        file.seek(1 << 20)  # beyond the text, which others may still read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_same_file(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is the one that has this name now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _read_owner(file: IO[bytes]) -> str:
    """Return who wrote the lock file, in brackets; empty where it cannot be read."""
    try:
        file.seek(0)
        text = file.read(200).decode(errors="replace").strip()
    except OSError:
        return ""
    return f" ({text})" if text else ""

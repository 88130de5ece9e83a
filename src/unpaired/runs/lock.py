"""Locks on folders that only one process at a time may write to."""

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
_LOCKED_ERRNOS = (errno.EWOULDBLOCK, errno.EACCES, errno.EAGAIN, errno.EDEADLK)


class FolderLock:
    """Exclusive lock on a folder by a hidden lock file, until `release` or the end of the process.

    The operating system manages the lock (flock), so a killed process leaves no lock, only the file. Does nothing if
    the file system does not support locks or the folder is not writable. Raises WorkError if another process holds the
    lock; the message contains that process, what it does (`activity`) and what to do (`advice`).
    """

    def __init__(self, folder: Path, activity: str, advice: str) -> None:
        self._path = folder / LOCK_FILE
        self._file: IO[bytes] | None = None
        while self._file is None:
            try:
                file = self._path.open("a+b")
            except OSError:  # the first write into the folder will report the reason
                return
            try:
                _lock(file)
            except OSError as error:
                with file:
                    if error.errno in _LOCKED_ERRNOS:
                        owner = _read_owner(file)
                        raise WorkError(f"{folder}: another process{owner} {activity}; {advice}") from error
                return
            if _is_same_file(file, self._path):
                self._file = file
            else:  # its previous owner has removed the file since it was opened
                file.close()
        with suppress(OSError):  # a full disk; the lock is effective without the text
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
            with file, suppress(OSError):  # Windows cannot remove an open file
                self._path.unlink()


def require_unlocked(folder: Path, activity: str, advice: str) -> None:
    """Raise WorkError, as `FolderLock` does, if another process has locked a folder; creates no file."""
    try:
        with (folder / LOCK_FILE).open("rb") as file:
            try:
                _lock(file, is_shared=True)
            except OSError as error:
                if error.errno in _LOCKED_ERRNOS:
                    raise WorkError(f"{folder}: another process{_read_owner(file)} {activity}; {advice}") from error
    except OSError:  # no such file, or no permission: the first write into the folder will report the reason
        return


def _lock(file: IO[bytes], is_shared: bool = False) -> None:
    """Lock a file without waiting; raises OSError if another process has locked it."""
    if sys.platform == "win32":
        import msvcrt  # noqa: PLC0415 - only on Windows

        file.seek(1 << 20)  # beyond the text, which other processes must be able to read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        import fcntl  # noqa: PLC0415 - not on Windows

        fcntl.flock(file.fileno(), (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)


def _is_same_file(file: IO[bytes], path: Path) -> bool:
    """Return whether an open file is the one that `path` refers to now."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except OSError:
        return False


def _read_owner(file: IO[bytes]) -> str:
    """Return the text of the lock file (process and host) in parentheses; empty if it cannot be read."""
    try:
        file.seek(0)
        text = file.read(200).decode(errors="replace").strip()
    except OSError:
        return ""
    return f" ({text})" if text else ""

"""Location of caches, with a fallback if the home folder is missing or not writable (containers, services)."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from unpaired.console import log_to_terminal
from unpaired.errors import WorkError


def find_cache_home() -> Path:
    """Return $XDG_CACHE_HOME, or ~/.cache if it is unset; a temporary folder if that folder is not writable.

    With the temporary folder, set the variable for this process and its children, so that other libraries do not fail
    at the same folder, and log a note.
    """
    configured = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(configured) if configured else Path.home() / ".cache"
        reason = explain_unwritable(folder)
    except RuntimeError:  # no HOME, and no such user
        folder, reason = Path("~/.cache"), "this user has no home folder"
    if not reason:
        return folder
    temporary = make_temporary_folder()
    os.environ["XDG_CACHE_HOME"] = str(temporary)
    log_to_terminal(
        f"note: to keep cached analyses, set XDG_CACHE_HOME to a writable folder; {folder} cannot be used ({reason}), "
        f"so the cache is in {temporary}, which may be deleted"
    )
    return temporary


def make_cache_folder(folder: Path, content: str) -> None:
    """Create a folder below the cache unless it exists; raises WorkError, which names its `content`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WorkError(
            f"{folder}: the cache of {content} cannot be made ({error.strerror}); set XDG_CACHE_HOME to a folder that "
            "can be written"
        ) from error


def explain_unwritable(folder: Path) -> str:
    """Create the folder if needed; return the reason why it is not writable, or an empty string."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def make_temporary_folder() -> Path:
    """Return this user's folder below the system's temporary folder; a new one if another user owns or can write it."""
    user = os.getuid() if os.name == "posix" else "user"
    folder = Path(tempfile.gettempdir()) / f"unpaired-cache-{user}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        status = folder.lstat()
        is_own = os.name != "posix" or (status.st_uid == os.getuid() and not status.st_mode & 0o022)
        if stat.S_ISDIR(status.st_mode) and is_own and not explain_unwritable(folder):
            return folder
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="unpaired-cache-"))

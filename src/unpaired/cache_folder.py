"""Where caches are kept, also where the home folder is missing or cannot be written (containers, services)."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

from unpaired.console import log_to_terminal


def find_cache_home() -> Path:
    """Return $XDG_CACHE_HOME, else ~/.cache; a folder in the temporary folder where neither can be written.

    Then the variable is set for this process and those that it starts, so that other libraries do not fail at the same
    folder, and a line says so.
    """
    wanted = os.environ.get("XDG_CACHE_HOME")
    try:
        folder = Path(wanted) if wanted else Path.home() / ".cache"
        reason = explain_unwritable(folder)
    except RuntimeError:  # no HOME, and no such user
        folder, reason = Path("~/.cache"), "this user has no home folder"
    if not reason:
        return folder
    temporary = make_temporary_folder()
    os.environ["XDG_CACHE_HOME"] = str(temporary)
    log_to_terminal(
        f"note: cache: {folder} cannot be used ({reason}); {temporary} is used instead, which may not last. To keep "
        "analyses, set XDG_CACHE_HOME to a folder that can be written"
    )
    return temporary


def explain_unwritable(folder: Path) -> str:
    """Return why nothing can be written into a folder, or into one that would be made there; empty where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return error.strerror or str(error)


def make_temporary_folder() -> Path:
    """Return this user's own cache folder in the temporary folder, or a new one where somebody else has made that."""
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

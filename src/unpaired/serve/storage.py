"""Private folder of a server: uploads and outputs, which are removed after each request and at the end."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from unpaired.errors import WorkError
from unpaired.runs.lock import LOCK_FILE, FolderLock, require_unlocked

PREFIX = "unpaired-serve-"


class PrivateFolder:
    """A temporary folder that only this user can read, removed at the end.

    It is also the process's folder for temporary files while the context is entered. Folders of killed servers are
    removed first.
    """

    def __init__(self, parent: Path | None = None) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent)).resolve()
        self._lock = FolderLock(self.path, "serves from it", "stop it first")
        remove_stale_folders(self.path)
        self._previous_default = tempfile.tempdir

    def __enter__(self) -> PrivateFolder:
        tempfile.tempdir = str(self.path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tempfile.tempdir = self._previous_default
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)

    def create_folder(self, kind: str) -> Path:
        """Create a new empty folder for a request or a batch; whoever creates it removes it."""
        return Path(tempfile.mkdtemp(prefix=f"{kind}-", dir=self.path))


def remove_stale_folders(own: Path) -> None:
    """Remove the folders of killed servers beside `own`: those of the same user that no process has locked."""
    for path in own.parent.glob(f"{PREFIX}*"):
        with suppress(WorkError, OSError):  # a running server has locked it, or has removed it
            is_own_user = path.lstat().st_uid == own.stat().st_uid
            if path != own and is_own_user and not path.is_symlink() and (path / LOCK_FILE).is_file():
                require_unlocked(path, "serves from it", "stop it first")
                shutil.rmtree(path, ignore_errors=True)

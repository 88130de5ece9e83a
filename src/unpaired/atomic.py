"""Files that appear whole or not at all, wherever the writing of them is cut off."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unpaired.errors import WorkError


@contextmanager
def atomic_write(path: Path, temporary: Path | None = None) -> Iterator[Path]:
    """Give a path beside `path` to write to (`part`, or its name with `.part`), and rename it into place at the end.

    Raises WorkError where the system refuses; after that or any other error `path` is as it was, and nothing is left.
    """
    temporary = temporary or path.with_name(f"{path.name}.part")
    try:
        yield temporary
        temporary.replace(path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        reason = "the disk is full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else str(error)
        raise WorkError(f"{path}: cannot be written ({reason}); what was there before is unchanged") from error

"""Place of large temporary files."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path


def find_temporary_folder() -> Path:
    """Return the folder for large temporary files: TMPDIR if set, else /var/tmp, since /tmp may be kept in memory."""
    variables = ("TMPDIR", "TEMP", "TMP")
    large = Path("/var/tmp")
    if not any(os.environ.get(name) for name in variables) and os.access(large, os.W_OK):
        return large
    return Path(tempfile.gettempdir())

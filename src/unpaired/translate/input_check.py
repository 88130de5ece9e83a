"""What may be translated."""

from __future__ import annotations

from pathlib import Path

from unpaired.errors import UsageError
from unpaired.media.suffixes import FILE_TYPES, Medium, infer_medium


def require_medium(path: Path, medium: Medium) -> None:
    """Raise UsageError for a file whose name says that it is of another medium."""
    file_medium = infer_medium(path.name)
    if file_medium not in (None, medium):
        assert file_medium is not None
        expected_files, suffixes = FILE_TYPES[medium]
        raise UsageError(
            f"{path}: holds {FILE_TYPES[file_medium][0]}, but this run translates {expected_files}; expected {', '.join(sorted(suffixes))}"
        )

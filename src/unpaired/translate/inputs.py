"""What may be translated."""

from __future__ import annotations

from pathlib import Path

from unpaired.errors import UsageError
from unpaired.media.suffixes import KINDS, Medium, medium_of


def require(path: Path, medium: Medium) -> None:
    """Raise UsageError for a file whose name says that it is of another medium."""
    other = medium_of(path.name)
    if other not in (None, medium):
        assert other is not None
        wanted, known = KINDS[medium]
        raise UsageError(
            f"{path}: holds {KINDS[other][0]}, but this run translates {wanted}; expected {', '.join(sorted(known))}"
        )

"""Table of all media. Code outside this package does not depend on the medium of a run."""

from __future__ import annotations

from pathlib import Path

from unpaired.errors import UsageError
from unpaired.media.base import Medium
from unpaired.media.image.medium import ImageMedium
from unpaired.media.voice.medium import VoiceMedium

__all__ = ["MEDIA", "Medium", "infer_medium", "require_medium"]

MEDIA: dict[str, Medium] = {medium.name: medium for medium in (ImageMedium(), VoiceMedium())}
"""All media by name. The first one is used in help texts and examples."""


def infer_medium(name: str) -> Medium | None:
    """Return the medium of a file by its suffix; None if no medium reads such files."""
    parts = name.lower().split(".")
    suffixes = {"." + parts[-1], "." + ".".join(parts[-2:])}
    return next((medium for medium in MEDIA.values() if not suffixes.isdisjoint(medium.suffixes)), None)


def require_medium(path: Path, medium: Medium) -> None:
    """Raise UsageError if a file's suffix belongs to another medium."""
    other = infer_medium(path.name)
    if other is not None and other is not medium:
        raise UsageError(
            f"{path}: contains {other.files_noun}, but this run translates {medium.files_noun}; expected "
            f"{medium.expected_suffixes()}"
        )

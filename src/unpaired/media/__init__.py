"""Table of all media. Code outside this package does not depend on the medium of a run.

Installed packages add media by entry points.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from unpaired.errors import UsageError
from unpaired.media.base import Medium, has_suffix
from unpaired.media.image.medium import ImageMedium
from unpaired.media.video.medium import VideoMedium
from unpaired.media.voice.medium import VoiceMedium
from unpaired.plugins import PluginTable

__all__ = ["MEDIA", "Medium", "find_common_medium", "infer_medium", "require_medium"]

MEDIA: PluginTable[Medium] = PluginTable("unpaired.media", Medium, (ImageMedium(), VoiceMedium(), VideoMedium()))
"""All media by name. The first one is used in help texts and examples."""


def infer_medium(name: str) -> Medium | None:
    """Return the medium of a file by its suffix; None if no medium reads such files."""
    return next((medium for medium in MEDIA.values() if has_suffix(name, medium.suffixes)), None)


def find_common_medium(names: Iterable[str]) -> Medium | None:
    """Return the medium that reads the files of all the media named, as that of clips reads pictures; None if none."""
    suffixes = frozenset[str]().union(*(MEDIA[name].suffixes for name in names))
    return next((medium for medium in MEDIA.values() if suffixes <= medium.suffixes), None)


def require_medium(path: Path, medium: Medium) -> None:
    """Raise UsageError if a file's suffix belongs to another medium, whose files `medium` does not translate."""
    other = infer_medium(path.name)
    if other is not None and not medium.translates(path.name):
        raise UsageError(
            f"{path}: contains {other.files_noun}, but this run translates {medium.files_noun}; expected "
            f"{medium.expected_inputs()}"
        )

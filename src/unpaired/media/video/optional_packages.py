"""The package that reads and writes clips: PyAV, which contains FFmpeg."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

from unpaired.packages import import_package


def require_packages() -> None:
    """Raise UsageError with the install command if PyAV is missing."""
    import_package("av", "clips", "video")


@cache
def has_packages() -> bool:
    """Return whether PyAV is installed."""
    return find_spec("av") is not None

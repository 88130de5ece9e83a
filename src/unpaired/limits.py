"""Limits against files that would fill the memory or the hours: small on disk, huge once decoded.

They are kept in environment variables, so that worker processes share them; the flags of the same name set these.
"""

from __future__ import annotations

import os

from unpaired.errors import UsageError

MAX_PIXELS_VARIABLE, MAX_HOURS_VARIABLE = "UNPAIRED_MAX_PIXELS", "UNPAIRED_MAX_HOURS"
DEFAULT_MAX_PIXELS = 1 << 27
"""Pictures of more pixels than this are refused as decompression bombs."""
DEFAULT_MAX_HOURS = 24.0
"""Recordings that decode to more than this are refused."""
MAX_BYTES_PER_PIXEL = 32
"""A picture may take this many bytes for each pixel of the limit, all bands and a whole tile included."""


def get_max_pixels() -> int:
    """The pixels that a picture may have."""
    return int(_read(MAX_PIXELS_VARIABLE, "--max-pixels", DEFAULT_MAX_PIXELS))


def get_max_hours() -> float:
    """The hours that a recording may last."""
    return _read(MAX_HOURS_VARIABLE, "--max-hours", DEFAULT_MAX_HOURS)


def set_limits(max_pixels: str | None, max_hours: str | None) -> None:
    """Set the limits for this process and those that it starts; None leaves one as it is. Raises UsageError."""
    for variable, flag, value in (
        (MAX_PIXELS_VARIABLE, "--max-pixels", max_pixels),
        (MAX_HOURS_VARIABLE, "--max-hours", max_hours),
    ):
        if value is not None:
            _parse(value, flag)
            os.environ[variable] = value


def _read(variable: str, flag: str, default: float) -> float:
    text = os.environ.get(variable)
    return default if not text else _parse(text, f"{flag} ({variable})")


def _parse(text: str, flag: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e15:
        raise UsageError(f"{flag} {text}: expected a number above 0")
    return value

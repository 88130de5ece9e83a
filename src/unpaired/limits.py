"""Limits on decoded pixels and hours, against decompression bombs: files that are small on disk and huge in memory.

The limits are environment variables, so that worker processes inherit them. The flags --max-pixels and --max-hours set
these variables.
"""

from __future__ import annotations

import os

from unpaired.errors import UsageError

MAX_PIXELS_VARIABLE, MAX_HOURS_VARIABLE = "UNPAIRED_MAX_PIXELS", "UNPAIRED_MAX_HOURS"
DEFAULT_MAX_PIXELS = 1 << 27
"""Maximum number of pixels of an image; larger ones are refused."""
DEFAULT_MAX_HOURS = 24.0
"""Maximum duration of a recording in hours; longer ones are refused."""
MAX_BYTES_PER_PIXEL = 32
"""Maximum memory of an image in bytes per pixel of the limit, including all bands and a complete tile."""


def get_max_pixels() -> int:
    """Return the maximum number of pixels of an image. Raises UsageError if the variable holds no number above 0."""
    return int(_read(MAX_PIXELS_VARIABLE, "--max-pixels", DEFAULT_MAX_PIXELS))


def get_max_hours() -> float:
    """Return the maximum duration of a recording in hours. Raises UsageError as `get_max_pixels` does."""
    return _read(MAX_HOURS_VARIABLE, "--max-hours", DEFAULT_MAX_HOURS)


def set_limits(max_pixels: str | None, max_hours: str | None) -> None:
    """Set the limits for this process and its children; None keeps a limit. Raises UsageError for invalid numbers."""
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

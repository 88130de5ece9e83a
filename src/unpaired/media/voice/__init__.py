"""Voices: recordings to frames of coefficients and back. Needs the extra `voice`; importing it without says so."""

from __future__ import annotations

from unpaired.errors import UsageError

try:
    import pyworld  # noqa: F401
    import scipy  # noqa: F401
    import soundfile  # noqa: F401
    import soxr  # noqa: F401
except ImportError as error:
    raise UsageError(
        f"sounds need the extra 'voice': pip install 'unpaired[voice]' ({error.name} is missing)"
    ) from error

"""Limits of pixels and hours."""

from __future__ import annotations

import pytest

from unpaired.errors import UsageError
from unpaired.limits import DEFAULT_MAX_HOURS, DEFAULT_MAX_PIXELS, get_max_hours, get_max_pixels, set_limits


def test_flags_set_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNPAIRED_MAX_PIXELS", "")
    monkeypatch.setenv("UNPAIRED_MAX_HOURS", "")
    assert (get_max_pixels(), get_max_hours()) == (DEFAULT_MAX_PIXELS, DEFAULT_MAX_HOURS)
    set_limits("1e9", "48")
    assert (get_max_pixels(), get_max_hours()) == (1_000_000_000, 48)
    for invalid in ("many", "0", "-3", "nan"):
        with pytest.raises(UsageError, match="--max-pixels"):
            set_limits(invalid, None)

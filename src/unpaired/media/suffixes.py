"""Which files are of which medium, known by their suffixes, without the packages that read them."""

from __future__ import annotations

from unpaired.settings import Medium

__all__ = ["KINDS", "PICTURES", "SOUNDS", "Medium", "medium_of"]

PICTURES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of picture files that are read and written."""
SOUNDS = frozenset({".wav", ".flac", ".ogg", ".mp3"})
"""Suffixes of sound files that are read; all but `.mp3` are written too."""
KINDS: dict[Medium, tuple[str, frozenset[str]]] = {"image": ("pictures", PICTURES), "voice": ("recordings", SOUNDS)}
"""What the files of each medium are called, and their suffixes."""


def medium_of(name: str) -> Medium | None:
    """The medium of a file by its name; None for other kinds."""
    suffix = "." + name.rpartition(".")[2].lower()
    return next((medium for medium, (_, suffixes) in KINDS.items() if suffix in suffixes), None)

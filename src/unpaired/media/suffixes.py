"""Which files are of which medium, known by their suffixes, without the packages that read them."""

from __future__ import annotations

from unpaired.config.settings import Medium

__all__ = ["AUDIO_SUFFIXES", "FILE_TYPES", "IMAGE_SUFFIXES", "Medium", "infer_medium"]

IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff"})
"""Suffixes of picture files that are read and written."""
AUDIO_SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".mp3"})
"""Suffixes of sound files that are read; all but `.mp3` are written too."""
FILE_TYPES: dict[Medium, tuple[str, frozenset[str]]] = {
    "image": ("pictures", IMAGE_SUFFIXES),
    "voice": ("recordings", AUDIO_SUFFIXES),
}
"""What the files of each medium are called, and their suffixes."""


def infer_medium(name: str) -> Medium | None:
    """The medium of a file by its name; None for other kinds."""
    suffix = "." + name.rpartition(".")[2].lower()
    return next((medium for medium, (_, suffixes) in FILE_TYPES.items() if suffix in suffixes), None)

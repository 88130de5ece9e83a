"""Previews of recordings that browsers play."""

from __future__ import annotations

from pathlib import Path

from unpaired.file_names import shorten_name
from unpaired.media.voice.audio_inspection import read_header
from unpaired.media.voice.audio_io import read_blocks, write

_PLAYED_SUFFIXES = (".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus")


def write_preview(path: Path, folder: Path) -> Path:
    """Return `path` if browsers play it, else a mono FLAC file in `folder`; raises UnreadableFileError."""
    if path.suffix.lower() in _PLAYED_SUFFIXES:
        return path
    rate = read_header(path).sample_rate_hz
    preview = folder / shorten_name(f"{path.name}.flac", 200)
    write(preview, read_blocks(path, rate), rate)
    return preview

"""Opening of clips and animated pictures with the reader for their format."""

from __future__ import annotations

from pathlib import Path

from unpaired.errors import UnreadableFileError
from unpaired.media.video.animations import is_complete, is_webp
from unpaired.media.video.clip_reader import ClipReader
from unpaired.media.video.frame_reader import ClipHeader, FrameReader
from unpaired.media.video.webp_reader import WebpReader


def open_clip(path: Path, threads: bool = True) -> FrameReader:
    """Open a clip, and read its header; raises UnreadableFileError."""
    if not is_complete(path):
        raise UnreadableFileError(path, "ends before its last frame: it is truncated")
    return WebpReader(path) if is_webp(path) else ClipReader(path, threads)


def read_clip_header(path: Path) -> ClipHeader:
    """Read the header and the first frame of a clip; raises UnreadableFileError."""
    with open_clip(path, threads=False) as reader:
        return reader.header

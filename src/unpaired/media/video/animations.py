"""Pictures that move: animated GIF, WebP and PNG (APNG). Their headers are read without decoding a frame."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from PIL import Image

from unpaired.errors import raise_resource_limit
from unpaired.media.video.settings import ANIMATION_SUFFIXES

_PNG, _RIFF = b"\x89PNG\r\n\x1a\n", b"RIFF"
_FRAME = b"ANMF"


class WebpFrame(NamedTuple):
    """Frame of an animated WebP: how long it is shown in ms, where the file says so, and whether it has no loss."""

    milliseconds: int
    offset: int
    is_lossless: bool


def is_animated(path: str) -> bool:
    """Whether a GIF, WebP or PNG file has more than one frame; False for others, and for damaged files."""
    if os.path.splitext(path)[1].lower() not in ANIMATION_SUFFIXES:  # noqa: PTH122 - a Path per name is slow
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - as above
            start = file.read(12)
            if start.startswith(_PNG):
                return _count_png_frames(file) > 1
            if start.startswith(_RIFF):
                return len([*zip(range(2), _iterate_webp_frames(file), strict=False)]) > 1
        return _has_second_frame(path)
    except (OSError, struct.error) as error:
        raise_resource_limit(path, error)
        return False


def is_webp(path: Path) -> bool:
    """Whether a file is an animated WebP by its content."""
    return is_animated(str(path)) and _read_start(path).startswith(_RIFF)


def is_complete(path: Path) -> bool:
    """Whether an animated WebP or PNG has the end that its header or its format says; True for other files."""
    if not is_animated(str(path)):
        return True
    start, size = _read_start(path), path.stat().st_size
    if start.startswith(_RIFF):
        return int.from_bytes(start[4:8], "little") + 8 <= size
    if not start.startswith(_PNG):
        return True
    with path.open("rb") as file:
        return any(name == b"IEND" and file.tell() + length + 4 <= size for name, length in _iterate_png_chunks(file))


def list_webp_frames(path: Path) -> list[WebpFrame]:
    """Return the frames of an animated WebP by its header; raises OSError."""
    with path.open("rb") as file:
        file.seek(12)
        try:
            return list(_iterate_webp_frames(file))
        except struct.error:  # the file ends within a header
            return []


def read_repetition(path: Path) -> tuple[int, int]:
    """Return how often an animation repeats (-1 never, 0 for ever), and how long it shows the last frame, in ms."""
    with Image.open(path) as image:
        loop = int(image.info.get("loop", -1))
        image.seek(getattr(image, "n_frames", 1) - 1)
        image.load()  # Pillow reads the duration of a WebP's frame with its pixels
        return loop, round(image.info.get("duration", 0))


def set_last_duration(path: Path, milliseconds: int) -> None:
    """Set how long an animated WebP shows its last frame, for which FFmpeg writes the mean of the others."""
    *_, last = list_webp_frames(path)
    with path.open("r+b") as file:
        file.seek(last.offset)
        file.write(milliseconds.to_bytes(3, "little"))


def _read_start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(12)


def _iterate_png_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield the name and the length of each chunk of a PNG, with the file positioned at its content."""
    position = len(_PNG)
    file.seek(position)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        yield name, length
        position += 12 + length
        file.seek(position)


def _count_png_frames(file: BinaryIO) -> int:
    """Return the frames of a PNG, which an APNG says before the first data."""
    for name, _ in _iterate_png_chunks(file):
        if name == b"acTL":
            return int(struct.unpack(">I", file.read(4))[0])
        if name == b"IDAT":
            break
    return 1


def _iterate_webp_frames(file: BinaryIO) -> Iterator[WebpFrame]:
    """Yield the frames of a WebP file that is positioned at its first chunk."""
    position = file.tell()
    while len(head := file.read(8)) == 8:
        name, length = struct.unpack("<4sI", head)
        if name == _FRAME:
            content = file.read(24)
            yield WebpFrame(int.from_bytes(content[12:15], "little"), position + 20, content[16:20] == b"VP8L")
        position += 8 + length + length % 2
        file.seek(position)


def _has_second_frame(path: str) -> bool:
    try:
        with Image.open(path) as image:
            image.seek(1)
    except (OSError, EOFError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise_resource_limit(path, error)
        return False
    return True

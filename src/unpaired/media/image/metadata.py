"""Metadata of picture files: orientation, and copies without metadata for files that otherwise cannot be decoded."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

_PNG_SIGNATURE, _JPEG_SIGNATURE = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
_PNG_CHUNKS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"})
"""PNG chunks that determine the pixels."""
_EOI = b"\xff\xd9"
_NOISE = bytes(range(1, 200)) * 4


def parse_orientation(value: Any) -> int:
    """Convert the value of an orientation tag, of any type, to 1..8; 1 if it is invalid."""
    try:
        if isinstance(value, tuple | list):
            value = value[0]
        orientation = int.from_bytes(value.strip(b"\0"), "little") if isinstance(value, bytes) else int(value)
    except (TypeError, ValueError, IndexError, OverflowError, ArithmeticError):
        return 1
    return orientation if 1 <= orientation <= 8 else 1


def get_orientation(image: Image.Image) -> int:
    """Return the EXIF orientation of an opened image; 1 if there is no EXIF data or it is damaged."""
    try:
        return parse_orientation(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # EXIF parsers raise all kinds of errors for damaged data
        return 1


def apply_orientation(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """Apply the EXIF orientation 1..8 to (H, W) or (H, W, C)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def copy_without_metadata(path: Path) -> io.BytesIO | None:
    """Return an in-memory copy of a PNG or JPEG file without metadata that decoders may reject.

    The copy keeps the EXIF data, for the orientation (in a PNG, only if its checksum is correct). A JPEG with complete
    image data but without an end marker, as some cameras write it, gets the marker. Returns None for other formats, and
    if the copy would be equal to the file.
    """
    try:
        data = path.read_bytes()
    except OSError:
        return None
    if data.startswith(_PNG_SIGNATURE):
        copy = _strip_png(data)
    elif data.startswith(_JPEG_SIGNATURE):
        copy = _complete_jpeg(_strip_jpeg(data))
    else:
        return None
    return None if copy == data else io.BytesIO(copy)


def _strip_png(data: bytes) -> bytes:
    pieces, position = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + size
        chunk = data[position:end]
        is_intact = len(chunk) == 12 + size and zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        if kind in _PNG_CHUNKS or (kind == b"eXIf" and is_intact):
            pieces.append(chunk)
        position = end
    return b"".join(pieces)


def _strip_jpeg(data: bytes) -> bytes:
    """Remove comments and application segments before the first scan, except JFIF, EXIF and Adobe (color)."""
    pieces, position = [_JPEG_SIGNATURE], 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        size = int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == 0xDA or size < 2:
            break
        segment = data[position : position + 2 + size]
        is_kept = not 0xE0 <= marker <= 0xEF or marker in (0xE0, 0xEE) or segment[4:10] == b"Exif\0\0"
        if is_kept and marker != 0xFE:
            pieces.append(segment)
        position += 2 + size
    return b"".join([*pieces, data[position:]])


def _complete_jpeg(data: bytes) -> bytes:
    """Append a missing end marker if the image data is complete.

    It is complete if bytes between it and the marker do not change the pixels.
    """
    if _EOI in data[-4096:]:
        return data
    decoded = [_decode(data + filler + _EOI) for filler in (b"", _NOISE)]
    if decoded[0] is not None and decoded[1] is not None and np.array_equal(decoded[0], decoded[1]):
        return data + _EOI
    return data


def _decode(data: bytes) -> npt.NDArray[np.uint8] | None:
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            return np.asarray(image)
    except Exception:  # decoders raise all kinds of errors for damaged files
        return None

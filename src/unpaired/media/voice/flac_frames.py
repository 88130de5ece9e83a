"""Length of a FLAC file from its last frame, for files whose header gives a wrong length or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

_TOTAL_OFFSET, _TOTAL_MASK = 18, (1 << 36) - 1  # position in STREAMINFO, the first metadata block
_BLOCK_SIZES = {1: 192, **{i: 576 << i - 2 for i in range(2, 6)}, **{i: 256 << i - 8 for i in range(8, 16)}}
_TAIL_BYTES = 1 << 20


def read_total(file: BinaryIO) -> int | None:
    """Return the samples per channel in the header; 0 if they are unknown, None if there is no header."""
    field = _read_total_field(file)
    return None if field is None else field & _TOTAL_MASK


def patch_total(file: BinaryIO, total: int) -> tuple[int, bytes]:
    """Return the offset and bytes of a patch that sets the header's number of samples to `total`."""
    field = _read_total_field(file) or 0
    return _TOTAL_OFFSET, ((field & ~_TOTAL_MASK) | total).to_bytes(8, "big")


def find_total(file: BinaryIO, size: int) -> int | None:
    """Return the samples per channel up to the end of the last complete frame; None if no frame is found."""
    file.seek(8)
    fixed_block = int.from_bytes(file.read(2), "big")
    start = max(0, size - _TAIL_BYTES)
    file.seek(start)
    tail = file.read()
    end = len(tail)
    for position, first_sample, block in _iterate_frames(tail, fixed_block):
        if _checksum_16(tail[position:end]) == 0:
            return first_sample + block
        end = position
    return None


def _read_total_field(file: BinaryIO) -> int | None:
    file.seek(0)
    head = file.read(_TOTAL_OFFSET + 8)
    if len(head) < _TOTAL_OFFSET + 8 or head[:4] != b"fLaC" or head[4] & 0x7F:
        return None
    return int.from_bytes(head[_TOTAL_OFFSET:], "big")


def _iterate_frames(data: bytes, fixed_block: int) -> Iterator[tuple[int, int, int]]:
    """Yield (offset, first sample, samples) of each valid frame header, from the last to the first."""
    position = len(data)
    while (position := data.rfind(b"\xff", 0, position)) >= 0:
        if data[position + 1 : position + 2] in (b"\xf8", b"\xf9"):
            parsed = _parse_frame(data[position : position + 16], fixed_block)
            if parsed is not None:
                yield position, *parsed


def _parse_frame(head: bytes, fixed_block: int) -> tuple[int, int] | None:
    """Return (first sample, samples) of a frame header; None if it is invalid or its checksum is wrong."""
    if len(head) < 16:
        return None
    number, length = _read_number(head[4:])
    code = head[2] >> 4
    end = 4 + length
    if code in (6, 7):
        count = code - 5
        block = int.from_bytes(head[end : end + count], "big") + 1
        end += count
    else:
        block = _BLOCK_SIZES.get(code, 0)
    rate_code = head[2] & 15
    end += {12: 1, 13: 2, 14: 2}.get(rate_code, 0)
    if not block or not length or rate_code == 15 or end >= len(head) or _checksum_8(head[:end]) != head[end]:
        return None
    return (number if head[1] & 1 else number * fixed_block), block


def _read_number(data: bytes) -> tuple[int, int]:
    """Return a number in UTF-8 coding and its length in bytes (0 if the coding is invalid)."""
    first = data[0]
    if first < 0x80:
        return first, 1
    length = 8 - (first ^ 0xFF).bit_length()
    if not 2 <= length <= 7:
        return 0, 0
    number = first & (0x7F >> length)
    for byte in data[1:length]:
        if byte >> 6 != 2:
            return 0, 0
        number = number << 6 | byte & 0x3F
    return number, length


def _checksum_8(data: bytes) -> int:
    checksum = 0
    for byte in data:
        checksum ^= byte
        for _ in range(8):
            checksum = (checksum << 1) ^ (0x107 if checksum & 0x80 else 0)
    return checksum


def _make_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << 8
        for _ in range(8):
            value = (value << 1) ^ (0x18005 if value & 0x8000 else 0)
        table.append(value)
    return tuple(table)


_TABLE_16 = _make_table()


def _checksum_16(data: bytes) -> int:
    """Return FLAC's CRC-16 of a frame including its last two bytes: 0 if the frame is intact."""
    checksum = 0
    for byte in data:
        checksum = ((checksum << 8) & 0xFFFF) ^ _TABLE_16[(checksum >> 8) ^ byte]
    return checksum

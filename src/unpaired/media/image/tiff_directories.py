"""Directories of the pages of a TIFF, read without its pixels: a folder of many files is listed in seconds."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE = 254, 255
_REDUCED_BIT, _MASK_BIT, _OLD_REDUCED = 1, 4, 2
_MAX_ENTRIES = 4096
_SHORT = 3


def list_full_pages(path: Path) -> list[int]:
    """Return the numbers (from 1) of the pages of a TIFF that are neither reduced copies nor masks of others.

    Pages after a damaged directory are left out; the list of a file that is no TIFF is empty. Raises OSError.
    """
    with path.open("rb") as file:
        try:
            return [number for number, is_full in enumerate(_iterate_pages(file), 1) if is_full]
        except (struct.error, ValueError, OverflowError):
            return []


def _iterate_pages(file: BinaryIO) -> Iterator[bool]:
    """Yield for each page whether it is a full one (TIFF 6.0, section 2; BigTIFF has wider fields)."""
    header = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(header[:2])
    if order is None:
        return
    version = struct.unpack_from(f"{order}H", header, 2)[0]
    is_big = version == 43
    if version not in (42, 43):
        return
    count_format, entry_format, offset_format = ("Q", "HHQ8s", "Q") if is_big else ("H", "HHI4s", "I")
    offset = struct.unpack_from(order + offset_format, header, 8 if is_big else 4)[0]
    entry_size = struct.calcsize(order + entry_format)
    visited: set[int] = set()
    while offset and offset not in visited:
        visited.add(offset)
        file.seek(offset)
        count = _read(file, order + count_format)
        if count > _MAX_ENTRIES:
            return
        entries = file.read(count * entry_size)
        if len(entries) < count * entry_size:
            return
        kinds = {
            tag: struct.unpack_from(order + ("H" if kind == _SHORT else "I"), value)[0]
            for tag, kind, _, value in struct.iter_unpack(order + entry_format, entries)
            if tag in (_NEW_SUBFILE_TYPE, _OLD_SUBFILE_TYPE)
        }
        is_part = kinds.get(_NEW_SUBFILE_TYPE, 0) & (_REDUCED_BIT | _MASK_BIT)
        yield not is_part and kinds.get(_OLD_SUBFILE_TYPE) != _OLD_REDUCED
        try:
            offset = _read(file, order + offset_format)
        except struct.error:
            return


def _read(file: BinaryIO, layout: str) -> int:
    value: int = struct.unpack(layout, file.read(struct.calcsize(layout)))[0]
    return value

"""Repair of sound files whose headers give a wrong length, or that contain several streams.

libsndfile decodes only as much sound as the header declares. This module compares the headers of WAV, AIFF, AU, CAF,
FLAC and MP3 files with the file. If a header declares less sound than the file contains, or no length, the file is read
through a view with a corrected header.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import soundfile

from unpaired.errors import raise_resource_limit
from unpaired.media.voice import flac_frames, mp3_frames
from unpaired.media.voice.patched_file import AudioPart

TOO_SHORT = "its header declares less sound than the file contains"
ABSENT = "its header does not give its length"
CUT = "cut short: its header declares more sound than the file contains; the existing sound is used"
_UNKNOWN_BYTES = 0x7FFF0000  # programs that write to a pipe put about the largest number into the length field
_MIN_SURPLUS_SECONDS = 0.02
"""Bytes after the declared end that last less than this, in seconds, are padding."""


@dataclass(frozen=True)
class ContainerRepair:
    """Parts to read instead of the file (None: read the file unchanged), and a note for the user."""

    parts: tuple[AudioPart, ...] | None = None
    note: str = ""


def find_repair(path: Path) -> ContainerRepair:
    """Compare a file's header with the file; returns an empty repair for other formats and unreadable files."""
    try:
        status = path.stat()
        return _find_repair(path, status.st_size, status.st_mtime_ns)
    except OSError as error:
        raise_resource_limit(path, error)
        return ContainerRepair()


@lru_cache(maxsize=256)
def _find_repair(path: Path, size: int, _: int) -> ContainerRepair:
    try:
        with path.open("rb") as file:
            repair = _REPAIRS.get(file.read(4))
            return _repair_mp3(path, size) if repair is None else repair(file, size)
    except (struct.error, ValueError, IndexError, OverflowError):
        return ContainerRepair()


def _iterate_chunks(
    file: BinaryIO, size: int, header: str, start: int, alignment: int
) -> Iterator[tuple[bytes, int, int]]:
    """Yield (name, offset, declared size) of each chunk from `start` to the first that does not fit into the file."""
    position, header_size = start, struct.calcsize(header)
    while position + header_size <= size:
        file.seek(position)
        name, count = struct.unpack(header, file.read(header_size))
        yield name, position, count
        if count < 0:
            return
        position += header_size + count + -count % alignment


def _is_chunk_chain(file: BinaryIO, size: int, header: str, start: int, alignment: int) -> bool:
    """Return whether the bytes from `start` to about the end of the file are chunks with printable names."""
    end = start
    for name, position, count in _iterate_chunks(file, size, header, start, alignment):
        end = position + struct.calcsize(header) + count
        if not all(32 <= byte < 127 for byte in name) or count < 0 or end > size:
            return False
    return start < end and size - end <= 1 + struct.calcsize(header)


@dataclass(frozen=True)
class _Data:
    """Data chunk of a file: position and format of its length field, its bytes, and the format of chunk headers.

    `start` and `size` are the first byte and the declared number of bytes of sound; the length field also counts
    `overhead` bytes. `block` is the number of bytes per sample of all channels.
    """

    size_offset: int
    size_format: str
    start: int
    size: int
    overhead: int
    block: int
    bytes_per_second: float
    header: str
    alignment: int


def _compare(file: BinaryIO, size: int, data: _Data, further: Sequence[tuple[int, bytes]] = ()) -> ContainerRepair:
    """Return the repair of a data chunk's length if it is absent or too small; `further` patches belong to it."""
    available = size - data.start
    if data.size > 0 and available - 1 <= data.size <= available:
        return ContainerRepair()
    end = data.start + data.size
    is_unknown = data.size <= 0 or data.size >= (1 << 62 if data.size_format.endswith("q") else _UNKNOWN_BYTES)
    if data.size > 0 and not is_unknown and data.size > available:
        count, note = available, CUT
        if not data.size_format.endswith("q"):
            return ContainerRepair(note=note)  # libsndfile reads truncated files of these formats to their end
    else:
        surplus = available if is_unknown else size - end
        min_surplus = max(data.block, _MIN_SURPLUS_SECONDS * data.bytes_per_second)
        if surplus < min_surplus or _is_chunk_chain(
            file, size, data.header, end + end % data.alignment, data.alignment
        ):
            return ContainerRepair()
        count, note = available, ABSENT if is_unknown else TOO_SHORT
    count -= count % data.block
    limit = (1 << 8 * struct.calcsize(data.size_format) - data.size_format[-1].islower()) - 1
    patch = struct.pack(data.size_format, min(count + data.overhead, limit))
    part = AudioPart(0, size, ((data.size_offset, patch), *further))
    return ContainerRepair((part,), note)


def _repair_wav(file: BinaryIO, size: int) -> ContainerRepair:
    file.seek(0)
    order = ">" if file.read(4) == b"RIFX" else "<"
    if starts := _find_joined_wavs(file, size, order):
        parts = tuple(AudioPart(start, end) for start, end in zip(starts, [*starts[1:], size], strict=True))
        return ContainerRepair(parts, f"contains {len(parts)} concatenated streams")
    block, rate, ds64 = 1, 1, None
    for name, position, count in _iterate_chunks(file, size, f"{order}4sI", 12, 2):
        file.seek(position + 8)
        if name == b"fmt ":
            _, _, _, rate, block = struct.unpack(f"{order}HHIIH", file.read(14))
        elif name == b"ds64":
            ds64 = position + 8
        elif name == b"data":
            data = _Data(
                position + 4, f"{order}I", position + 8, count, 0, max(block, 1), max(rate, 1), f"{order}4sI", 2
            )
            if ds64 is None:
                riff = struct.pack(f"{order}I", min(size - 8, 0xFFFFFFFF))
                return _compare(file, size, data, [(4, riff)])
            file.seek(ds64 + 8)
            (long_count,) = struct.unpack("<q", file.read(8))
            long = _Data(ds64 + 8, "<q", data.start, long_count, 0, data.block, data.bytes_per_second, "<4sI", 2)
            return _compare(file, size, long, [(ds64, struct.pack("<q", size - 8))])
    return ContainerRepair()


def _find_joined_wavs(file: BinaryIO, size: int, order: str) -> list[int]:
    """Return the offsets of WAV files that were concatenated, for example with `cat`; empty for a single file."""
    starts, position = [], 0
    while position + 12 <= size:
        file.seek(position)
        name, count, kind = struct.unpack(f"{order}4sI4s", file.read(12))
        if name != b"RIFF" or kind != b"WAVE":
            break
        starts.append(position)
        position += 8 + count + count % 2
    return starts if len(starts) > 1 else []


def _repair_aiff(file: BinaryIO, size: int) -> ContainerRepair:
    block, rate, comm = 1, 8000.0, None
    for name, position, count in _iterate_chunks(file, size, ">4sI", 12, 2):
        file.seek(position + 8)
        if name == b"COMM":
            channels, _, bits = struct.unpack(">HIH", file.read(8))
            exponent, mantissa = struct.unpack(">HQ", file.read(10))
            rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16383 - 63)
            block, comm = max(1, channels * -(-bits // 8)), position + 10
        elif name == b"SSND" and comm is not None:
            data = _Data(position + 4, ">I", position + 16, count - 8, 8, block, block * rate, ">4sI", 2)
            frames = struct.pack(">I", min((size - position - 16) // block, 0xFFFFFFFF))
            return _compare(file, size, data, [(4, struct.pack(">I", min(size - 8, 0xFFFFFFFF))), (comm, frames)])
    return ContainerRepair()


def _repair_au(file: BinaryIO, size: int) -> ContainerRepair:
    start, count = struct.unpack(">II", file.read(8))
    if not 24 <= start <= size or count >= _UNKNOWN_BYTES:
        return ContainerRepair()
    if count > size - start:
        return ContainerRepair(note=CUT)
    if size - start - count <= 512:
        return ContainerRepair()
    patch = (8, struct.pack(">I", min(size - start, 0xFFFFFFFF)))
    return ContainerRepair((AudioPart(0, size, (patch,)),), TOO_SHORT if count else ABSENT)


def _repair_caf(file: BinaryIO, size: int) -> ContainerRepair:
    block, rate = 1, 8000.0
    for name, position, count in _iterate_chunks(file, size, ">4sq", 8, 1):
        file.seek(position + 12)
        if name == b"desc":
            rate, _, _, packet, frames = struct.unpack(">d4sIII", file.read(24))
            block, rate = max(packet, 1), rate * max(packet, 1) / max(frames, 1)
        elif name == b"data":
            data = _Data(position + 4, ">q", position + 16, count - 4, 4, block, rate, ">4sq", 1)
            return _compare(file, size, data)
    return ContainerRepair()


def _repair_flac(file: BinaryIO, size: int) -> ContainerRepair:
    file.seek(0)
    declared = flac_frames.read_total(file)
    total = flac_frames.find_total(file, size)
    if declared is None or total is None or total <= declared:
        return ContainerRepair()
    part = AudioPart(0, size, (flac_frames.patch_total(file, total),))
    return ContainerRepair((part,), TOO_SHORT if declared else ABSENT)


def _repair_ogg(file: BinaryIO, size: int) -> ContainerRepair:
    """Find chained streams, of which libsndfile decodes only the first, and a missing last page."""
    starts, was_header, position, flags = [0], True, 0, 0
    while position + 27 <= size:
        file.seek(position)
        head = file.read(27 + 255)
        if head[:4] != b"OggS":
            break
        flags, segments = head[5], head[26]
        is_first = bool(flags & 2)
        if is_first and not was_header:
            starts.append(position)
        was_header = is_first
        position += 27 + segments + sum(head[27 : 27 + segments])
    if len(starts) > 1:
        parts = tuple(AudioPart(start, end) for start, end in zip(starts, [*starts[1:], size], strict=True))
        return ContainerRepair(parts, f"contains {len(parts)} concatenated streams")
    return ContainerRepair() if flags & 4 and position <= size else ContainerRepair(note=CUT)


def _repair_mp3(path: Path, size: int) -> ContainerRepair:
    scan = mp3_frames.scan(path)
    if scan is None:
        return ContainerRepair()
    try:
        with soundfile.SoundFile(path) as file:
            frames = file.frames if file.format == "MP3" else scan.samples
    except soundfile.LibsndfileError:
        return ContainerRepair(
            (AudioPart(scan.start, size),), "begins with bytes that are not MP3 frames; they are skipped"
        )
    # Without a length frame, libsndfile estimates the length from the first bit rates.
    surplus = scan.samples - frames if scan.has_length_frame else abs(scan.samples - frames)
    if surplus <= 5 * scan.samples_per_frame:
        return ContainerRepair()
    return ContainerRepair(
        (AudioPart(scan.audio_start, size, (), scan.build_length_frame()),),
        TOO_SHORT if scan.has_length_frame else ABSENT,
    )


_REPAIRS: dict[bytes, Callable[[BinaryIO, int], ContainerRepair]] = {
    b"RIFF": _repair_wav,
    b"RF64": _repair_wav,
    b"RIFX": _repair_wav,
    b"FORM": _repair_aiff,
    b".snd": _repair_au,
    b"caff": _repair_caf,
    b"fLaC": _repair_flac,
    b"OggS": _repair_ogg,
}
"""First four bytes -> repair function, called with the file positioned after these bytes."""

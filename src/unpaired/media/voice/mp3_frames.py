"""Length of an MP3 file from its number of frames, for files whose length frame is wrong or missing."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass
from pathlib import Path

from unpaired.errors import raise_resource_limit

_BIT_RATES = {
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),  # MPEG 1, layer III, in kbit/s
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),  # MPEG 2 and 2.5
}
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MAX_RESYNC = 1 << 16
_MONO = 3


@dataclass(frozen=True)
class FrameHeader:
    """Header of a layer III frame: its size in bytes, and the format that all frames of a file share."""

    size: int
    version: int
    rate_hz: int
    mode: int

    @property
    def samples(self) -> int:
        """Samples per channel."""
        return 1152 if self.version == 3 else 576

    @property
    def side_bytes(self) -> int:
        """Bytes of side information; in a length frame, the length header follows them."""
        is_mono = self.mode == _MONO
        return (17 if is_mono else 32) if self.version == 3 else (9 if is_mono else 17)


@dataclass(frozen=True)
class Mp3Scan:
    """Offsets of the first frame, the first sound frame and the end, number of sound frames, and the first's header."""

    start: int
    audio_start: int
    frames: int
    end: int
    first: FrameHeader
    first_bytes: bytes

    @property
    def has_length_frame(self) -> bool:
        """Whether the first frame is a length frame."""
        return self.audio_start > self.start

    @property
    def samples_per_frame(self) -> int:
        """Samples per channel of a frame."""
        return self.first.samples

    @property
    def samples(self) -> int:
        """Samples per channel of the file."""
        return self.frames * self.first.samples

    def build_length_frame(self) -> bytes:
        """Return a Xing frame with the number of following frames; decoders do not play it."""
        index = 9 if self.first.version == 3 else 8  # large enough for the tag at every rate
        head = bytes([0xFF, self.first_bytes[1] | 1, index << 4 | self.first_bytes[2] & 0x0D, self.first_bytes[3]])
        header = _parse(head)
        assert header is not None
        count = self.end - self.audio_start + header.size
        tag = struct.pack(">4sIII", b"Xing", 3, self.frames, min(count, 0xFFFFFFFF))
        return (head + bytes(header.side_bytes) + tag).ljust(header.size, b"\0")


def scan(path: Path) -> Mp3Scan | None:
    """Count the frames of a file; returns None if it has no layer III frames or cannot be read."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _scan(data)
    except (OSError, ValueError) as error:
        raise_resource_limit(path, error)
        return None


def _scan(data: mmap.mmap) -> Mp3Scan | None:
    start = _find_frame(data, _skip_tag(data), None)
    if start is None:
        return None
    first = _parse(data[start : start + 4])
    assert first is not None
    audio_start = start
    if _is_length_frame(data, start, first):
        audio_start = start + first.size
        following = _parse(data[audio_start : audio_start + 4])
        if following is None:
            return None
        first = following
    first_bytes = data[audio_start : audio_start + 4]
    frames, position, end = 0, audio_start, audio_start
    while position + 4 <= len(data):
        header = _parse(data[position : position + 4])
        if header is not None and (header.version, header.rate_hz) == (first.version, first.rate_hz):
            frames += 1
            position += header.size
            end = min(position, len(data))
        elif (found := _find_frame(data, position, first)) is not None:
            position = found
        else:
            break
    return Mp3Scan(start, audio_start, frames, end, first, first_bytes)


def _skip_tag(data: mmap.mmap) -> int:
    """Return the end of the ID3v2 tags at the beginning."""
    position = 0
    while data[position : position + 3] == b"ID3" and position + 10 <= len(data):
        size = sum(
            byte << shift for byte, shift in zip(data[position + 6 : position + 10], (21, 14, 7, 0), strict=True)
        )
        position += 10 + size + (10 if data[position + 5] & 0x10 else 0)
    return position


def _find_frame(data: mmap.mmap, position: int, like: FrameHeader | None) -> int | None:
    """Return the offset of the next frame that is followed by another of the same format; None without one nearby."""
    limit = min(len(data) - 4, position + _MAX_RESYNC)
    while (position := data.find(b"\xff", position, limit)) >= 0:
        header = _parse(data[position : position + 4])
        if header is not None and (like is None or (header.version, header.rate_hz) == (like.version, like.rate_hz)):
            following = _parse(data[position + header.size : position + header.size + 4])
            if following is not None and (following.version, following.rate_hz) == (header.version, header.rate_hz):
                return position
        position += 1
    return None


def _is_length_frame(data: mmap.mmap, start: int, header: FrameHeader) -> bool:
    frame = data[start : start + header.size]
    return frame[4 + header.side_bytes :][:4] in (b"Xing", b"Info") or frame[36:40] == b"VBRI"


def _parse(head: bytes) -> FrameHeader | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    bit_index, rate_index = head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer != 1 or not 0 < bit_index < 15 or rate_index == 3:
        return None
    rate_hz = _RATES[version][rate_index]
    bit_rate = 1000 * _BIT_RATES[3 if version == 3 else 2][bit_index]
    size = (144 if version == 3 else 72) * bit_rate // rate_hz + (head[2] >> 1 & 1)
    return FrameHeader(size, version, rate_hz, head[3] >> 6)

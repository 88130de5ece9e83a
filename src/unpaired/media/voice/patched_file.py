"""Read-only view of a part of a file as a file, with some bytes replaced."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class AudioPart:
    """Sound file within a file: `prefix`, then the bytes from `start` to `end`.

    `patches` are (offset in the file, replacement bytes).
    """

    start: int
    end: int
    patches: tuple[tuple[int, bytes], ...] = ()
    prefix: bytes = b""


class PatchedFile(io.RawIOBase):
    """Read-only, seekable view of a part of a file."""

    def __init__(self, path: Path, part: AudioPart) -> None:
        super().__init__()
        self._file, self._part = path.open("rb"), part
        self._position = 0
        self._size = len(part.prefix) + part.end - part.start

    def readable(self) -> bool:
        """Return True."""
        return True

    def seekable(self) -> bool:
        """Return True."""
        return True

    def tell(self) -> int:
        """Return the position in the view."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move within the view and return the new position."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        self._position = max(0, base + offset)
        return self._position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as the view allows and return the number of bytes."""
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Close the underlying file."""
        self._file.close()
        super().close()

    def _read(self, count: int) -> bytes:
        prefix, part = self._part.prefix, self._part
        count = max(0, min(count, self._size - self._position))
        if self._position < len(prefix):
            data = bytearray(prefix[self._position : self._position + count])
        else:
            begin = part.start + self._position - len(prefix)
            self._file.seek(begin)
            data = bytearray(self._file.read(count))
            for offset, patch in part.patches:
                first, last = max(begin, offset), min(begin + len(data), offset + len(patch))
                if first < last:
                    data[first - begin : last - begin] = patch[first - offset : last - offset]
        self._position += len(data)
        return bytes(data)

"""Index of the frames of a clip: their times and keyframes, cached on disk, so that any frame is read without the rest.

An index is made from the packets of the file, which are not decoded. It is a file KEY.npz in the cache folder; the key
is a hash of the clip's path, size and modification time.
"""

from __future__ import annotations

import hashlib
import io
import os
import zipfile
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.atomic import atomic_write
from unpaired.cache_folder import find_cache_home, make_cache_folder
from unpaired.errors import UnreadableFileError
from unpaired.media.image.decoded_image import DecodedImage
from unpaired.media.video.clip_opening import open_clip

_VERSION = 1
"""Increases when the content of an index changes."""
_CACHED_INDICES = 256


@dataclass(frozen=True, eq=False)
class ClipIndex:
    """Times of the frames in seconds and in units of the time base (N,), in the order of presentation.

    `is_keyframe` (N,) marks frames that need no other. `has_times` is false for files without timestamps, whose frames
    are counted. `width`, `height`, `bits`, `has_color`, `has_alpha`, `codec` and `sound` are those of `ClipHeader`.
    """

    times: npt.NDArray[np.int64]
    is_keyframe: npt.NDArray[np.bool_]
    has_times: bool
    tick_seconds: float
    last_seconds: float
    """Time in seconds for which the last frame is shown."""
    width: int
    height: int
    bits: int
    has_color: bool
    has_alpha: bool
    codec: str
    sound: str

    def __len__(self) -> int:
        return len(self.times)

    @cached_property
    def seconds(self) -> float:
        """Duration in seconds."""
        return float(self.times[-1] - self.times[0]) * self.tick_seconds + self.last_seconds

    @cached_property
    def has_variable_rate(self) -> bool:
        """Whether the time between frames differs by more than rounding."""
        steps = np.diff(self.times)
        return len(steps) > 1 and int(steps.max() - steps.min()) * self.tick_seconds > 0.002

    def find_frame(self, seconds: float) -> int:
        """Return the number of the frame that is shown at a time after the first frame."""
        ticks = self.times[0] + seconds / self.tick_seconds
        return int(np.clip(np.searchsorted(self.times, ticks, "right") - 1, 0, len(self.times) - 1))

    def find_keyframe(self, frame: int) -> int:
        """Return the number of the last keyframe at or before a frame."""
        keyframes = np.flatnonzero(self.is_keyframe[: frame + 1])
        return int(keyframes[-1]) if len(keyframes) else 0


def load_clip_index(path: Path) -> ClipIndex:
    """Return the index of a clip, from the cache if it is there; raises UnreadableFileError for damaged clips."""
    try:
        status = path.stat()
    except OSError as error:
        raise UnreadableFileError(path, error.strerror or str(error)) from error
    return _load_index(path, status.st_size, status.st_mtime_ns)


def read_clip_frame(path: Path, number: int) -> DecodedImage:
    """Decode the frame with this number (from 0), from the keyframe before it; raises UnreadableFileError."""
    index = load_clip_index(path)
    with open_clip(path, threads=False) as reader:
        if not index.has_times:
            frame = next((f.frame for i, f in enumerate(reader.iterate_frames()) if i == number), None)
            if frame is None:
                raise UnreadableFileError(path, f"has no frame {number + 1}")
        else:
            frame = reader.read_frame(int(index.times[number]), int(index.times[index.find_keyframe(number)]))
        return reader.decode(frame)


@lru_cache(_CACHED_INDICES)
def _load_index(path: Path, size: int, time_ns: int) -> ClipIndex:
    key = f"{_VERSION}\n{os.fsdecode(path.absolute())}\n{size}\n{time_ns}"
    folder = find_cache_home() / "unpaired" / "clips"
    file = folder / f"{hashlib.sha256(key.encode('utf-8', 'surrogateescape')).hexdigest()}.npz"
    index = _read_index(file)
    if index is None:
        index = create_clip_index(path)
        _write_index(file, index)
    return index


def create_clip_index(path: Path) -> ClipIndex:
    """Read the times of all packets of a clip; raises UnreadableFileError for damaged and truncated clips."""
    with open_clip(path, threads=False) as reader:
        header = reader.header
        times, keyframes, steps = [], [], []
        for time in reader.iterate_times():
            times.append(time.pts)
            keyframes.append(time.is_keyframe)
            steps.append(time.duration)
        has_times = None not in times and len(set(times)) == len(times)
        ticks = np.array(times if has_times else range(len(times)), np.int64)
        order = np.argsort(ticks, kind="stable")
        ticks, is_keyframe = ticks[order], np.array(keyframes, bool)[order]
        if has_times:  # a file may have packets before the first frame that is shown
            shown = ticks >= header.start
            ticks, is_keyframe = ticks[shown], is_keyframe[shown]
        if not len(ticks):
            raise UnreadableFileError(path, "has no frame")
        tick_seconds = float(header.time_base) if has_times else 1 / float(header.rate)
        if has_times:
            reader.require_end(int(ticks[-1]))
        last_step = steps[int(order[-1])] if has_times else 1
        return ClipIndex(
            ticks,
            is_keyframe,
            has_times,
            tick_seconds,
            last_step * tick_seconds or 1 / float(header.rate),
            header.width,
            header.height,
            header.bits,
            header.has_color,
            header.has_alpha,
            header.codec,
            ", ".join(header.audio),
        )


_FACTS = ("has_times", "tick_seconds", "last_seconds", "width", "height", "bits", "has_color", "has_alpha")
_TEXTS = ("codec", "sound")


def _read_index(file: Path) -> ClipIndex | None:
    """Return a cached index; None if it is missing or damaged."""
    try:
        with np.load(file, allow_pickle=False) as data:
            facts = {name: data[name].item() for name in (*_FACTS, *_TEXTS)}
            return ClipIndex(data["times"], data["is_keyframe"], **facts)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
        return None


def _write_index(file: Path, index: ClipIndex) -> None:
    """Write an index to the cache; raises WorkError if the folder cannot be written."""
    buffer = io.BytesIO()
    facts = {name: np.array(getattr(index, name)) for name in (*_FACTS, *_TEXTS)}
    arrays: dict[str, Any] = {"times": index.times, "is_keyframe": index.is_keyframe, **facts}
    np.savez(buffer, **arrays)
    make_cache_folder(file.parent, "clips")
    with atomic_write(file) as temporary:
        temporary.write_bytes(buffer.getvalue())

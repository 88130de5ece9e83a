"""Segments of a clip that is being translated: each is a whole file, so that a killed translation continues.

The segments of an output are in a hidden folder beside it. A segment gets its name when it is complete. Segments have
no B-frames, so that their packets follow each other in the result.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unpaired.atomic import atomic_write
from unpaired.errors import WorkError
from unpaired.file_names import hash_name
from unpaired.media.video.encoding import ClipEncoding
from unpaired.media.video.frame_reader import ClipHeader
from unpaired.media.video.frames import has_alpha

SEGMENT_FRAMES = 60
"""Frames of a segment; a killed translation loses at most these."""
_KEY_FILE, _SHOTS_FILE = "key.json", "shots.txt"


class TimedFrame(NamedTuple):
    """A frame to encode, and its time of presentation in the time base of the clip."""

    frame: VideoFrame
    pts: int


class SegmentStore:
    """Segments of the translation `output`, in its folder; those of another `key` are deleted.

    `key` (JSON types) has everything that the translation depends on.
    """

    def __init__(self, output: Path, key: list[Any], header: ClipHeader, encoding: ClipEncoding) -> None:
        self.output, self.header, self.encoding = output, header, encoding
        self.folder = output.with_name(f".{hash_name(output.name)}.segments")
        text = json.dumps([*key, encoding.encoder, encoding.pixel_format, encoding.options, av.__version__])
        path = self.folder / _KEY_FILE
        try:
            if not path.is_file() or path.read_text("utf-8") != text:
                self.remove()
                self.folder.mkdir(parents=True)
                with atomic_write(path) as temporary:
                    temporary.write_text(text, "utf-8")
        except OSError as error:
            raise WorkError(f"{output}: cannot be written ({error.strerror})") from error

    @property
    def paths(self) -> list[Path]:
        """Return the complete segments in order."""
        return sorted(self.folder.glob("[0-9]*.segment"))

    def find_last_time(self) -> int | None:
        """Return the time of the last frame of all segments, in the time base of the clip; None without segments.

        A last segment that cannot be read is deleted.
        """
        for path in reversed(self.paths):
            try:
                with open_segment(path) as container:
                    last = max(p.pts * p.time_base for p in iterate_packets(container) if p.pts is not None)
                return round(last / self.header.time_base)
            except (FFmpegError, ValueError):
                path.unlink()
        return None

    def add_shot(self, pts: int) -> None:
        """Record the time of the first frame of a shot; raises WorkError."""
        try:
            with (self.folder / _SHOTS_FILE).open("a", encoding="utf-8") as file:
                file.write(f"{pts}\n")
        except OSError as error:
            raise create_write_error(self.output, error) from error

    def find_start(self, last: int | None) -> int | None:
        """Return the time after which the shot of the frame at `last` begins; None if that is unknown."""
        path = self.folder / _SHOTS_FILE
        if last is None or not path.is_file():
            return None
        starts = [int(line) for line in path.read_text("utf-8").splitlines() if line.lstrip("-").isdigit()]
        return max((start - 1 for start in starts if start <= last), default=None)

    def remove(self) -> None:
        """Delete the segments."""
        shutil.rmtree(self.folder, ignore_errors=True)


class SegmentWriter:
    """Encoder of frames into the segments of a store. Call `close` after the last frame, `abort` after an error."""

    def __init__(self, store: SegmentStore) -> None:
        self._store, self._index, self._count = store, len(store.paths), 0
        self._container: OutputContainer | None = None
        self._stream: VideoStream | None = None

    def add(self, item: TimedFrame) -> None:
        """Encode a frame; raises WorkError."""
        try:
            if self._container is None:
                self._open(item.frame)
            assert self._container is not None and self._stream is not None
            item.frame.pts, item.frame.time_base = item.pts, self._store.header.time_base
            self._container.mux(self._stream.encode(item.frame))
            self._count += 1
            if self._count == SEGMENT_FRAMES:
                self.close()
        except (FFmpegError, OSError) as error:
            raise create_write_error(self._store.output, error) from error

    def close(self) -> None:
        """Complete the current segment; raises WorkError."""
        if self._container is None or self._stream is None:
            return
        try:
            self._container.mux(self._stream.encode(None))
            self._container.close()
            self._part.replace(self._store.folder / f"{self._index:08}.segment")
        except (FFmpegError, OSError) as error:
            raise create_write_error(self._store.output, error) from error
        self._container, self._count, self._index = None, 0, self._index + 1

    def abort(self) -> None:
        """Delete the current segment."""
        if self._container is not None:
            with suppress(FFmpegError, OSError):
                self._container.close()
            self._container = None
        self._part.unlink(missing_ok=True)

    @property
    def _part(self) -> Path:
        return self._store.folder / "part"

    def _open(self, frame: VideoFrame) -> None:
        header, encoding = self._store.header, self._store.encoding
        self._container = av.open(str(self._part), "w", format=encoding.segment_container)
        stream = self._container.add_stream(encoding.encoder, rate=header.rate, options=dict(encoding.options))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, encoding.pixel_format
        context = stream.codec_context
        context.time_base = stream.time_base = header.time_base
        context.max_b_frames, context.gop_size = 0, SEGMENT_FRAMES
        context.sample_aspect_ratio = header.pixel_aspect
        mark_alpha(stream, encoding)
        tags = encoding.tags
        context.color_range, context.colorspace = tags.color_range, tags.matrix
        context.color_primaries, context.color_trc = tags.primaries, tags.transfer
        self._stream = stream


def mark_alpha(stream: VideoStream, encoding: ClipEncoding) -> None:
    """Mark a VP8 or VP9 stream with transparency, which Matroska has beside the pictures."""
    if encoding.encoder in ("libvpx", "libvpx-vp9") and has_alpha(VideoFormat(encoding.pixel_format)):
        stream.metadata["alpha_mode"] = "1"


def open_segment(path: Path) -> InputContainer:
    """Open a segment; raises FFmpegError."""
    return av.open(str(path), "r")


def iterate_packets(container: InputContainer) -> Iterator[Packet[Any]]:
    """Yield the packets of the video of a file, without the empty one at the end."""
    yield from (packet for packet in container.demux(video=0) if packet.size)


def iterate_segment_frames(store: SegmentStore) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yield the decoded frames of all segments with their times in seconds."""
    for path in store.paths:
        with open_segment(path) as container:
            for frame in container.decode(video=0):
                assert frame.pts is not None and frame.time_base is not None
                yield frame, frame.pts * frame.time_base


def create_write_error(path: Path, error: Exception) -> WorkError:
    """Return the error for a file that cannot be written."""
    reason = getattr(error, "strerror", None) or str(error)
    return WorkError(f"{path}: cannot be written ({reason})")

"""Reading of clips: header, and frames in the order of presentation with their timestamps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
from av.codec import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unpaired.errors import UnreadableFileError, raise_resource_limit
from unpaired.limits import get_max_pixels
from unpaired.media.video.frame_reader import ClipFrame, ClipHeader, FrameReader, FrameTime
from unpaired.media.video.frames import read_color_tags

MAX_LOST_SECONDS, MAX_LOST_FRACTION = 1.0, 0.02
"""A clip that ends earlier than its header says, by more than both, is truncated."""

ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}
"""Codec -> decoder that reads its transparency, which WebM has beside the pictures."""


def has_decoder(name: str | None) -> bool:
    """Whether FFmpeg of the installed PyAV has a decoder with this name."""
    try:
        return name is not None and av.Codec(name, "r").type == "video"
    except ValueError:
        return False


def open_container(path: Path) -> InputContainer:
    """Open a file; raises UnreadableFileError."""
    # Without limits GIF frames of less than 0.02 s would be shown for 0.1 s, as old browsers did.
    options = {"min_delay": "0"} if path.suffix.lower() == ".gif" else {}
    try:
        if not path.stat().st_size:
            raise UnreadableFileError(path, "is empty")
        return av.open(str(path), "r", options=options, metadata_errors="replace")
    except FFmpegError as error:
        raise_resource_limit(path, error)
        reason = f"{error.strerror}; it is truncated, damaged or no clip" if error.strerror else str(error)
        raise UnreadableFileError(path, f"cannot be opened ({reason})") from error
    except OSError as error:
        raise_resource_limit(path, error)
        raise UnreadableFileError(path, error.strerror or str(error)) from error


class ClipReader(FrameReader):
    """Reader, by FFmpeg, of the first video stream of a file that is a moving picture; cover pictures are not."""

    def __init__(self, path: Path, threads: bool = True) -> None:
        self.path = path
        self.container = open_container(path)
        try:
            self.stream = self._find_stream()
            self.stream.thread_type = "AUTO" if threads else "SLICE"
            self.header = self._read_header()
        except BaseException:
            self.container.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self.container.close()

    def iterate_frames(self, after: int | None = None) -> Iterator[ClipFrame]:
        """Yield the frames in the order of presentation; with `after`, those later than this time.

        Raises UnreadableFileError for damaged data, and at the end of a truncated file.
        """
        self._seek(after)
        pts = last = self.header.start - 1 if after is None else after
        is_first = True
        for frame in self._decode():
            # A frame without a time follows its predecessor.
            pts = pts + 1 if frame.pts is None else frame.pts
            if pts > last or (is_first and after is None):
                last, is_first = pts, False
                yield ClipFrame(pts, frame)
        self.require_end(last)

    def iterate_times(self) -> Iterator[FrameTime]:
        """Yield the times of all packets, in the order of the file; raises UnreadableFileError for damaged files."""
        self._seek(None)
        try:
            for packet in self.container.demux(self.stream):
                if packet.size:
                    yield FrameTime(packet.pts, packet.is_keyframe, packet.duration or 0)
        except FFmpegError as error:
            raise UnreadableFileError(self.path, f"is damaged ({error.strerror or error})") from error

    def read_frame(self, pts: int, keyframe: int | None) -> VideoFrame:
        """Return the frame at time `pts`, decoding from the keyframe at time `keyframe`, or else from the start."""
        self._seek(keyframe, exact=True)
        for frame in self._decode():
            if frame.pts is not None and frame.pts >= pts:
                return frame
        raise UnreadableFileError(self.path, f"has no frame at {float(pts * self.header.time_base):.2f} s")

    @property
    def _decoder_name(self) -> str | None:
        """Decoder of streams whose transparency the default one leaves out; None for other streams."""
        metadata = {name.lower(): value for name, value in self.stream.metadata.items()}
        decoder = ALPHA_DECODERS.get(self.stream.codec_context.codec.canonical_name)
        return decoder if metadata.get("alpha_mode") == "1" and has_decoder(decoder) else None

    def _find_stream(self) -> VideoStream:
        streams = [s for s in self.container.streams.video if not int(s.disposition) & int(_COVER)]
        if not streams:
            found = ", ".join(dict.fromkeys(s.type for s in self.container.streams)) or "none"
            raise UnreadableFileError(self.path, f"has no video stream (streams: {found})")
        stream = streams[0]
        if stream.codec_context is None:
            raise UnreadableFileError(self.path, "its codec is unknown to FFmpeg; convert it to H.264")
        if self.container.format.name.endswith("_pipe") or self.container.format.name == "image2":
            raise UnreadableFileError(
                self.path, f"is a picture ({self.container.format.name.removesuffix('_pipe')}), not a clip; rename it"
            )
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > get_max_pixels():
            raise UnreadableFileError(
                self.path, f"has {width} x {height} pixels, more than the limit of {get_max_pixels():,} (--max-pixels)"
            )
        return stream

    def _read_header(self) -> ClipHeader:
        stream, container = self.stream, self.container
        frame = next(self._decode(), None)
        if frame is None:
            raise UnreadableFileError(self.path, "has no frame that can be decoded")
        assert stream.time_base is not None
        rotation = round(frame.rotation / 90) * 90 % 360
        width, height = (frame.height, frame.width) if rotation % 180 else (frame.width, frame.height)
        aspect = stream.sample_aspect_ratio or Fraction(1)
        rate = stream.average_rate or stream.guessed_rate or Fraction(25)
        self._video_seconds = _read_stream_seconds(stream)
        container_seconds = (container.duration or 0) / 1e6
        if not container.streams.audio:
            self._video_seconds = self._video_seconds or container_seconds
        seconds = self._video_seconds or container_seconds
        kinds = [s.type for s in container.streams if s.type not in ("video", "audio")]
        return ClipHeader(
            width,
            height,
            Fraction(rate),
            max(0.0, seconds),
            stream.frames,
            stream.time_base,
            frame.pts or 0,
            stream.codec_context.codec.canonical_name,
            frame.format.name,
            read_color_tags(frame),
            rotation,
            (1 / aspect if rotation % 180 else aspect) if aspect > 0 else Fraction(1),
            tuple(s.codec_context.name if s.codec_context else "unknown" for s in container.streams.audio),
            tuple(dict.fromkeys(kinds)),
        )

    def _decode(self) -> Iterator[VideoFrame]:
        """Yield decoded frames from the current position, including those that the decoder still holds."""
        try:
            if self._decoder_name is None:
                yield from self.container.decode(self.stream)
                return
            decoder = CodecContext.create(self._decoder_name, "r")
            assert isinstance(decoder, VideoCodecContext)
            decoder.extradata = self.stream.codec_context.extradata
            for packet in self.container.demux(self.stream):
                yield from decoder.decode(packet if packet.size else None)
        except FFmpegError as error:
            raise UnreadableFileError(self.path, f"its video is damaged ({error.strerror or error})") from error

    def _seek(self, pts: int | None, exact: bool = False) -> None:
        """Move to the keyframe at or before a time; None, and files without times: to the start."""
        try:
            if pts is not None and pts > self.header.start:
                self.container.seek(pts, stream=self.stream, backward=True, any_frame=False)
                return
        except FFmpegError:
            pass
        self.close()
        self.container = open_container(self.path)
        self.stream = self._find_stream()
        self.stream.thread_type = "SLICE" if exact else "AUTO"

    def require_end(self, last: int) -> None:
        """Raise UnreadableFileError if the clip ends, with a frame at time `last`, before its header says."""
        header = self.header
        if not self._video_seconds:
            return
        end = float((last - header.start) * header.time_base) + 1 / float(header.rate)
        if self._video_seconds - end > max(MAX_LOST_SECONDS, MAX_LOST_FRACTION * self._video_seconds):
            raise UnreadableFileError(
                self.path, f"ends after {end:.1f} of {self._video_seconds:.1f} s: it is truncated or damaged"
            )


def _read_stream_seconds(stream: VideoStream) -> float:
    """Return the duration of the video stream by its header; 0 if only that of the file is known.

    Matroska has it as text, hours:minutes:seconds.
    """
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    match = re.match(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    return 0.0 if match is None else int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])


_COVER = av.stream.Disposition.attached_pic

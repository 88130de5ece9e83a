"""Interface of the readers of clips: header, frames in the order of presentation, and their times."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

import av
from av.video.frame import VideoFrame

from unpaired.media.image.decoded_image import DecodedImage
from unpaired.media.video.frames import ColorTags, count_bits, decode_frame, has_alpha, is_gray

ReaderT = TypeVar("ReaderT", bound="FrameReader")


class ClipFrame(NamedTuple):
    """A frame and its time of presentation, in units of the clip's time base."""

    pts: int
    frame: VideoFrame


@dataclass(frozen=True)
class ClipHeader:
    """Properties of a clip, from its header and its first frame.

    `width` and `height` are those that a player shows: turned by `rotation` (degrees, counterclockwise), which is
    applied to the decoded frames. `pixel_aspect` is the width of a pixel over its height. `start` and `time_base` give
    the time of the first frame. `frame_count` and `seconds` are 0 if the header does not say them. `audio` has the
    codecs of the sound, `other_streams` the types of streams that are neither picture nor sound.
    """

    width: int
    height: int
    rate: Fraction
    seconds: float
    frame_count: int
    time_base: Fraction
    start: int
    codec: str
    pixel_format: str
    tags: ColorTags
    rotation: int
    pixel_aspect: Fraction
    audio: tuple[str, ...]
    other_streams: tuple[str, ...]

    @cached_property
    def bits(self) -> int:
        """Bits per component."""
        return count_bits(av.VideoFormat(self.pixel_format))

    @cached_property
    def has_color(self) -> bool:
        """Whether the pixels have color."""
        return not is_gray(av.VideoFormat(self.pixel_format))

    @cached_property
    def has_alpha(self) -> bool:
        """Whether the pixels have an alpha channel."""
        return has_alpha(av.VideoFormat(self.pixel_format))


class FrameTime(NamedTuple):
    """Time of presentation of a frame (None if the file has no times), and how long it is shown, in the time base."""

    pts: int | None
    is_keyframe: bool
    duration: int


class FrameReader(ABC):
    """Reader of the frames of a clip. Leave its context to close the file."""

    path: Path
    header: ClipHeader

    def __enter__(self: ReaderT) -> ReaderT:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Close the file."""

    @abstractmethod
    def iterate_frames(self, after: int | None = None) -> Iterator[ClipFrame]:
        """Yield the frames in the order of presentation; with `after`, those later than this time.

        Raises UnreadableFileError for damaged data, and at the end of a truncated file.
        """

    @abstractmethod
    def iterate_times(self) -> Iterator[FrameTime]:
        """Yield the times of all frames, in the order of the file, without decoding; raises UnreadableFileError."""

    @abstractmethod
    def read_frame(self, pts: int, keyframe: int | None) -> VideoFrame:
        """Return the frame at time `pts`, decoding from the keyframe at time `keyframe`, or else from the start."""

    @abstractmethod
    def require_end(self, last: int) -> None:
        """Raise UnreadableFileError if the clip ends, with a frame at time `last`, before its header says."""

    def decode(self, frame: VideoFrame) -> DecodedImage:
        """Convert a frame to raw pixels, upright."""
        return decode_frame(frame, self.header.rotation, self.header.tags)

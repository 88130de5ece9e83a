"""Reading of animated WebP files, which FFmpeg does not decode, frame by frame with Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from PIL import Image

from unpaired.errors import UnreadableFileError
from unpaired.media.image.read_errors import name_unreadable, require_size
from unpaired.media.video.animations import list_webp_frames
from unpaired.media.video.frame_reader import ClipFrame, ClipHeader, FrameReader, FrameTime
from unpaired.media.video.frames import ColorTags

_TICK = Fraction(1, 1000)
_MIN_MILLISECONDS = 1
"""Duration of frames whose duration is 0, since times of frames differ."""


class WebpReader(FrameReader):
    """Reader of an animated WebP. It has no keyframe but the first."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with name_unreadable(path), Image.open(path) as image:
            width, height = image.size
            require_size(path, width, height)
            pixel_format = "rgba" if image.mode == "RGBA" else "rgb24"
            steps = [max(_MIN_MILLISECONDS, frame.milliseconds) for frame in list_webp_frames(path)]
        if not steps:
            raise UnreadableFileError(path, "has no frame that can be decoded")
        self._times, self._steps = [0, *accumulate(steps)][:-1], steps
        seconds = sum(steps) / 1000
        self.header = ClipHeader(
            width,
            height,
            Fraction(1000 * len(steps), sum(steps)),
            seconds,
            len(steps),
            _TICK,
            0,
            "webp",
            pixel_format,
            ColorTags(2, 0, 1, 13),
            0,
            Fraction(1),
            (),
            (),
        )

    def close(self) -> None:
        """Do nothing: files are open only while frames are read."""

    def iterate_frames(self, after: int | None = None) -> Iterator[ClipFrame]:
        """Yield the frames in order; with `after`, those later than this time. Raises UnreadableFileError."""
        with name_unreadable(self.path), Image.open(self.path) as image:
            for index, pts in enumerate(self._times):
                if after is None or pts > after:
                    image.seek(index)
                    pixels = np.asarray(image.convert("RGBA" if self.header.has_alpha else "RGB"))
                    yield ClipFrame(pts, VideoFrame.from_ndarray(pixels, format=self.header.pixel_format))

    def iterate_times(self) -> Iterator[FrameTime]:
        """Yield the times of all frames."""
        for index, (pts, step) in enumerate(zip(self._times, self._steps, strict=True)):
            yield FrameTime(pts, not index, step)

    def read_frame(self, pts: int, keyframe: int | None) -> VideoFrame:  # noqa: ARG002 - the first is the only one
        """Return the frame at time `pts`."""
        return next(self.iterate_frames(pts - 1)).frame

    def require_end(self, last: int) -> None:
        """Do nothing: the frames that the header counts are those that the file has."""

"""Previews of clips that browsers play: the first seconds as H.264 in MP4, without sound, of limited size."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import VideoFrame
from av.error import FFmpegError

from unpaired.errors import UnreadableFileError
from unpaired.file_names import shorten_name
from unpaired.media.image.preview import put_on_white
from unpaired.media.video.clip_reader import ClipHeader, ClipReader
from unpaired.media.video.frames import ColorTags, encode_frame

MAX_SIDE = 480
"""Longest side of a preview in pixels."""
MAX_SECONDS = 10.0
"""Longer clips end in the preview after this time."""
MAX_FRAMES = 300
_TICKS = Fraction(1, 90_000)
_BT709 = ColorTags(1, 1, 1, 1)
_OPTIONS = {"crf": "23", "preset": "veryfast"}


def write_clip_preview(path: Path, folder: Path) -> Path:
    """Write a preview of a clip to `folder`; returns its path. Raises UnreadableFileError."""
    preview = folder / shorten_name(f"{path.name}.mp4", 200)
    try:
        with ClipReader(path) as reader, av.open(str(preview), "w", options={"movflags": "+faststart"}) as container:
            width, height = fit_size(reader.header)
            stream = container.add_stream("libx264", rate=Fraction(25), options=_OPTIONS)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            context = stream.codec_context
            context.time_base = _TICKS
            context.color_range, context.colorspace = _BT709.color_range, _BT709.matrix
            context.color_primaries, context.color_trc = _BT709.primaries, _BT709.transfer
            for frame in _iterate_frames(reader, width, height):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    except FFmpegError as error:
        raise UnreadableFileError(path, f"cannot be shown ({error.strerror or error})") from error
    return preview


def fit_size(header: ClipHeader) -> tuple[int, int]:
    """Return the width and height of a preview, with square pixels and even sides, as H.264 needs them."""
    width, height = header.width * header.pixel_aspect, header.height
    factor = min(Fraction(1), MAX_SIDE / max(width, Fraction(height)))
    return max(2, 2 * round(width * factor / 2)), max(2, 2 * round(height * factor / 2))


def _iterate_frames(reader: ClipReader, width: int, height: int) -> Iterator[VideoFrame]:
    """Yield the frames of the first seconds upright in the size of the preview, with their times in ticks."""
    header, last = reader.header, -1
    size = (height, width) if header.rotation % 180 else (width, height)
    for index, (pts, frame) in enumerate(reader.iterate_frames()):
        seconds = (pts - header.start) * header.time_base
        if seconds > MAX_SECONDS or index == MAX_FRAMES:
            return
        # Palettes cannot be resized. Small frames are converted in a fraction of the time of large ones.
        small = frame.reformat(*size, format="rgba" if frame.format.name == "pal8" else frame.format.name)
        image = reader.decode(small)
        alpha = None if image.alpha is None else image.alpha[..., None]
        pixels = image.pixels * np.float32(255 / (2**image.bits - 1))
        shown = encode_frame(put_on_white(pixels, alpha), "yuv420p", _BT709)
        last = max(last + 1, round(seconds / _TICKS))
        shown.pts, shown.time_base = last, _TICKS
        yield shown

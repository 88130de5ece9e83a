"""Writing of animated GIF, WebP and PNG files from segments, with the times and the repetition of the input."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from unpaired.media.video.animations import is_webp, list_webp_frames, read_repetition, set_last_duration
from unpaired.media.video.frames import count_bits, has_alpha
from unpaired.media.video.segments import SegmentStore, iterate_segment_frames
from unpaired.media.video.settings import ANIMATIONS

_CODECS = {"gif": "gif", "webp": "libwebp_anim", "apng": "apng"}
_TICKS = {"gif": Fraction(1, 100), "webp": Fraction(1, 1000), "apng": Fraction(1, 100_000)}
_WEBP_QUALITY = "90"


def write_animation(store: SegmentStore, source: Path, part: Path) -> None:
    """Encode an animation; a GIF gets a palette for each frame. Raises FFmpegError, OSError."""
    name = ANIMATIONS[store.output.suffix.lower()]
    loop, last = read_repetition(source)
    options = {
        "gif": {"loop": str(loop), "final_delay": str(round(last / 10))},
        "webp": {"loop": str(max(0, loop))},
        "apng": {"plays": str(max(0, loop)), "final_delay": f"{last}/1000"},
    }[name]
    pixel_format = _choose_format(name, VideoFormat(store.encoding.pixel_format))
    with av.open(str(part), "w", format=name, options=options) as out:
        stream = out.add_stream(_CODECS[name], rate=store.header.rate, options=_create_options(name, source))
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = store.header.width, store.header.height, pixel_format
        stream.codec_context.time_base = stream.time_base = tick = _TICKS[name]
        for decoded, seconds in iterate_segment_frames(store):
            is_gif = name == "gif"
            frame = (
                reduce_colors(decoded.to_ndarray(format="rgba")) if is_gif else decoded.reformat(format=pixel_format)
            )
            frame.pts, frame.time_base = round(seconds / tick), tick
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    if name == "webp":
        set_last_duration(part, last)


def _choose_format(name: str, own: VideoFormat) -> str:
    if name == "gif":
        return "pal8"
    if name == "webp":
        return "bgra"
    deep, alpha = count_bits(own) > 8, has_alpha(own)
    return ("rgba64be" if alpha else "rgb48be") if deep else ("rgba" if alpha else "rgb24")


def _create_options(name: str, source: Path) -> dict[str, str]:
    """Return the options of the encoder: a WebP without loss stays so."""
    if name != "webp":
        return {"pred": "mixed"} if name == "apng" else {}
    is_lossless = is_webp(source) and all(frame.is_lossless for frame in list_webp_frames(source))
    return {"lossless": "1"} if is_lossless else {"quality": _WEBP_QUALITY}


def reduce_colors(pixels: npt.NDArray[Any]) -> VideoFrame:
    """Convert RGBA pixels (H, W, 4) to a frame with a palette of its own; alpha below half is transparent."""
    image = Image.fromarray(pixels[..., :3]).quantize(255)
    colors = np.asarray(image.getpalette() or [0, 0, 0], np.uint8).reshape(-1, 3)[:255]
    palette = np.zeros((256, 4), np.uint8)
    palette[:255, 0] = 255  # alpha comes first
    palette[: len(colors), 1:] = colors
    indices = np.asarray(image, np.uint8).copy()
    indices[pixels[..., 3] < 128] = 255  # the only entry with an alpha of 0
    return VideoFrame.from_ndarray((indices, palette), format="pal8")  # type: ignore[arg-type]

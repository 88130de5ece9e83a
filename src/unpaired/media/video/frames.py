"""Conversion between frames of FFmpeg and decoded pictures: color matrix, range, depth, alpha and rotation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from av import VideoFrame
from av.video.format import VideoFormat
from av.video.reformatter import Interpolation

from unpaired.media.image.decoded_image import DecodedImage

Array = npt.NDArray[Any]
UNSPECIFIED = 2
"""Value of an unspecified color matrix, transfer function and primaries (ISO/IEC 23091-2)."""
_BT601, _SMPTE170M, _BT709 = 5, 6, 1
_RGB_MATRIX = 0
_BT2020_NCL, _BT2020_CL = 9, 10
_SCALING = (
    Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT | Interpolation.FULL_CHR_H_INP
)
"""Conversion with correct rounding; FFmpeg's default darkens by about one level each time."""
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
"""Transfer function of HDR clips -> its name."""


@dataclass(frozen=True)
class ColorTags:
    """Color range (0 unspecified, 1 limited, 2 full), matrix, primaries and transfer function, as ISO/IEC 23091-2."""

    color_range: int
    matrix: int
    primaries: int
    transfer: int

    @property
    def conversion_matrix(self) -> int:
        """Matrix of the conversion between YUV and RGB; BT.601, FFmpeg's default, if it is unspecified."""
        if self.matrix == _BT2020_CL:
            return _BT2020_NCL
        return _BT601 if self.matrix in (UNSPECIFIED, _RGB_MATRIX) else self.matrix


def read_color_tags(frame: VideoFrame) -> ColorTags:
    """Return the color tags of a frame; formats such as yuvj420p have the full range."""
    color_range = 2 if frame.format.name.startswith("yuvj") else int(frame.color_range)
    return ColorTags(color_range, int(frame.colorspace), int(frame.color_primaries), int(frame.color_trc))


def is_rgb(pixel_format: VideoFormat) -> bool:
    """Whether pixels are red, green and blue, without a matrix."""
    return pixel_format.name == "pal8" or pixel_format.is_rgb


def adapt_tags(tags: ColorTags, own: VideoFormat, target: VideoFormat, height: int) -> ColorTags:
    """Return the tags of frames of format `own` that are converted to `target`.

    Between RGB and YUV the range and the matrix change: YUV gets the matrix that players assume for its height.
    """
    if is_rgb(own) == is_rgb(target):
        return tags
    matrix = _RGB_MATRIX if is_rgb(target) else _BT709 if height >= 720 else _SMPTE170M
    return replace(tags, color_range=2 if is_rgb(target) else 1, matrix=matrix)


def has_alpha(pixel_format: VideoFormat) -> bool:
    """Whether pixels have an alpha channel, or a palette, whose colors may be transparent."""
    return pixel_format.name == "pal8" or any(component.is_alpha for component in pixel_format.components)


def count_bits(pixel_format: VideoFormat) -> int:
    """Return the bits per component, at least 8."""
    return 8 if pixel_format.name == "pal8" else max(8, *(c.bits for c in pixel_format.components))


def is_gray(pixel_format: VideoFormat) -> bool:
    """Whether pixels have no color."""
    return pixel_format.name.startswith(("gray", "ya", "mono"))


def decode_frame(frame: VideoFrame, rotation: int, tags: ColorTags) -> DecodedImage:
    """Convert a frame to raw pixels: 8 bits, or 16 for frames of more than 8; turned upright by `rotation` degrees."""
    alpha, deep = has_alpha(frame.format), count_bits(frame.format) > 8
    target = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
    converted = frame.reformat(
        format=target,
        src_colorspace=tags.conversion_matrix,
        src_color_range=tags.color_range or None,
        interpolation=_SCALING,
    )
    pixels = np.rot90(np.asarray(converted.to_ndarray()), round(rotation / 90) % 4)
    gray = is_gray(frame.format)
    opacity: npt.NDArray[np.float32] | None = None
    if alpha:
        opacity = (pixels[..., 3] / np.float32(65535 if deep else 255)).astype(np.float32)
        opacity = None if bool((opacity == 1).all()) else opacity
    color = np.ascontiguousarray(pixels[..., :1] if gray else pixels[..., :3])
    bits = 16 if deep else 8
    return DecodedImage(color.astype(np.float32), opacity, bits, frame.format.name, not gray, dtype=color.dtype)


def encode_frame(array: Array, pixel_format: str, tags: ColorTags) -> VideoFrame:
    """Convert raw pixels (H, W, 1, 3 or 4), uint8 or uint16, alpha last, to a frame of `pixel_format`."""
    deep = array.dtype == np.uint16
    if array.shape[2] == 1:
        array = np.repeat(array, 3, axis=2)
    names = {3: "rgb48le", 4: "rgba64le"} if deep else {3: "rgb24", 4: "rgba"}
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(array), format=names[array.shape[2]])
    if pixel_format != frame.format.name:
        frame = frame.reformat(
            format=pixel_format,
            dst_colorspace=tags.conversion_matrix,
            dst_color_range=tags.color_range or None,
            interpolation=_SCALING,
        )
    frame.colorspace, frame.color_range = tags.matrix, tags.color_range
    frame.color_primaries, frame.color_trc = tags.primaries, tags.transfer
    return frame

"""Choice of the codec and of the pixel format of a translated clip."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.error import FFmpegError
from av.video.format import VideoFormat

from unpaired.errors import UsageError, suggest_name
from unpaired.media.video.frame_reader import ClipHeader
from unpaired.media.video.frames import ColorTags, adapt_tags, count_bits, has_alpha, is_gray
from unpaired.media.video.settings import ANIMATIONS, CODECS, CONTAINERS

_RGB_FORMATS = {
    (False, False): "bgr0",
    (False, True): "bgra",
    (True, False): "gbrp16le",
    (True, True): "gbrap16le",
}
"""More than 8 bits, alpha -> pixel format of the segments of animated pictures."""
INTERMEDIATE = "ffv1"
"""Lossless codec of the segments of animated pictures, whose frames depend on each other across segments."""
_EVEN_SIZES = ("libx264", "libx265", "libsvtav1")
"""Encoders that need even sizes if the color planes have half the size."""
_MIN_SIDES = {"libx265": 64, "libsvtav1": 64}
"""Smallest width and height of an encoder; x265 may crash below 64."""
_MAX_QUALITY = {"libx264": 51, "libx265": 51, "mpeg4": 31, "mjpeg": 31}
_DEFAULT_QUALITY = {
    "libx264": 17,
    "libx265": 19,
    "libvpx": 10,
    "libvpx-vp9": 22,
    "libsvtav1": 22,
    "mpeg4": 2,
    "mjpeg": 2,
}
_COLORED = {"gray": "yuv420p", "ya8": "yuva420p", "gray10le": "yuv420p10le", "gray12le": "yuv420p12le"} | dict.fromkeys(
    ("gray16le", "gray16be", "ya16le", "ya16be"), "yuva444p16le"
)
"""Pixel format without color -> that of a translation with color."""
_QSCALE = 118
"""Value of FFmpeg's `global_quality` for a quantizer of 1."""
_MAX_MPEG4_TICKS = 65535
"""Largest denominator of a time base that MPEG-4 part 2 can store."""


@dataclass(frozen=True)
class ClipEncoding:
    """Encoder, pixel format and color tags of a clip.

    `options` are those of the encoder, `segment_container` is FFmpeg's name of the container of segments, and `notes`
    describe losses.
    """

    encoder: str
    pixel_format: str
    tags: ColorTags
    options: tuple[tuple[str, str], ...] = ()
    segment_container: str = "nut"
    notes: tuple[str, ...] = ()


def choose_encoding(
    path: Path, header: ClipHeader, suffix: str, codec: str, quality: int | None, is_color: bool
) -> ClipEncoding:
    """Choose the encoding of the translation of `path`, with or without color, to a file with `suffix`.

    The codec is that of the input if the container and FFmpeg can write it, else the usual one of the container. The
    pixel format is the nearest to that of the input. Raises UsageError for a codec that is missing, or that the
    container or the size does not allow.
    """
    if suffix in ANIMATIONS:
        if codec not in ("auto", header.codec):
            raise UsageError(
                f"--codec {codec}: {path} is an animated picture, and its translation too; leave out --codec"
            )
        return ClipEncoding(INTERMEDIATE, _RGB_FORMATS[header.bits > 8, header.has_alpha], header.tags)
    if is_color:
        header = replace(header, pixel_format=_COLORED.get(header.pixel_format, header.pixel_format))
    container = CONTAINERS[suffix]
    encoder = _choose_encoder(path, header, suffix) if codec == "auto" else _require_encoder(codec, suffix)
    if not _allows_size(encoder, header):
        raise UsageError(
            f"--codec {codec}: {encoder} needs at least {_MIN_SIDES[encoder]} pixels on either side, but {path.name} "
            f"has {header.width} x {header.height}"
        )
    pixel_format = _choose_pixel_format(path, header, encoder, container)
    notes = []
    chosen, own = VideoFormat(pixel_format), VideoFormat(header.pixel_format)
    if header.has_alpha and not has_alpha(chosen):
        notes.append(f"clips of {encoder} have no transparency: transparent pixels become white")
    if count_bits(chosen) < header.bits:
        notes.append(f"clips of {encoder} have {count_bits(chosen)} bits, fewer than the input")
    if is_subsampled(own) and not is_subsampled(chosen):
        size = f"{header.width} x {header.height}"
        notes.append(
            f"of odd sizes ({size}), {encoder} needs color in full resolution (4:4:4), which some players lack"
        )
    # NUT keeps any time base; Matroska has milliseconds, as the result will.
    segment_container = "matroska" if container in ("matroska", "webm") else "nut" if encoder != "prores_ks" else "mov"
    tags = adapt_tags(header.tags, own, chosen, header.height)
    return ClipEncoding(encoder, pixel_format, tags, _create_options(encoder, quality), segment_container, tuple(notes))


def has_encoder(name: str) -> bool:
    """Whether FFmpeg of the installed PyAV has a video encoder with this name."""
    try:
        return av.Codec(name, "w").type == "video"
    except (FFmpegError, ValueError):
        return False


def is_subsampled(pixel_format: VideoFormat) -> bool:
    """Whether the color planes of a format are smaller than the picture."""
    return not is_gray(pixel_format) and (pixel_format.chroma_width(64) < 64 or pixel_format.chroma_height(64) < 64)


def _require_encoder(codec: str, suffix: str) -> str:
    """Return the encoder for `--codec`; raises UsageError if it is missing or does not fit the container."""
    encoder = CODECS.get(codec, codec)
    if not has_encoder(encoder):
        known = suggest_name(codec, [name for name, own in CODECS.items() if has_encoder(own)])
        raise UsageError(f"--codec {codec}: FFmpeg of the installed PyAV has no such encoder; {known}")
    if not _is_storable(encoder, suffix):
        raise UsageError(
            f"--codec {codec}: cannot be stored in {suffix} files, and a translation has the suffix of its input; give "
            "another --codec, or convert the input to .mkv"
        )
    return encoder


def _choose_encoder(path: Path, header: ClipHeader, suffix: str) -> str:
    """Return the encoder of the input's codec, or else the usual one of the container."""
    candidates = [CODECS.get(header.codec, "")]
    if candidates == ["mpeg4"] and header.time_base.denominator > _MAX_MPEG4_TICKS:
        candidates = []
    candidates += ["libvpx-vp9", "libvpx"] if suffix == ".webm" else ["libx264", "mpeg4"]
    for encoder in candidates:
        if encoder and has_encoder(encoder) and _is_storable(encoder, suffix) and _allows_size(encoder, header):
            return encoder
    raise UsageError(
        f"{path}: FFmpeg of the installed PyAV has no encoder for {suffix} files (tried {', '.join(candidates)}); give "
        "--codec"
    )


def _allows_size(encoder: str, header: ClipHeader) -> bool:
    return min(header.width, header.height) >= _MIN_SIDES.get(encoder, 1)


def _is_storable(encoder: str, suffix: str) -> bool:
    codec = av.Codec(encoder, "w").canonical_name
    with av.open(io.BytesIO(), "w", format=CONTAINERS[suffix]) as container:
        return codec in container.supported_codecs


def _choose_pixel_format(path: Path, header: ClipHeader, encoder: str, container: str) -> str:
    """Return the encoder's pixel format that loses least of the input's."""
    own = VideoFormat(header.pixel_format)
    is_odd = bool(header.width % 2 or header.height % 2)
    formats = [f for f in av.Codec(encoder, "w").video_formats or () if not f.name.startswith("yuvj")]
    if is_odd and encoder in _EVEN_SIZES:
        formats = [f for f in formats if not is_subsampled(f)]
    if encoder in ("libvpx", "libvpx-vp9") and container not in ("matroska", "webm"):
        formats = [f for f in formats if not has_alpha(f)]  # only these have a place for it
    if not formats:
        raise UsageError(
            f"{path}: {encoder} needs even sizes, but the clip has {header.width} x {header.height} pixels; use "
            "--codec h264 or vp9"
        )
    same = header.pixel_format.replace("yuvj", "yuv")

    def rate(candidate: VideoFormat) -> tuple[bool | int, ...]:
        return (
            candidate.name != same,
            has_alpha(candidate) < has_alpha(own),
            is_gray(candidate) and not is_gray(own),
            count_bits(candidate) < count_bits(own),
            candidate.chroma_width(64) < own.chroma_width(64) or candidate.chroma_height(64) < own.chroma_height(64),
            has_alpha(candidate) and not has_alpha(own),
            count_bits(candidate),
            -candidate.name.startswith("yuv"),
            candidate.chroma_width(64) + candidate.chroma_height(64),
        )

    return min(formats, key=rate).name


def _create_options(encoder: str, quality: int | None) -> tuple[tuple[str, str], ...]:
    """Return FFmpeg's options of an encoder for `--quality`; raises UsageError if it has no such scale."""
    value, limit = quality, _MAX_QUALITY.get(encoder, 63)
    if value is None:
        value = _DEFAULT_QUALITY.get(encoder)
    elif encoder not in _DEFAULT_QUALITY:
        raise UsageError(f"--quality {value}: {encoder} has no such setting; leave it out")
    elif value > limit:
        raise UsageError(f"--quality {value}: the scale of {encoder} ends at {limit}")
    if value is None:
        return ()
    if encoder in ("mpeg4", "mjpeg"):
        quantizer = ("flags", "+qscale"), ("global_quality", str(_QSCALE * max(1, value)))
        # MJPEG of limited range is common, though its standard has the full range alone.
        return (*quantizer, ("strict", "unofficial")) if encoder == "mjpeg" else quantizer
    crf = ("crf", str(value))
    more = {
        "libx265": (("preset", "fast"), ("x265-params", "log-level=none:bframes=0")),
        "libvpx": (("b", "0"), ("deadline", "good"), ("cpu-used", "4"), ("auto-alt-ref", "0")),
        "libvpx-vp9": (("b", "0"), ("deadline", "good"), ("cpu-used", "4"), ("row-mt", "1"), ("auto-alt-ref", "0")),
        "libsvtav1": (("preset", "8"),),
    }
    return (crf, *more.get(encoder, ()))

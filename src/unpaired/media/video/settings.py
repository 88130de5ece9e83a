"""Files of clips, and the options of their translation. Imports no optional package."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from unpaired.media.image.settings import ImageSettings, ImageTranslateOptions

CONTAINERS = {
    ".mp4": "mp4",
    ".m4v": "mp4",
    ".mov": "mov",
    ".mkv": "matroska",
    ".webm": "webm",
    ".avi": "avi",
}
"""Suffixes of clips -> FFmpeg's name of the container."""
ANIMATIONS = {".gif": "gif", ".webp": "webp", ".png": "apng", ".apng": "apng"}
"""Suffixes of pictures that may be animated -> FFmpeg's name of the container."""
CLIP_SUFFIXES = frozenset({*CONTAINERS, ".apng"})
"""Suffixes of files that are always clips. An animated GIF, WebP or PNG is a clip, others are pictures."""
ANIMATION_SUFFIXES = frozenset(ANIMATIONS)
CONVERSION_HINTS = dict.fromkeys(
    (".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".3gp", ".ogv", ".vob"),
    "convert the clip to MP4 or MKV, for instance with `ffmpeg -i FILE clip.mkv`",
)
"""Suffix of files that cannot be read -> how to convert them."""
CODECS = {
    "h264": "libx264",
    "hevc": "libx265",
    "h265": "libx265",
    "vp8": "libvpx",
    "vp9": "libvpx-vp9",
    "av1": "libsvtav1",
    "mpeg4": "mpeg4",
    "mjpeg": "mjpeg",
    "prores": "prores_ks",
    "ffv1": "ffv1",
    "gif": "gif",
}
"""Codec of a clip -> FFmpeg's encoder for it."""

BATCH_FRAMES = 4
"""Frames that pass the networks at once. Segments have a multiple of it, so that continued clips equal whole ones."""
Deflicker = Literal["none", "statistics", "filter"]


class VideoSettings(ImageSettings):
    """Settings of pictures, and how many frames of a clip are training items."""

    frames_per_second: float = Field(
        2.0,
        gt=0,
        le=1000,
        description="frames per second of a clip that are training items, at even times; neighboring frames are alike, "
        "so more of them take time and teach little",
    )


class ClipTranslateOptions(ImageTranslateOptions):
    """Options of translating pictures and clips."""

    codec: str = Field(
        "auto",
        description="codec of translated clips: h264, hevc, vp9, av1, prores, ffv1 (lossless), or the name of an "
        "encoder of FFmpeg; auto: that of the input, or the usual one of its container",
    )
    quality: int | None = Field(
        None,
        ge=0,
        le=63,
        description="quality of translated clips on the scale of the codec, lower is better: the CRF of h264, hevc "
        "(0 to 51), vp9 and av1 (0 to 63), the quantizer of mpeg4 and mjpeg (1 to 31); unset: nearly that of the input",
    )
    deflicker: Deflicker = Field(
        "none",
        description="against flicker of translated clips: statistics (all frames of a shot are normalized with the "
        "same statistics), filter (statistics, and a filter along the optical flow) or none (each frame on its own)",
    )
    voice_run: str | Path | None = Field(
        None,
        description="run of recordings that converts the speech of clips: folder, exported file, or hf:USER/NAME; "
        "unset: the sound is copied",
    )
    to_voice: str | None = Field(None, description="with --voice-run: speaker to convert the speech of clips to")
    from_voice: str | None = Field(
        None, description="with --voice-run: speaker of the clips, needed if several speakers convert to --to-voice"
    )

"""Small clips made with PyAV: moving squares, with any times of frames, format, tags and sound."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

TICKS = Fraction(1, 1000)
"""Time base of the clips, a millisecond."""
SAMPLE_RATE = 16000


def make_pixels(index: int, width: int = 48, height: int = 32, levels: int = 255) -> npt.NDArray[Any]:
    """Return the pixels (H, W, 3) of frame `index`: a bright square that moves to the right over a color gradient."""
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([x / width, y / height, np.full((height, width), 0.2 + 0.02 * (index % 30))], axis=-1) * 0.5
    left = 2 * index % max(1, width - 8)
    pixels[4:12, left : left + 8] = (0.9, 0.3, 0.1)
    return np.asarray(np.rint(pixels * levels), np.uint8 if levels == 255 else np.uint16)


def write_clip(
    path: Path,
    times_ms: Sequence[int] = tuple(range(0, 480, 40)),
    *,
    size: tuple[int, int] = (48, 32),
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    tags: tuple[int, int, int, int] = (1, 6, 6, 6),
    options: dict[str, str] | None = None,
    rotation: int = 0,
    sound_codec: str | None = None,
    waves: Sequence[npt.NDArray[np.float32]] = (),
    sound_rate: int = SAMPLE_RATE,
    sound_start: int = 0,
    alpha: int | None = None,
    gop_size: int = 4,
) -> Path:
    """Write a clip with a frame at each time; returns `path`. `tags`: range, matrix, primaries, transfer function.

    With `sound_codec` it has a sound track for each of `waves` (channels, samples), else one with a tone.
    The sound begins `sound_start` samples after 0.
    """
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = size
        stream.pix_fmt = pixel_format
        context = stream.codec_context
        context.time_base = stream.time_base = TICKS
        context.gop_size = gop_size
        context.color_range, context.colorspace, context.color_primaries, context.color_trc = tags
        if alpha is not None and codec.startswith("libvpx"):
            stream.metadata["alpha_mode"] = "1"
        if rotation:
            stream.set_display_rotation(rotation)
        if sound_codec is not None:
            tracks = [np.atleast_2d(wave) for wave in waves or [make_tone(times_ms[-1] / 1000, sound_rate)]]
            layouts = ["stereo" if len(wave) == 2 else "mono" for wave in tracks]
            sounds: Any = [out.add_stream(sound_codec, rate=sound_rate, layout=layout) for layout in layouts]
            for sound, wave in zip(sounds, tracks, strict=True):
                write_sound(out, sound, wave, sound_start)
        deep = av.VideoFormat(pixel_format).components[0].bits > 8
        for index, time_ms in enumerate(times_ms):
            pixels = make_pixels(index, *size, levels=65535 if deep else 255)
            name = "rgb48le" if deep else "rgb24"
            if alpha is not None:
                name = "rgba"
                pixels = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), 255, np.uint8)], axis=2)
                pixels[: size[1] // 2, :, 3] = alpha
            frame = av.VideoFrame.from_ndarray(pixels, format=name)
            frame = frame.reformat(format=pixel_format, dst_colorspace=tags[1] if tags[1] != 2 else 5)
            frame.pts, frame.time_base = time_ms, TICKS
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def make_tone(seconds: float, rate: int = SAMPLE_RATE) -> npt.NDArray[np.float32]:
    """Return a tone that rises."""
    time = np.arange(int((seconds + 0.04) * rate)) / rate
    return (0.5 * np.sin(2 * np.pi * (300 + 200 * time) * time)).astype(np.float32)


def write_sound(out: Any, stream: Any, wave: npt.NDArray[np.float32], start: int = 0) -> None:
    """Encode a wave (channels, samples) from sample `start` on."""
    rate, layout = stream.codec_context.sample_rate, "stereo" if len(wave) == 2 else "mono"
    resampler = av.AudioResampler(stream.codec_context.format or "fltp", layout, rate)
    for first in range(0, wave.shape[1], 512):
        block = np.ascontiguousarray(wave[:, first : first + 512])
        frame = av.AudioFrame.from_ndarray(block, format="fltp", layout=layout)
        frame.sample_rate, frame.pts, frame.time_base = rate, start + first, Fraction(1, rate)
        for part in resampler.resample(frame):
            out.mux(stream.encode(part))
    out.mux(stream.encode(None))


def read_times(path: Path) -> list[Fraction]:
    """Return the times of all frames in seconds."""
    with av.open(str(path)) as container:
        return [Fraction(frame.pts or 0) * Fraction(frame.time_base or 0) for frame in container.decode(video=0)]


def read_pixels(path: Path) -> npt.NDArray[np.uint8]:
    """Return all frames as (N, H, W, 3)."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def read_sound(path: Path) -> tuple[npt.NDArray[Any], Fraction]:
    """Return the samples of the sound, and the time of the first one in seconds."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    start = Fraction(frames[0].pts or 0) * Fraction(frames[0].time_base or 0)
    return np.concatenate([frame.to_ndarray() for frame in frames], axis=1), start


def count_samples(path: Path) -> int:
    """Return the samples per channel of the sound."""
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(audio=0))

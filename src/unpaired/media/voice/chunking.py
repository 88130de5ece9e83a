"""Overlapping windows of long streams, and cross-fades that join their results without clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.features import CHUNK_SECONDS, Analyser, Floats, VoiceFeatures

__all__ = ["CrossFade", "Window", "WindowSizes", "analyse_stream", "convert_windows", "split_into_windows"]


@dataclass(frozen=True)
class WindowSizes:
    """Sizes in frames of the windows in which a stream is converted.

    Each window consists of `core` frames and of `context` frames on either side, which are input of the network but not
    part of the result. Neighboring cores are cross-faded over `fade` frames. If the context is at least the network's
    receptive field to one side, the result equals that of the whole stream.
    """

    core: int = 512
    context: int = 64
    fade: int = 16


@dataclass(frozen=True, eq=False)
class Window:
    """Frames of a stream: `left_context` frames, the core, `right_context` frames.

    `is_last` marks the end of the stream.
    """

    features: VoiceFeatures
    left_context: int
    right_context: int
    is_last: bool


class CrossFade:
    """Join pieces along their last axis; each begins `fade` samples or frames before the end of the previous one."""

    def __init__(self, fade: int) -> None:
        self._fade_in = ((np.arange(fade) + 0.5) / max(fade, 1)).astype(np.float32)
        self._tail: Floats | None = None

    def join(self, piece: Floats, is_last: bool) -> Floats:
        """Return the part that is final once this piece is known; everything if `is_last`."""
        fade = len(self._fade_in)
        if self._tail is not None and fade:
            tail = self._tail
            blended = tail + (piece[..., :fade] - tail) * self._fade_in  # this form keeps equal pieces bit-identical
            piece = np.concatenate([blended, piece[..., fade:]], -1)
        if is_last or not fade:
            return piece
        self._tail = piece[..., -fade:]
        return piece[..., :-fade]


def split_into_windows(stream: Iterable[VoiceFeatures], core: int, context: int) -> Iterator[Window]:
    """Cut a stream into windows of `core` frames with up to `context` more on each side.

    A short stream is one window.
    """
    buffer: VoiceFeatures | None = None
    left_context = 0
    for features in stream:
        buffer = features if buffer is None else _concatenate(buffer, features)
        while buffer.num_frames >= left_context + core + context:
            yield Window(buffer.slice_frames(0, left_context + core + context), left_context, context, is_last=False)
            start = max(left_context + core - context, 0)
            buffer, left_context = buffer.slice_frames(start), left_context + core - start
    if buffer is not None:
        yield Window(buffer, left_context, 0, is_last=True)


def convert_windows(
    stream: Iterable[VoiceFeatures],
    converter: Callable[[VoiceFeatures], VoiceFeatures],
    windows: WindowSizes | None = None,
) -> Iterator[VoiceFeatures]:
    """Apply `converter`, which keeps the number of frames, to a stream in overlapping, cross-faded windows.

    Memory use is that of one window. A stream of up to `core + context` frames is converted in one call.
    """
    windows = windows or WindowSizes()
    half_fade = windows.fade // 2
    cross_fade = CrossFade(2 * half_fade)
    for window in split_into_windows(stream, windows.core, windows.context + half_fade):
        out = converter(window.features)
        start, stop = get_core_range(window, half_fade)
        yield VoiceFeatures(cross_fade.join(out.rows[:, start:stop], window.is_last), out.layout)


def get_core_range(window: Window, half_fade: int) -> tuple[int, int]:
    """Return the range of frames to keep: the core, and half a fade on each side that has a neighbor."""
    start = window.left_context - (half_fade if window.left_context else 0)
    return start, window.features.num_frames - window.right_context + (0 if window.is_last else half_fade)


def analyse_stream(
    waves: Iterable[Wave], analyser: Analyser, chunk_seconds: float = CHUNK_SECONDS
) -> Iterator[VoiceFeatures]:
    """Yield the features of a wave that arrives in blocks, by overlapping chunks.

    A wave shorter than a chunk is analyzed in one call.
    """
    hop, context = analyser.hop_samples, analyser.context_frames
    chunk = max(round(chunk_seconds * analyser.sample_rate_hz / hop), 2 * context)
    buffer, left_context = np.zeros(0, np.float32), 0
    for wave in waves:
        buffer = np.concatenate([buffer, wave])
        while len(buffer) >= (size := (left_context + chunk + 2 * context) * hop):
            part = analyser.analyse(buffer[: size - context * hop])
            yield part.slice_frames(left_context, left_context + chunk)
            start = left_context + chunk - context
            buffer, left_context = buffer[start * hop :], context
    if len(buffer):
        yield analyser.analyse(buffer).slice_frames(left_context)


def _concatenate(first: VoiceFeatures, second: VoiceFeatures) -> VoiceFeatures:
    return VoiceFeatures(np.concatenate([first.rows, second.rows], -1), first.layout)

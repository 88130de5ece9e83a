"""Long streams in overlapping windows, and their results joined without clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.features import CHUNK_SECONDS, Floats, Representation, VoiceFeatures

__all__ = ["CrossFade", "Window", "WindowSizes", "analyse_stream", "convert_windows", "split_into_windows"]


@dataclass(frozen=True)
class WindowSizes:
    """How conversion cuts a stream: `core` frames, of which each is converted in one window alone but for `fade`
    frames at a seam, and `context` frames beside that the network sees but that are not used from that window.

    With a context of at least the network's reach to one side, windows give what the whole would.
    """

    core: int = 512
    context: int = 64
    fade: int = 16


@dataclass(frozen=True, eq=False)
class Window:
    """Frames of a stream: `lead` frames of context, the core, `trail` frames of context; `last` ends the stream."""

    features: VoiceFeatures
    left_context: int
    right_context: int
    is_last: bool


class CrossFade:
    """Joins pieces along their last axis: each but the first begins `fade` before the one before it ends."""

    def __init__(self, fade: int) -> None:
        self._fade_in = ((np.arange(fade) + 0.5) / max(fade, 1)).astype(np.float32)
        self._tail: Floats | None = None

    def join(self, piece: Floats, is_last: bool) -> Floats:
        """What is settled once this piece is known; all of it with the `last`."""
        fade = len(self._fade_in)
        if self._tail is not None and fade:
            tail = self._tail
            blended = tail + (piece[..., :fade] - tail) * self._fade_in  # equal pieces stay equal to the last bit
            piece = np.concatenate([blended, piece[..., fade:]], -1)
        if is_last or not fade:
            return piece
        self._tail = piece[..., -fade:]
        return piece[..., :-fade]


def split_into_windows(stream: Iterable[VoiceFeatures], core: int, context: int) -> Iterator[Window]:
    """Cut a stream into windows of `core` frames with up to `side` more on each side; a short stream is one window."""
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
    """Apply `change` (features to as many frames of features) to a stream in overlapping, cross-faded windows.

    Memory is that of one window. A stream of up to `core + context` frames is one call on the whole.
    """
    windows = windows or WindowSizes()
    half_fade = windows.fade // 2
    cross_fade = CrossFade(2 * half_fade)
    for window in split_into_windows(stream, windows.core, windows.context + half_fade):
        out = converter(window.features)
        start, stop = get_core_range(window, half_fade)
        yield VoiceFeatures(cross_fade.join(out.rows[:, start:stop], window.is_last), out.layout)


def get_core_range(window: Window, half_fade: int) -> tuple[int, int]:
    """The frames of a window that count: its core, and half a fade on each side at which it has a neighbour."""
    start = window.left_context - (half_fade if window.left_context else 0)
    return start, window.features.num_frames - window.right_context + (0 if window.is_last else half_fade)


def analyse_stream(
    waves: Iterable[Wave], representation: Representation, chunk_seconds: float = CHUNK_SECONDS
) -> Iterator[VoiceFeatures]:
    """Features of a wave that comes in blocks, by overlapping chunks; a wave shorter than a chunk is one call."""
    hop, context = representation.hop_samples, representation.context_frames
    chunk = max(round(chunk_seconds * representation.sample_rate_hz / hop), 2 * context)
    buffer, left_context = np.zeros(0, np.float32), 0
    for wave in waves:
        buffer = np.concatenate([buffer, wave])
        while len(buffer) >= (size := (left_context + chunk + 2 * context) * hop):
            part = representation.analyse(buffer[: size - context * hop])
            yield part.slice_frames(left_context, left_context + chunk)
            start = left_context + chunk - context
            buffer, left_context = buffer[start * hop :], context
    if len(buffer):
        yield representation.analyse(buffer).slice_frames(left_context)


def _concatenate(first: VoiceFeatures, second: VoiceFeatures) -> VoiceFeatures:
    return VoiceFeatures(np.concatenate([first.rows, second.rows], -1), first.layout)

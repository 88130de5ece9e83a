"""Long streams in overlapping windows, and their results joined without clicks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from unpaired.media.voice.features import CHUNK_SECONDS, Features, Floats, Representation
from unpaired.media.voice.recording import Wave

__all__ = ["CrossFade", "Window", "Windows", "analysed", "converted", "windowed"]


@dataclass(frozen=True)
class Windows:
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

    features: Features
    lead: int
    trail: int
    last: bool


class CrossFade:
    """Joins pieces along their last axis: each but the first begins `fade` before the one before it ends."""

    def __init__(self, fade: int) -> None:
        self._ramp = ((np.arange(fade) + 0.5) / max(fade, 1)).astype(np.float32)
        self._tail: Floats | None = None

    def join(self, piece: Floats, last: bool) -> Floats:
        """What is settled once this piece is known; all of it with the `last`."""
        fade = len(self._ramp)
        if self._tail is not None and fade:
            tail = self._tail
            mixed = tail + (piece[..., :fade] - tail) * self._ramp  # equal pieces stay equal to the last bit
            piece = np.concatenate([mixed, piece[..., fade:]], -1)
        if last or not fade:
            return piece
        self._tail = piece[..., -fade:]
        return piece[..., :-fade]


def windowed(stream: Iterable[Features], core: int, side: int) -> Iterator[Window]:
    """Cut a stream into windows of `core` frames with up to `side` more on each side; a short stream is one window."""
    held: Features | None = None
    lead = 0
    for features in stream:
        held = features if held is None else _after(held, features)
        while held.frames >= lead + core + side:
            yield Window(held.cut(0, lead + core + side), lead, side, last=False)
            start = max(lead + core - side, 0)
            held, lead = held.cut(start), lead + core - start
    if held is not None:
        yield Window(held, lead, 0, last=True)


def converted(
    stream: Iterable[Features], change: Callable[[Features], Features], windows: Windows | None = None
) -> Iterator[Features]:
    """Apply `change` (features to as many frames of features) to a stream in overlapping, cross-faded windows.

    Memory is that of one window. A stream of up to `core + context` frames is one call on the whole.
    """
    windows = windows or Windows()
    half = windows.fade // 2
    fade = CrossFade(2 * half)
    for window in windowed(stream, windows.core, windows.context + half):
        out = change(window.features)
        start, stop = used(window, half)
        yield Features(fade.join(out.rows[:, start:stop], window.last), out.layout)


def used(window: Window, half: int) -> tuple[int, int]:
    """The frames of a window that count: its core, and half a fade on each side at which it has a neighbour."""
    start = window.lead - (half if window.lead else 0)
    return start, window.features.frames - window.trail + (0 if window.last else half)


def analysed(
    waves: Iterable[Wave], representation: Representation, chunk_seconds: float = CHUNK_SECONDS
) -> Iterator[Features]:
    """Features of a wave that comes in blocks, by overlapping chunks; a wave shorter than a chunk is one call."""
    hop, context = representation.hop_samples, representation.context_frames
    chunk = max(round(chunk_seconds * representation.sample_rate_hz / hop), 2 * context)
    held, lead = np.zeros(0, np.float32), 0
    for wave in waves:
        held = np.concatenate([held, wave])
        while len(held) >= (size := (lead + chunk + 2 * context) * hop):
            part = representation.analyse(held[: size - context * hop])
            yield part.cut(lead, lead + chunk)
            start = lead + chunk - context
            held, lead = held[start * hop :], context
    if len(held):
        yield representation.analyse(held).cut(lead)


def _after(first: Features, second: Features) -> Features:
    return Features(np.concatenate([first.rows, second.rows], -1), first.layout)

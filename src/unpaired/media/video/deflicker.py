"""Translation of a stream of frames with less flicker: statistics per shot, and a filter along the optical flow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, groupby, islice
from typing import TypeVar

import numpy as np

from unpaired.media.image.image_io import FloatArray
from unpaired.media.image.tiled_pass import TiledPass
from unpaired.media.video.flow import Frame
from unpaired.media.video.flow_filter import FlowFilter
from unpaired.media.video.settings import BATCH_FRAMES
from unpaired.media.video.shots import ShotDetector
from unpaired.translate.network import LabelVector

LOOKAHEAD_FRAMES, LOOKAHEAD_PIXELS = 48, 2**24
"""Frames of a shot that wait for its statistics: at most so many, and at most so many pixels together."""
SAMPLE_FRAMES = 6
"""Frames whose statistics are measured, evenly spaced among those that wait."""
T = TypeVar("T")


def translate_shots(
    network_pass: TiledPass,
    frames: Iterable[T],
    get_values: Callable[[T], FloatArray],
    flow_filter: FlowFilter | None = None,
    label: LabelVector | None = None,
    full_precision: bool = False,
    on_shot: Callable[[T], object] = id,
) -> Iterator[tuple[T, FloatArray]]:
    """Yield each frame with its translation (C, H, W) in [-1, 1], in order and in constant memory.

    The frames of a shot are normalized with statistics over several of them, unless the networks have an `obstacle`.
    `get_values` returns a frame as the networks' input (C, H, W) in [-1, 1]; all have the same size. `flow_filter`
    filters the translations. `on_shot` is called with the first frame of each shot.
    """
    pairs = ((item, to_frame(get_values(item))) for item in frames)
    for shot in group_by_shot(pairs, lambda pair: pair[1]):
        first = next(shot)
        on_shot(first[0])
        if flow_filter is not None:
            flow_filter.reset()
        translated = _translate_shot(
            network_pass, chain([first], shot), lambda pair: get_values(pair[0]), label, full_precision
        )
        for (item, frame), y in translated:
            yield item, y if flow_filter is None else _filter(flow_filter, frame, y)


def group_by_shot(items: Iterable[T], get_frame: Callable[[T], Frame]) -> Iterator[Iterator[T]]:
    """Yield the shots of a stream, each as the stream of its items; read each before the next."""
    detector, index = ShotDetector(), 0

    def find_shot(item: T) -> int:
        nonlocal index
        index += detector.is_cut(get_frame(item))
        return index

    return (shot for _, shot in groupby(items, find_shot))


def to_frame(values: FloatArray) -> Frame:
    """Convert the networks' input (C, H, W) in [-1, 1] to a frame (H, W, 1 or 3), with its first channels."""
    shown = values[:3] if len(values) >= 3 else values[:1]
    return np.asarray(((shown.clip(-1, 1) + 1) * 127.5).round().transpose(1, 2, 0), np.uint8)


def _translate_shot(
    network_pass: TiledPass,
    shot: Iterator[T],
    get_values: Callable[[T], FloatArray],
    label: LabelVector | None,
    full_precision: bool,
) -> Iterator[tuple[T, FloatArray]]:
    """Yield the frames of a shot with their translations, after its statistics are measured on the first of them."""
    first = next(shot)
    pixels = get_values(first)[0].size
    waiting = [first, *islice(shot, max(1, min(LOOKAHEAD_FRAMES, LOOKAHEAD_PIXELS // pixels)) - 1)]
    statistics = network_pass.measure_statistics(np.stack([get_values(item) for item in sample(waiting)]), label)
    frames = chain(waiting, shot)
    while batch := list(islice(frames, BATCH_FRAMES)):
        x = np.stack([get_values(item) for item in batch])
        if statistics is None:
            y = network_pass.apply(x, full_precision, label)
        else:
            y = network_pass.apply_statistics(x, statistics, full_precision, label)
        yield from zip(batch, y, strict=True)


def sample(items: list[T]) -> list[T]:
    """Return at most SAMPLE_FRAMES evenly spaced items, the first and the last among them."""
    count = min(SAMPLE_FRAMES, len(items))
    return [items[round(i * (len(items) - 1) / max(1, count - 1))] for i in range(count)]


def _filter(flow_filter: FlowFilter, frame: Frame, y: FloatArray) -> FloatArray:
    """Filter the translation (C, H, W) of a frame; the interpolation may leave the range, which is clipped."""
    filtered = flow_filter.apply(frame, np.ascontiguousarray(y.transpose(1, 2, 0)))
    return np.ascontiguousarray(filtered.transpose(2, 0, 1).clip(-1, 1))

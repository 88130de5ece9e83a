"""Translation of the frames of a clip into segments: decoding, networks and encoding overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, islice
from typing import NamedTuple

from av.video.format import VideoFormat

from unpaired.console import FractionCallback
from unpaired.errors import UnreadableFileError
from unpaired.media.image.array_io import Array
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.media.image.prepared_image import PreparedImage
from unpaired.media.image.tiled_pass import TiledPass
from unpaired.media.video.deflicker import translate_shots
from unpaired.media.video.flow_filter import FlowFilter
from unpaired.media.video.frame_reader import FrameReader
from unpaired.media.video.frames import encode_frame, has_alpha
from unpaired.media.video.overlap import ReadAhead, WriteBehind
from unpaired.media.video.segments import SegmentStore, SegmentWriter, TimedFrame
from unpaired.media.video.settings import BATCH_FRAMES
from unpaired.translate.network import LabelVector

QUEUED_FRAMES = 8
"""Frames that wait for the networks, and for the encoder, at most."""


class InputFrame(NamedTuple):
    """A frame before the networks, and its time in the time base of the clip."""

    pts: int
    image: PreparedImage


class OutputFrame(NamedTuple):
    """A frame after the networks: the values (C, H, W) in [-1, 1] at the networks' size."""

    pts: int
    image: PreparedImage
    values: Array


FrameTranslation = Callable[[Iterator[InputFrame]], Iterator[OutputFrame]]
"""Function from the frames of a clip, in their order, to their translations."""


def translate_frames(pictures: ImagePipeline, frames: Iterator[InputFrame]) -> Iterator[OutputFrame]:
    """Translate frames independently of each other, in batches."""
    while batch := list(islice(frames, BATCH_FRAMES)):
        results = pictures.run_networks([frame.image for frame in batch])
        yield from (OutputFrame(*frame, values) for frame, values in zip(batch, results, strict=True))


def translate_shots_of_clip(
    tiled_pass: TiledPass, store: SegmentStore, has_filter: bool, frames: Iterator[InputFrame]
) -> Iterator[OutputFrame]:
    """Translate frames with less flicker (media.video.deflicker), and record the shots in `store`."""
    first = next(frames, None)
    if first is None:
        return
    translated = translate_shots(
        tiled_pass,
        chain([first], frames),
        _get_values,
        FlowFilter() if has_filter else None,
        first.image.label,
        first.image.bits > 8,
        lambda frame: store.add_shot(frame.pts),
    )
    for frame, values in translated:
        yield OutputFrame(*frame, values)


def translate_clip(
    pictures: ImagePipeline,
    reader: FrameReader,
    label: LabelVector | None,
    store: SegmentStore,
    translate: FrameTranslation,
    starts_at_shot: bool,
    report_fraction: FractionCallback,
) -> None:
    """Translate the frames after the segments that `store` has, and add their segments.

    With `starts_at_shot`, frames are translated again from the beginning of the shot, on which the next ones depend.
    Raises UnreadableFileError for a damaged clip, WorkError if the segments cannot be written.
    """
    header, encoding = reader.header, store.encoding
    keeps_alpha = header.has_alpha and has_alpha(VideoFormat(encoding.pixel_format))
    bits = 16 if header.bits > 8 else 8
    writer = SegmentWriter(store)

    def encode(frame: OutputFrame) -> None:
        image = frame.image if keeps_alpha else replace(frame.image, alpha=None)
        array = pictures.restore_array(image, frame.values, bits)
        writer.add(TimedFrame(encode_frame(array, encoding.pixel_format, encoding.tags), frame.pts))

    last = store.find_last_time()
    inputs = _prepare_frames(pictures, reader, label, store.find_start(last) if starts_at_shot else last)
    try:
        with ReadAhead(inputs, QUEUED_FRAMES) as frames, WriteBehind(encode, QUEUED_FRAMES) as encoder:
            for frame in translate(frames):
                if last is None or frame.pts > last:
                    encoder.put(frame)
                report_fraction(_get_fraction(reader, frame.pts))
        writer.close()
    except BaseException:
        writer.abort()
        raise


def _prepare_frames(
    pictures: ImagePipeline, reader: FrameReader, label: LabelVector | None, after: int | None
) -> Iterator[InputFrame]:
    header = reader.header
    for pts, frame in reader.iterate_frames(after):
        image = reader.decode(frame)
        height, width = image.pixels.shape[:2]
        if (width, height) != (header.width, header.height):
            seconds = float((pts - header.start) * header.time_base)
            raise UnreadableFileError(
                reader.path,
                f"its size changes from {header.width} x {header.height} to {width} x {height} at {seconds:.1f} s; cut "
                "it there into two clips",
            )
        item = pictures.prepare_image(image, header.has_color)
        yield InputFrame(pts, item if label is None else replace(item, label=label))


def _get_values(frame: InputFrame) -> Array:
    assert frame.image.values is not None, "frames are never large pictures"
    return frame.image.values


def _get_fraction(reader: FrameReader, pts: int) -> float:
    header = reader.header
    seconds = float((pts - header.start) * header.time_base) + 1 / float(header.rate)
    return min(1.0, seconds / header.seconds) if header.seconds else 0.0

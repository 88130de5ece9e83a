"""Translation of the frames of a clip into segments: decoding, networks and encoding overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from av.video.format import VideoFormat

from unpaired.console import FractionCallback
from unpaired.errors import UnreadableFileError
from unpaired.media.image.array_io import Array
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.media.image.prepared_image import PreparedImage
from unpaired.media.video.clip_reader import ClipReader
from unpaired.media.video.frames import encode_frame, has_alpha
from unpaired.media.video.overlap import ReadAhead, WriteBehind
from unpaired.media.video.segments import SegmentStore, SegmentWriter, TimedFrame
from unpaired.translate.network import LabelVector

BATCH_FRAMES = 4
"""Frames that pass the networks at once. Segments have a multiple of it, so that continued clips equal whole ones."""
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


def translate_clip(
    pictures: ImagePipeline,
    reader: ClipReader,
    label: LabelVector | None,
    store: SegmentStore,
    translate: FrameTranslation,
    report_fraction: FractionCallback,
) -> None:
    """Translate the frames after the segments that `store` has, and add their segments.

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

    inputs = _prepare_frames(pictures, reader, label, store.find_last_time())
    try:
        with ReadAhead(inputs, QUEUED_FRAMES) as frames, WriteBehind(encode, QUEUED_FRAMES) as encoder:
            for frame in translate(frames):
                encoder.put(frame)
                report_fraction(_get_fraction(reader, frame.pts))
        writer.close()
    except BaseException:
        writer.abort()
        raise


def _prepare_frames(
    pictures: ImagePipeline, reader: ClipReader, label: LabelVector | None, after: int | None
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


def _get_fraction(reader: ClipReader, pts: int) -> float:
    header = reader.header
    seconds = float((pts - header.start) * header.time_base) + 1 / float(header.rate)
    return min(1.0, seconds / header.seconds) if header.seconds else 0.0

"""Assembly of the translated clip: packets of the segments, and of the sound, which is copied or encoded anew."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import numpy.typing as npt
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from PIL import Image

from unpaired.atomic import atomic_write, get_part_path
from unpaired.errors import UnreadableFileError, WorkError
from unpaired.media.video.clip_reader import open_container
from unpaired.media.video.segments import SegmentStore, create_write_error, iterate_packets, open_segment
from unpaired.media.video.settings import CONTAINERS

if TYPE_CHECKING:
    from unpaired.media.video.sound_encoding import ConvertedSound

CARRIED_METADATA = ("title", "artist", "album", "comment", "copyright", "date", "creation_time", "genre", "description")
"""Entries of a clip's metadata that the translation has too. The place of the recording is not among them."""
_OPTIONS = {"mp4": {"movflags": "+faststart"}, "mov": {"movflags": "+faststart"}}


def write_clip(store: SegmentStore, source: Path, comment: str = "", speech: ConvertedSound | None = None) -> None:
    """Write the result of a store with the sound of `source`, or with `speech`, atomically; then delete the segments.

    `comment` replaces that of the metadata, which GIF does not have.

    Raises WorkError if the file cannot be written, or if its container cannot have the sound.
    """
    output = store.output
    with atomic_write(output, get_part_path(output)) as part:
        try:
            if output.suffix.lower() == ".gif":
                _write_gif(store, source, part)
            else:
                _copy_packets(store, source, part, comment, speech)
        except FFmpegError as error:
            raise create_write_error(output, error) from error
    store.remove()


def _copy_packets(store: SegmentStore, source: Path, part: Path, comment: str, speech: ConvertedSound | None) -> None:
    container_name = CONTAINERS[store.output.suffix.lower()]
    with ExitStack() as stack:
        out = stack.enter_context(
            av.open(str(part), "w", format=container_name, options=_OPTIONS.get(container_name, {}))
        )
        sound = stack.enter_context(open_container(source))
        first = stack.enter_context(open_segment(store.paths[0]))
        # Without `opaque`, PyAV looks for an encoder with the name of the decoder, which AV1 does not have.
        video = out.add_stream_from_template(first.streams.video[0], opaque=True)
        video.time_base = store.header.time_base
        video.sample_aspect_ratio = store.header.pixel_aspect
        if speech is None:
            streams = {stream.index: _add_sound(out, stream, store.output) for stream in sound.streams.audio}
            sound_packets = _iterate_sound(sound, streams, source)
        else:
            from unpaired.media.video.sound_encoding import SoundEncoder  # noqa: PLC0415 - needs the extra `voice`

            sound_packets = SoundEncoder(out, speech, store.output).iterate_packets()
        out.metadata.update({k: v for k, v in sound.metadata.items() if k.lower() in CARRIED_METADATA})
        if comment:
            out.metadata["comment"] = comment
        for packet in heapq.merge(_iterate_video(store, video), sound_packets, key=_get_decoding_time):
            out.mux_one(packet)


def _add_sound(out: OutputContainer, stream: AudioStream, output: Path) -> Stream:
    try:
        added = out.add_stream_from_template(stream)
    except (FFmpegError, ValueError) as error:
        raise WorkError(
            f"{output}: {output.suffix} files cannot contain its sound ({stream.codec_context.name}); convert the "
            f"input to .mkv, or its sound to AAC or Opus"
        ) from error
    with suppress(KeyError):
        added.metadata["language"] = stream.metadata["language"]
    added.time_base = stream.time_base
    return added


def _iterate_video(store: SegmentStore, stream: VideoStream) -> Iterator[Packet[Any]]:
    """Yield the packets of all segments, whose times are those of the input's frames."""
    time_base = store.header.time_base
    last = None
    for path in store.paths:
        with open_segment(path) as container:
            for packet in iterate_packets(container):
                assert packet.pts is not None
                pts = round(packet.pts * packet.time_base / time_base)
                pts = pts if last is None else max(pts, last + 1)
                duration = round((packet.duration or 0) * packet.time_base / time_base)
                packet.time_base = time_base
                packet.pts = packet.dts = last = pts
                packet.duration = duration
                packet.stream = stream
                yield packet


def _iterate_sound(container: InputContainer, streams: dict[int, Stream], source: Path) -> Iterator[Packet[Any]]:
    if not streams:
        return
    try:
        for packet in container.demux(*(container.streams[index] for index in streams)):
            if packet.dts is not None and packet.size:
                packet.stream = streams[packet.stream_index]
                yield packet
    except FFmpegError as error:
        raise UnreadableFileError(source, f"its sound is damaged ({error.strerror or error})") from error


def _get_decoding_time(packet: Packet[Any]) -> Fraction:
    assert packet.dts is not None
    return packet.dts * packet.time_base


def iterate_segment_frames(store: SegmentStore) -> Iterator[tuple[VideoFrame, Fraction]]:
    """Yield the decoded frames of all segments with their times in seconds."""
    for path in store.paths:
        with open_segment(path) as container:
            for frame in container.decode(video=0):
                assert frame.pts is not None and frame.time_base is not None
                yield frame, frame.pts * frame.time_base


def _write_gif(store: SegmentStore, source: Path, part: Path) -> None:
    """Encode an animated GIF with a palette for each frame, repeated as often as the input."""
    loop, delay = read_repetition(source)
    options = {"loop": str(loop), "final_delay": str(delay)}
    with av.open(str(part), "w", format="gif", options=options) as out:
        stream = out.add_stream("gif", rate=store.header.rate)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = store.header.width, store.header.height, "pal8"
        stream.codec_context.time_base = stream.time_base = time_base = Fraction(1, 100)
        for frame, seconds in iterate_segment_frames(store):
            indexed = reduce_colors(frame.to_ndarray(format="rgba"))
            indexed.pts, indexed.time_base = round(seconds / time_base), time_base
            out.mux(stream.encode(indexed))
        out.mux(stream.encode(None))


def read_repetition(path: Path) -> tuple[int, int]:
    """Return how often a GIF repeats (-1 never, 0 for ever), and how long it shows the last frame, in 1/100 s."""
    with Image.open(path) as image:
        loop = int(image.info.get("loop", -1))
        image.seek(getattr(image, "n_frames", 1) - 1)
        return loop, round(image.info.get("duration", 0) / 10)


def reduce_colors(pixels: npt.NDArray[Any]) -> VideoFrame:
    """Convert RGBA pixels (H, W, 4) to a frame with a palette of its own; alpha below half is transparent."""
    image = Image.fromarray(pixels[..., :3]).quantize(255)
    colors = np.asarray(image.getpalette() or [0, 0, 0], np.uint8).reshape(-1, 3)[:255]
    palette = np.zeros((256, 4), np.uint8)
    palette[:255, 0] = 255  # alpha comes first
    palette[: len(colors), 1:] = colors
    indices = np.asarray(image, np.uint8).copy()
    indices[pixels[..., 3] < 128] = 255  # the only entry with an alpha of 0
    return VideoFrame.from_ndarray((indices, palette), format="pal8")  # type: ignore[arg-type]

"""Assembly of the translated clip: packets of the segments, and of the sound, which is copied or encoded anew."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.error import FFmpegError
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from unpaired.atomic import atomic_write, get_part_path
from unpaired.errors import UnreadableFileError, WorkError
from unpaired.media.video.animation_writing import write_animation
from unpaired.media.video.clip_reader import open_container
from unpaired.media.video.segments import SegmentStore, create_write_error, iterate_packets, mark_alpha, open_segment
from unpaired.media.video.settings import ANIMATIONS, CONTAINERS

if TYPE_CHECKING:
    from unpaired.media.video.sound_encoding import ConvertedSound

CARRIED_METADATA = ("title", "artist", "album", "comment", "copyright", "date", "creation_time", "genre", "description")
"""Entries of a clip's metadata that the translation has too. The place of the recording is not among them."""
_OPTIONS = {"mp4": {"movflags": "+faststart"}, "mov": {"movflags": "+faststart"}}


def write_clip(store: SegmentStore, source: Path, comment: str = "", speech: ConvertedSound | None = None) -> None:
    """Write the result of a store with the sound of `source`, or with `speech`, atomically; then delete the segments.

    `comment` replaces that of the metadata, which animated pictures do not have.

    Raises WorkError if the file cannot be written, or if its container cannot have the sound.
    """
    output = store.output
    with atomic_write(output, get_part_path(output)) as part:
        try:
            if output.suffix.lower() in ANIMATIONS:
                write_animation(store, source, part)
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
        mark_alpha(video, store.encoding)
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

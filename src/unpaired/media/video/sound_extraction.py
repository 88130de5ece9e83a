"""Extraction of a clip's sound to a WAV file, with all its channels, at its sample rate, in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError

from unpaired.errors import UnreadableFileError
from unpaired.media.video.clip_reader import open_container
from unpaired.media.video.segments import create_write_error

_MIN_GAP_SECONDS = Fraction(1, 20)
"""Time without sound between two frames from which on it becomes silence; containers round times to milliseconds."""
_SILENCE_SAMPLES = 1 << 16
_USUAL_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "4.0", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}
"""Number of channels -> layout."""


@dataclass(frozen=True)
class SoundTrack:
    """Sound of a clip: samples per channel, sample rate, FFmpeg's name of the channel layout, codec, and language.

    `start` is the time of the first sample in seconds; `language` is empty if the container has none.
    """

    samples: int
    rate_hz: int
    layout: str
    start: Fraction
    codec: str
    language: str


def extract_sound(clip: Path, output: Path) -> SoundTrack:
    """Decode the first sound track of a clip to `output`, a WAV file with 32-bit floats; gaps become silence.

    Raises UnreadableFileError for a clip whose sound cannot be decoded, WorkError if `output` cannot be written.
    """
    with open_container(clip) as container:
        stream = container.streams.audio[0]
        layout, rate = _find_layout(stream), stream.rate
        sound = _DecodedSound(clip, container, stream)
        samples = 0
        try:
            # RF64 has no limit of 4 GB.
            with av.open(str(output), "w", format="wav", options={"rf64": "auto"}) as out:
                added = out.add_stream("pcm_f32le", rate=rate, layout=layout)
                for block in sound:
                    frame = AudioFrame.from_ndarray(block, format="flt", layout=layout)
                    frame.sample_rate, frame.pts, frame.time_base = rate, samples, Fraction(1, rate)
                    out.mux(added.encode(frame))
                    samples += frame.samples
                out.mux(added.encode(None))
        except (FFmpegError, OSError) as error:
            raise create_write_error(output, error) from error
        language = stream.metadata.get("language", "")
        return SoundTrack(samples, rate, layout, sound.start, stream.codec_context.name, language)


def _find_layout(stream: AudioStream) -> str:
    """Return FFmpeg's name of the channel layout; the usual one if the file does not say it, as PCM in AVI and MKV."""
    name = stream.layout.name
    return _USUAL_LAYOUTS.get(stream.channels, name) if name.endswith(" channels") else name


class _DecodedSound:
    """Blocks of interleaved samples (1, samples * channels) of a stream, with silence where times of frames have a gap.

    `start` is the time of the first sample in seconds, once it is decoded.
    """

    def __init__(self, clip: Path, container: InputContainer, stream: AudioStream) -> None:
        self.start = Fraction(0)
        self._clip, self._container, self._stream = clip, container, stream

    def __iter__(self) -> Iterator[npt.NDArray[np.float32]]:
        rate, position = self._stream.rate, 0
        resampler = AudioResampler("flt", self._stream.layout, rate)
        try:
            for frame in self._container.decode(self._stream):
                if frame.pts is not None and frame.time_base is not None:
                    seconds = frame.pts * frame.time_base
                    if not position:
                        self.start = seconds
                    gap = seconds - self.start - Fraction(position, rate)
                    if gap > _MIN_GAP_SECONDS:
                        position += round(gap * rate)
                        yield from self._make_silence(round(gap * rate))
                position += frame.samples
                yield from (np.asarray(part.to_ndarray(), np.float32) for part in resampler.resample(frame))
        except (FFmpegError, ValueError) as error:  # PyAV raises ValueError if the rate or the channels change
            reason = getattr(error, "strerror", None) or error
            raise UnreadableFileError(self._clip, f"its sound is damaged ({reason})") from error

    def _make_silence(self, samples: int) -> Iterator[npt.NDArray[np.float32]]:
        for first in range(0, samples, _SILENCE_SAMPLES):
            count = min(_SILENCE_SAMPLES, samples - first)
            yield np.zeros((1, count * self._stream.channels), np.float32)

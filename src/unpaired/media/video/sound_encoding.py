"""Encoding of a converted sound for a clip: with as many samples as the sound of the input, from the same time on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.error import FFmpegError
from av.packet import Packet

from unpaired.errors import WorkError
from unpaired.media.video.settings import CONTAINERS
from unpaired.media.video.sound_extraction import SoundTrack

_AAC_FRAME = 1024
_OPUS_RATES_HZ = (8000, 12000, 16000, 24000, 48000)
_BITS_PER_CHANNEL = 96_000
"""Bits per second of a channel of AAC, Opus and MP3."""
_LOSSLESS = {
    "mp4": ("flac", "alac"),
    "mov": ("alac", "pcm_s16le", "pcm_s24le"),
    "matroska": ("flac", "alac", "pcm_s16le", "pcm_s24le"),
    "avi": ("pcm_s16le", "pcm_s24le"),
}
"""Container -> codecs without loss that it can have, the usual one first."""
_LOSSY = ("libopus", "libmp3lame", "aac")
_ENCODERS = {"opus": "libopus", "mp3": "libmp3lame", "mp3float": "libmp3lame"}
_BLOCK_SAMPLES = 1 << 16

Block = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ConvertedSound:
    """Sound file that replaces the sound of a clip; `track` describes the latter, `notes` are for the user."""

    path: Path
    track: SoundTrack
    notes: tuple[str, ...]


def choose_sound_encoder(track: SoundTrack, suffix: str) -> str:
    """Return the encoder of FFmpeg for files with `suffix`: that of the input's codec if it keeps the length.

    Opus and MP3 keep the length in Matroska alone. AAC has frames of 1,024 samples, of which FFmpeg does not cut the
    last one, and in MP4 neither the encoder's delay before a sound that starts later than the clip. Where AAC would
    change the length, a codec without loss is used.
    """
    container = CONTAINERS[suffix]
    if container == "webm":
        return "libopus"
    codec, lossless, is_matroska = (
        _ENCODERS.get(track.codec, track.codec),
        _LOSSLESS[container],
        container == "matroska",
    )
    if codec in lossless:
        return codec
    if codec.startswith("pcm_") or codec in ("flac", "alac"):
        return lossless[0]
    if codec == "libopus" and is_matroska and track.rate_hz in _OPUS_RATES_HZ:
        return codec
    if codec == "libmp3lame" and is_matroska and track.layout in ("mono", "stereo"):
        return codec
    keeps_length = track.samples % _AAC_FRAME == 0 and (is_matroska or not track.start)
    return "aac" if keeps_length and container != "avi" else lossless[0]


class SoundEncoder:
    """Encoder of `sound` as a stream of `out`, which will be the file `output`."""

    def __init__(self, out: OutputContainer, sound: ConvertedSound, output: Path) -> None:
        self._sound, track = sound, sound.track
        encoder = choose_sound_encoder(track, output.suffix.lower())
        has_any_rate = encoder != "libopus" or track.rate_hz in _OPUS_RATES_HZ
        self._rate = track.rate_hz if has_any_rate else _OPUS_RATES_HZ[-1]
        self._samples = round(Fraction(track.samples * self._rate, track.rate_hz))
        try:
            stream = out.add_stream(encoder, rate=self._rate, layout=track.layout)
            assert isinstance(stream, AudioStream)
            self._stream = stream
            if encoder in _LOSSY:
                self._stream.codec_context.bit_rate = _BITS_PER_CHANNEL * self._stream.channels
            if track.language:
                self._stream.metadata["language"] = track.language
            self._stream.codec_context.open()
        except (FFmpegError, ValueError) as error:
            raise WorkError(
                f"{output}: its sound ({track.layout}, {track.rate_hz} Hz) cannot be encoded as {encoder}; convert the "
                "input to .mkv, or its sound to stereo at 48 kHz"
            ) from error

    def iterate_packets(self) -> Iterator[Packet[AudioStream]]:
        """Yield the packets of the sound, with the number of samples and the start of the input's."""
        stream, track = self._stream, self._sound.track
        resampler = AudioResampler(stream.codec_context.format, track.layout, self._rate)
        position = round(track.start * self._rate)
        for block in _fit_length(self._read_blocks(), self._samples):
            frame = AudioFrame.from_ndarray(block.reshape(1, -1), format="flt", layout=track.layout)
            frame.sample_rate, frame.pts, frame.time_base = self._rate, position, Fraction(1, self._rate)
            position += len(block)
            for part in resampler.resample(frame):
                yield from stream.encode(part)
        yield from stream.encode(None)

    def _read_blocks(self) -> Iterator[Block]:
        """Yield blocks (samples, channels) at the rate of the stream."""
        with soundfile.SoundFile(self._sound.path) as file:
            blocks = file.blocks(_BLOCK_SAMPLES, dtype="float32", always_2d=True)
            if file.samplerate == self._rate:
                yield from blocks
                return
            resampler = soxr.ResampleStream(file.samplerate, self._rate, file.channels, dtype="float32", quality="HQ")
            for block in blocks:
                yield resampler.resample_chunk(block)
            yield resampler.resample_chunk(np.zeros((0, file.channels), np.float32), last=True)


def _fit_length(blocks: Iterator[Block], samples: int) -> Iterator[Block]:
    """Yield blocks (samples, channels) with `samples` in total: cut at the end, or followed by silence."""
    left, channels = samples, 1
    for block in blocks:
        channels = block.shape[1]
        part = block[:left]
        left -= len(part)
        if len(part):
            yield np.ascontiguousarray(part)
    while left:
        count = min(left, _BLOCK_SAMPLES)
        left -= count
        yield np.zeros((count, channels), np.float32)

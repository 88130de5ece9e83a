"""Real-time conversion with bounded latency, and reading and writing of PCM streams.

A stream is 16-bit little-endian PCM: raw (mono), or with a WAV header, whose length field may be unset.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from unpaired.errors import UsageError
from unpaired.media.voice.audio_inspection import MIN_SECONDS, SILENCE_PEAK
from unpaired.media.voice.audio_io import Wave, resample
from unpaired.media.voice.audio_statistics import MAX_MIX_LOSS_DB
from unpaired.media.voice.channel_layout import RunningMixer
from unpaired.media.voice.chunking import WindowSizes
from unpaired.media.voice.conversion import FeatureConverter, convert_waves
from unpaired.media.voice.features import Representation
from unpaired.media.voice.loudness import LoudnessMeter, compute_gain

__all__ = ["PcmFormat", "compute_latency_seconds", "convert_realtime", "read_pcm_stream", "write_pcm_stream"]

WINDOW_SIZES = WindowSizes(core=64)
CHUNK_SECONDS = 0.5
"""Length in seconds of the chunks of analysis and synthesis, if that is at least twice their context."""
BLOCK_SECONDS = 0.05
_LOUDNESS_SECONDS, _LOUDNESS_UPDATE_SECONDS = 60, 1
MIN_SAMPLE_RATE_HZ, MAX_SAMPLE_RATE_HZ = 4000, 192000
PCM_HINT = "expected 16-bit PCM; convert other sound, for example with `ffmpeg -i - -c:a pcm_s16le -f wav -`"
OTHER_FORMAT_SIGNATURES = {
    b"fLaC": "FLAC",
    b"OggS": "OGG",
    b"ID3": "MP3",
    b"RF64": "RF64",
    b"RIFX": "RIFX",
    b"FORM": "AIFF",
}
"""First bytes of streams in unsupported formats -> name of the format."""
MAX_CHANNELS = 64
_MAX_FMT_BYTES = 64
_UNKNOWN_SIZE, _WAVE_FORMAT_EXTENSIBLE = 0xFFFFFFFF, 0xFFFE
_MAX_DATA_BYTES = 0x7FFF0000  # programs that write to a pipe put about the largest number into the length field


@dataclass(frozen=True)
class PcmFormat:
    """Format of a PCM stream; without a WAV header it is raw PCM."""

    sample_rate_hz: int
    channels: int = 1
    has_wav_header: bool = False


def compute_latency_seconds(representation: Representation) -> float:
    """Return the maximum latency of `convert_realtime` in seconds, without computing time."""
    hop = representation.hop_samples / representation.sample_rate_hz
    context = representation.context_frames
    analysis = max(round(CHUNK_SECONDS / hop), 2 * context) + 2 * context
    synthesis = round(CHUNK_SECONDS / hop) + representation.lookahead_frames
    windows = WINDOW_SIZES.core + WINDOW_SIZES.context + WINDOW_SIZES.fade
    return (analysis + windows + synthesis) * hop + 2 * BLOCK_SECONDS


def convert_realtime(
    waves: Iterable[Wave], sample_rate_hz: int, representation: Representation, converter: FeatureConverter
) -> Iterator[Wave]:
    """Convert the blocks of a wave to blocks at the same sample rate, each at most `compute_latency_seconds` later.

    The gain to the loudness of training is estimated from the stream so far, during the first minute of sound, and is
    undone in the output. A stream shorter than 0.1 s becomes silence.
    """
    stream: Iterator[Wave] = iter(waves)
    first_waves: list[Wave] = []
    min_samples = round(MIN_SECONDS * sample_rate_hz)
    while (count := sum(map(len, first_waves))) < min_samples:
        if (wave := next(stream, None)) is None:
            return iter([np.zeros(count, np.float32)])
        first_waves.append(wave)
    rate, loudness_tracker = representation.sample_rate_hz, _LoudnessTracker(representation.sample_rate_hz)
    normalised = loudness_tracker.normalise(resample(chain(first_waves, stream), sample_rate_hz, rate))
    converted = convert_waves(normalised, representation, converter, WINDOW_SIZES, CHUNK_SECONDS)
    return resample(loudness_tracker.restore(converted), rate, sample_rate_hz)


def read_pcm_stream(stream: BinaryIO, raw_rate_hz: int) -> tuple[PcmFormat, Iterator[Wave]]:
    """Return the format of a stream, and its sound as mono blocks; `raw_rate_hz` is the rate of raw PCM.

    Raises UsageError for a damaged WAV header, encodings other than 16-bit PCM, and other sound formats.
    """
    head = stream.read(4)
    if other_format := next((kind for begin, kind in OTHER_FORMAT_SIGNATURES.items() if head.startswith(begin)), None):
        raise UsageError(f"the stream is {other_format}; {PCM_HINT}")
    if head != b"RIFF":
        return PcmFormat(raw_rate_hz), _read_blocks(stream, PcmFormat(raw_rate_hz), head, math.inf)
    pcm_format, size = _read_wav_header(stream)
    return pcm_format, _read_blocks(stream, pcm_format, b"", size)


def write_pcm_stream(stream: BinaryIO, waves: Iterable[Wave], pcm_format: PcmFormat) -> int:
    """Write mono blocks at the format's sample rate, flushing each; returns the number of samples written."""
    if pcm_format.has_wav_header:
        stream.write(_build_wav_header(pcm_format.sample_rate_hz))
    count = 0
    for wave in waves:
        stream.write(np.rint(np.clip(np.nan_to_num(wave), -1, 1) * 32767).astype("<i2").tobytes())
        stream.flush()
        count += len(wave)
    return count


class _LoudnessTracker:
    """Running gain to the loudness of training, which is undone in the converted sound."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate, self._meter = sample_rate_hz, LoudnessMeter(sample_rate_hz)
        self._measured_samples, self._last_update_samples = 0, 0
        self._gain = 1.0
        self._applied_gains = np.zeros(0, np.float32)

    def normalise(self, waves: Iterable[Wave]) -> Iterator[Wave]:
        """Yield the blocks at the loudness of training; the gain changes linearly within a block."""
        for wave in waves:
            is_first, previous_gain = not self._measured_samples, self._gain
            self._update_gain(wave)
            gains = np.linspace(self._gain if is_first else previous_gain, self._gain, len(wave), dtype=np.float32)
            self._applied_gains = np.concatenate([self._applied_gains, gains])
            yield wave * gains

    def restore(self, waves: Iterable[Wave]) -> Iterator[Wave]:
        """Yield the converted blocks, each sample divided by the gain that `normalise` applied at its position."""
        for wave in waves:
            gains, self._applied_gains = self._applied_gains[: len(wave)], self._applied_gains[len(wave) :]
            yield wave / gains

    def _update_gain(self, wave: Wave) -> None:
        if (
            self._measured_samples >= _LOUDNESS_SECONDS * self._rate
            or not len(wave)
            or np.abs(wave).max() < SILENCE_PEAK
        ):
            return
        self._meter.add(wave)
        self._measured_samples += len(wave)
        if (
            self._measured_samples < self._rate
            or self._measured_samples - self._last_update_samples >= _LOUDNESS_UPDATE_SECONDS * self._rate
        ):
            self._gain, self._last_update_samples = compute_gain(self._meter.lufs()), self._measured_samples


def _read_blocks(stream: BinaryIO, pcm_format: PcmFormat, head: bytes, size: float) -> Iterator[Wave]:
    blocks = _read_channel_blocks(stream, pcm_format, head, size)
    if pcm_format.channels == 1:
        return (block[:, 0] for block in blocks)
    return RunningMixer(pcm_format.channels, MAX_MIX_LOSS_DB).mix(blocks)


def _read_channel_blocks(
    stream: BinaryIO, pcm_format: PcmFormat, head: bytes, size: float
) -> Iterator[npt.NDArray[np.float32]]:
    """Yield blocks (samples, channels).

    Data after the declared size that does not start with a chunk header is read as sound too.
    """
    bytes_per_sample = 2 * pcm_format.channels
    block_bytes = bytes_per_sample * max(1, round(BLOCK_SECONDS * pcm_format.sample_rate_hz))
    remaining_bytes, leftover = size, head
    while remaining_bytes > 0 and (data := stream.read(int(min(block_bytes - len(leftover), remaining_bytes)))):
        remaining_bytes -= len(data)
        data = leftover + data
        if remaining_bytes <= 0 and (following := stream.read(8)) and not _is_chunk_header(following):
            remaining_bytes, data = math.inf, data + following
        usable_bytes = len(data) // bytes_per_sample * bytes_per_sample
        leftover = data[usable_bytes:]
        samples = np.frombuffer(data[:usable_bytes], "<i2").reshape(-1, pcm_format.channels)
        yield np.asarray(samples / np.float32(32768), np.float32)


def _is_chunk_header(data: bytes) -> bool:
    return len(data) < 8 or all(32 <= byte < 127 for byte in data[:4])


def _read_wav_header(stream: BinaryIO) -> tuple[PcmFormat, float]:
    """Read the header up to the first byte of sound; returns the format and the declared number of bytes of sound."""
    if _read_exactly(stream, 8)[4:] != b"WAVE":
        raise UsageError(f"the stream starts with RIFF, but is not a WAV file; {PCM_HINT}")
    pcm_format = None
    while True:
        name, size = struct.unpack("<4sI", _read_exactly(stream, 8))
        if name == b"data":
            break
        body = _read_exactly(stream, min(size, _MAX_FMT_BYTES))
        _skip_exactly(stream, size + size % 2 - len(body))
        if name == b"fmt ":
            pcm_format = _parse_fmt_chunk(body)
    if pcm_format is None:
        raise UsageError(f"the stream's WAV header has no chunk 'fmt '; {PCM_HINT}")
    return pcm_format, size if 0 < size < _MAX_DATA_BYTES else math.inf


def _parse_fmt_chunk(body: bytes) -> PcmFormat:
    if len(body) < 16:
        raise UsageError(f"the stream's WAV header is damaged; {PCM_HINT}")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if kind == _WAVE_FORMAT_EXTENSIBLE and len(body) >= 26:
        (kind,) = struct.unpack("<H", body[24:26])
    if kind != 1 or bits != 16 or not 1 <= channels <= MAX_CHANNELS:
        raise UsageError(f"the stream's WAV header has {bits} bits (format {kind}) and {channels} channels; {PCM_HINT}")
    if not MIN_SAMPLE_RATE_HZ <= rate <= MAX_SAMPLE_RATE_HZ:
        raise UsageError(
            f"the stream's WAV header has {rate} Hz; expected {MIN_SAMPLE_RATE_HZ} to {MAX_SAMPLE_RATE_HZ} Hz"
        )
    return PcmFormat(rate, channels, has_wav_header=True)


def _build_wav_header(rate_hz: int) -> bytes:
    """Return the header of a mono WAV stream of unknown length."""
    fmt_chunk = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return (
        struct.pack("<4sI4s", b"RIFF", _UNKNOWN_SIZE, b"WAVE") + fmt_chunk + struct.pack("<4sI", b"data", _UNKNOWN_SIZE)
    )


def _read_exactly(stream: BinaryIO, count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise UsageError(f"the stream ends within its WAV header; {PCM_HINT}")
    return data


def _skip_exactly(stream: BinaryIO, count: int) -> None:
    """Read and discard `count` bytes, a piece at a time, because a damaged header may declare 4 GB."""
    while count:
        count -= len(_read_exactly(stream, min(count, 1 << 16)))

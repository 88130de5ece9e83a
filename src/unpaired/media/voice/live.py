"""Sound that comes while it is spoken: read from a stream, converted in bounded latency, written to a stream.

A stream is 16-bit little-endian PCM, bare (mono) or in a WAV file whose header need not know how long it is.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

import numpy as np

from unpaired.errors import UsageError
from unpaired.media.voice.convert import Change, convert_waves
from unpaired.media.voice.features import Representation
from unpaired.media.voice.loudness import Meter, gain
from unpaired.media.voice.recording import Wave, resampled
from unpaired.media.voice.seams import Windows
from unpaired.media.voice.survey import SHORTEST_SECONDS, SILENT

__all__ = ["Form", "convert_live", "latency_seconds", "read_live", "write_live"]

WINDOWS = Windows(core=64)
CHUNK_SECONDS = 0.5
"""Analysis and synthesis work on chunks of this length, or of twice the context that they need."""
BLOCK_SECONDS = 0.05
_LISTEN_SECONDS, _UPDATE_SECONDS = 60, 1
LOWEST_HZ, HIGHEST_HZ = 4000, 192000
PCM = "expected 16-bit PCM, as `ffmpeg -i - -c:a pcm_s16le -f wav -` makes it of other sound"
OTHERS = {b"fLaC": "FLAC", b"OggS": "OGG", b"ID3": "MP3", b"RF64": "RF64", b"RIFX": "RIFX", b"FORM": "AIFF"}
"""How streams begin that bare PCM does not, and what they are."""
_ENDLESS, _EXTENSIBLE = 0xFFFFFFFF, 0xFFFE
_LONGEST = 0x7FFF0000  # bytes; what writes to a pipe gives about the largest number there is


@dataclass(frozen=True)
class Form:
    """How a stream holds its sound: `wav` with a header, else bare."""

    sample_rate_hz: int
    channels: int = 1
    wav: bool = False


def latency_seconds(representation: Representation) -> float:
    """How long after a sound went in it has come out at the latest, computing apart."""
    hop = representation.hop_samples / representation.sample_rate_hz
    context = representation.context_frames
    analysis = max(round(CHUNK_SECONDS / hop), 2 * context) + 2 * context
    synthesis = round(CHUNK_SECONDS / hop) + representation.reach_frames
    windows = WINDOWS.core + WINDOWS.context + WINDOWS.fade
    return (analysis + windows + synthesis) * hop + 2 * BLOCK_SECONDS


def convert_live(
    waves: Iterable[Wave], sample_rate_hz: int, representation: Representation, apply: Change
) -> Iterator[Wave]:
    """Blocks of a wave to blocks of the converted one at the same rate, each `latency_seconds` later at most.

    Loudness is that of what has been heard so far, for the first minute of sound, and is given back. A sound of less
    than 0.1 s becomes silence.
    """
    stream: Iterator[Wave] = iter(waves)
    begun: list[Wave] = []
    least = round(SHORTEST_SECONDS * sample_rate_hz)
    while (count := sum(map(len, begun))) < least:
        if (wave := next(stream, None)) is None:
            return iter([np.zeros(count, np.float32)])
        begun.append(wave)
    rate, level = representation.sample_rate_hz, _Level(representation.sample_rate_hz)
    heard = level.raised(resampled(chain(begun, stream), sample_rate_hz, rate))
    made = convert_waves(heard, representation, apply, WINDOWS, CHUNK_SECONDS)
    return resampled(level.lowered(made), rate, sample_rate_hz)


def read_live(stream: BinaryIO, bare_rate_hz: int) -> tuple[Form, Iterator[Wave]]:
    """The form of a stream, and its sound as mono blocks; `bare_rate_hz` is the rate where it has no header.

    Raises UsageError for a WAV header that is damaged or of anything but 16-bit PCM, and for other sound files.
    """
    head = stream.read(4)
    if other := next((kind for begin, kind in OTHERS.items() if head.startswith(begin)), None):
        raise UsageError(f"the stream is of {other}; {PCM}")
    if head != b"RIFF":
        return Form(bare_rate_hz), _blocks(stream, Form(bare_rate_hz), head, math.inf)
    form, size = _wav_header(stream)
    return form, _blocks(stream, form, b"", size)


def write_live(stream: BinaryIO, waves: Iterable[Wave], form: Form) -> int:
    """Write mono blocks at the form's rate, each at once; gives the samples written."""
    if form.wav:
        stream.write(_header(form.sample_rate_hz))
    count = 0
    for wave in waves:
        stream.write(np.rint(np.clip(np.nan_to_num(wave), -1, 1) * 32767).astype("<i2").tobytes())
        stream.flush()
        count += len(wave)
    return count


class _Level:
    """Brings sound to the loudness of training, and what has been made of it back."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._rate, self._meter = sample_rate_hz, Meter(sample_rate_hz)
        self._heard, self._updated = 0, 0
        self._factor = 1.0
        self._given = np.zeros(0, np.float32)

    def raised(self, waves: Iterable[Wave]) -> Iterator[Wave]:
        """The blocks at the loudness of training; factors move evenly over a block."""
        for wave in waves:
            first, before = not self._heard, self._factor
            self._listen(wave)
            factors = np.linspace(self._factor if first else before, self._factor, len(wave), dtype=np.float32)
            self._given = np.concatenate([self._given, factors])
            yield wave * factors

    def lowered(self, waves: Iterable[Wave]) -> Iterator[Wave]:
        """What was made of them, each sample by the factor of the sample in its place."""
        for wave in waves:
            factors, self._given = self._given[: len(wave)], self._given[len(wave) :]
            yield wave / factors

    def _listen(self, wave: Wave) -> None:
        if self._heard >= _LISTEN_SECONDS * self._rate or not len(wave) or np.abs(wave).max() < SILENT:
            return
        self._meter.add(wave)
        self._heard += len(wave)
        if self._heard < self._rate or self._heard - self._updated >= _UPDATE_SECONDS * self._rate:
            self._factor, self._updated = gain(self._meter.lufs()), self._heard


def _blocks(stream: BinaryIO, form: Form, begun: bytes, size: float) -> Iterator[Wave]:
    step = 2 * form.channels
    want = step * max(1, round(BLOCK_SECONDS * form.sample_rate_hz))
    left, rest = size, begun
    while left > 0 and (found := stream.read(int(min(want - len(rest), left)))):
        left -= len(found)
        found = rest + found
        whole = len(found) // step * step
        rest = found[whole:]
        samples = np.frombuffer(found[:whole], "<i2").reshape(-1, form.channels)
        yield np.asarray(samples.mean(1) / 32768, np.float32)


def _wav_header(stream: BinaryIO) -> tuple[Form, float]:
    """The form, and the bytes of sound that follow; reads up to the first of them."""
    if _exactly(stream, 8)[4:] != b"WAVE":
        raise UsageError(f"the stream begins like a WAV file, but is none; {PCM}")
    form = None
    while True:
        name, size = struct.unpack("<4sI", _exactly(stream, 8))
        if name == b"data":
            break
        body = _exactly(stream, size + size % 2)
        if name == b"fmt ":
            form = _form(body)
    if form is None:
        raise UsageError("the stream's WAV header does not say what its sound is; expected a chunk 'fmt '")
    return form, size if 0 < size < _LONGEST else math.inf


def _form(body: bytes) -> Form:
    if len(body) < 16:
        raise UsageError(f"the stream's WAV header is damaged; {PCM}")
    kind, channels, rate, _, _, bits = struct.unpack("<HHIIHH", body[:16])
    if kind == _EXTENSIBLE and len(body) >= 26:
        (kind,) = struct.unpack("<H", body[24:26])
    if kind != 1 or bits != 16 or not channels:
        raise UsageError(f"the stream's WAV has {bits} bits (format {kind}) and {channels} channels; {PCM}")
    if not LOWEST_HZ <= rate <= HIGHEST_HZ:
        raise UsageError(f"the stream's WAV has {rate} Hz; expected {LOWEST_HZ} to {HIGHEST_HZ} Hz")
    return Form(rate, channels, wav=True)


def _header(rate_hz: int) -> bytes:
    """The header of a mono WAV whose length is not known."""
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate_hz, 2 * rate_hz, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", _ENDLESS, b"WAVE") + sound + struct.pack("<4sI", b"data", _ENDLESS)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    found = stream.read(count)
    if len(found) < count:
        raise UsageError(f"the stream ends within its WAV header; {PCM}")
    return found

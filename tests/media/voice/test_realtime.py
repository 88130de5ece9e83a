from __future__ import annotations

import io
import struct
from collections.abc import Iterator

import numpy as np
import pytest
from voice_worlds import buzz

from unpaired.errors import UsageError
from unpaired.media.voice import realtime
from unpaired.media.voice.audio_io import Wave
from unpaired.media.voice.conversion import convert_wave
from unpaired.media.voice.features import VoiceFeatures
from unpaired.media.voice.loudness import measure_loudness
from unpaired.media.voice.mel import Mel
from unpaired.media.voice.realtime import (
    PcmFormat,
    compute_latency_seconds,
    convert_realtime,
    read_pcm_stream,
    write_pcm_stream,
)
from unpaired.media.voice.world import World

RATE = 16000
WORLD = World()


def same(features: VoiceFeatures) -> VoiceFeatures:
    return features


def pcm(wave: Wave) -> bytes:
    return np.rint(wave * 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module")
def speech() -> Wave:
    return np.concatenate([np.zeros(RATE // 2, np.float32), 2 * buzz(11, RATE), np.zeros(RATE // 2, np.float32)])


def test_stream_conversion_approximates_one_call(speech: Wave) -> None:
    whole, _ = convert_wave(speech, WORLD, same)
    parts = (speech[i : i + 800] for i in range(0, len(speech), 800))
    converted = np.concatenate(list(convert_realtime(parts, RATE, WORLD, same)))
    assert len(converted) == len(speech)
    assert measure_loudness(converted, RATE) == pytest.approx(measure_loudness(speech, RATE), abs=1)
    # The vocoder draws other noise at chunk boundaries, so spectra are compared; boundaries must not click.
    for begin in range(2 * RATE, 11 * RATE, RATE):
        a, b = (np.abs(np.fft.rfft(x[begin : begin + RATE] * np.hanning(RATE))) for x in (whole, converted))
        assert np.corrcoef(a, b)[0, 1] > 0.95, begin
    assert np.abs(np.diff(converted)).max() < 1.5 * np.abs(np.diff(whole)).max()


def test_latency_is_at_most_the_computed_latency(speech: Wave) -> None:
    given, worst = 0, 0.0

    def heard() -> Iterator[Wave]:
        nonlocal given
        for i in range(0, len(speech), 800):
            given += len(speech[i : i + 800])
            yield speech[i : i + 800]

    out = 0
    for wave in convert_realtime(heard(), RATE, WORLD, same):
        worst = max(worst, (given - out) / RATE)  # time since the first sample of this block was read
        out += len(wave)
    assert 0.5 < worst <= compute_latency_seconds(WORLD) < 6
    assert compute_latency_seconds(Mel("griffin-lim")) < 4


def test_raw_and_wav_streams_are_converted(monkeypatch: pytest.MonkeyPatch) -> None:
    wave = buzz(0.3, 8000)
    form, blocks = read_pcm_stream(io.BytesIO(pcm(wave) + b"\x01"), 8000)
    assert form == PcmFormat(8000)
    assert np.abs(np.concatenate(list(blocks)) - wave).max() < 1e-4
    out = io.BytesIO()
    assert (
        write_pcm_stream(out, [wave, np.array([2.0, np.nan], np.float32)], PcmFormat(8000, 1, has_wav_header=True))
        == len(wave) + 2
    )
    form, blocks = read_pcm_stream(io.BytesIO(out.getvalue()), 44100)
    assert form == PcmFormat(8000, 1, has_wav_header=True)
    again = np.concatenate(list(blocks))
    assert np.abs(again[:-2] - wave).max() < 1e-4 and again[-2] > 0.99 and again[-1] == 0


def test_stream_channels_are_averaged_up_to_the_declared_length() -> None:
    samples = np.array([[1000, 3000], [-400, 400], [7, 9]], "<i2")
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, 8000, 32000, 4, 16)
    note = struct.pack("<4sI", b"LIST", 3) + b"abc\0"
    wav = b"RIFF\0\0\0\0WAVE" + note + fmt + struct.pack("<4sI", b"data", 8) + samples.tobytes()
    form, blocks = read_pcm_stream(io.BytesIO(wav), 16000)
    assert form == PcmFormat(8000, 2, has_wav_header=True)
    assert np.concatenate(list(blocks)) * 32768 == pytest.approx([2000, 0])


@pytest.mark.parametrize(
    ("wav", "message"),
    [
        (b"RIFF\0\0\0\0AVI ", "not a WAV file"),
        (b"fLaC\0\0\0\x22", "is FLAC; expected 16-bit PCM"),
        (b"RIFF\0\0\0\0WAVE" + struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 100, 200, 2, 16), "has 100 Hz"),
        (b"RIFF\0\0\0\0WAVEfmt ", "ends within its WAV header"),
        (b"RIFF\0\0\0\0WAVEdata\0\0\0\0", "has no chunk 'fmt '"),
        (b"RIFF\0\0\0\0WAVE" + struct.pack("<4sIHHIIHH", b"fmt ", 16, 3, 1, 8000, 32000, 4, 32), "expected 16-bit PCM"),
    ],
)
def test_read_pcm_stream_raises_usage_error_for_other_formats(wav: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_pcm_stream(io.BytesIO(wav), 16000)


def test_silence_does_not_change_the_gain() -> None:
    level = realtime._LoudnessTracker(RATE)
    quiet = [np.zeros(800, np.float32) for _ in range(5)]
    loud = [buzz(0.05, RATE, seed=i) for i in range(20)]
    raised = list(level.normalise([*quiet, *loud]))
    assert not np.concatenate(raised[:5]).any()
    back = np.concatenate(list(level.restore(raised)))
    assert np.abs(back - np.concatenate([*quiet, *loud])).max() < 1e-6


def test_very_short_stream_becomes_silence() -> None:
    converted = list(convert_realtime([np.ones(100, np.float32)], RATE, WORLD, same))
    assert len(np.concatenate(converted)) == 100 and not np.concatenate(converted).any()
    assert not np.concatenate(list(convert_realtime([], RATE, WORLD, same))).any()


@pytest.mark.parametrize("channels", [0, 65, 65535])
def test_a_header_with_too_many_channels_raises_usage_error(channels: int) -> None:
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36, b"WAVE", b"fmt ", 16, 1, channels, 16000, 0, 0, 16, b"data", 0
    )
    with pytest.raises(UsageError, match=str(channels)):
        read_pcm_stream(io.BytesIO(head), 16000)


def test_a_chunk_of_a_wrong_length_is_not_read_at_once() -> None:
    class Stream(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            assert size is not None and 0 <= size <= 1 << 20
            return super().read(size)

    head = struct.pack("<4sI4s4sI", b"RIFF", 36, b"WAVE", b"junk", 0xFFFFFFF0)
    with pytest.raises(UsageError, match="header"):
        read_pcm_stream(Stream(head + b"x" * 100), 16000)

"""Tests that all sound of a file is decoded, even if the length in its header is wrong."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from unpaired.errors import UnreadableFileError
from unpaired.media.voice.audio_inspection import inspect_audio, read_header
from unpaired.media.voice.audio_io import read

RATE, COUNT = 16000, 64000


def encode(container: str, subtype: str | None = None, seconds: float = 4, rate: int = RATE, **options: Any) -> bytes:
    time = np.arange(round(seconds * rate)) / rate
    wave = 0.3 * np.sin(2 * np.pi * 220 * time) + 0.02 * np.random.default_rng(0).standard_normal(len(time))
    buffer = io.BytesIO()
    with soundfile.SoundFile(buffer, "w", rate, 1, format=container, subtype=subtype, **options) as file:
        file.write(wave.astype(np.float32))
    return buffer.getvalue()


def patch(data: bytes, offset: int, form: str, value: int) -> bytes:
    out = bytearray(data)
    struct.pack_into(form, out, offset, value)
    return bytes(out)


def inspect(tmp_path: Path, data: bytes, suffix: str) -> tuple[int, str]:
    path = tmp_path / f"talk.{suffix}"
    path.write_bytes(data)
    inspection = inspect_audio(path)
    assert read_header(path).samples == inspection.samples
    assert len(read(path, inspection.header.sample_rate_hz).wave) == inspection.samples
    return inspection.samples, " ".join(inspection.notes)


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT", "ULAW"])
@pytest.mark.parametrize("size", [0, 16000, 0xFFFFFFFF, 0x7FFFFFFF])
def test_wav(tmp_path: Path, subtype: str, size: int) -> None:
    data = encode("WAV", subtype)
    samples, notes = inspect(tmp_path, patch(data, data.index(b"data") + 4, "<I", size), "wav")
    assert samples == COUNT and "header" in notes and "4.0 s" in notes


@pytest.mark.parametrize("size", [0, 16008])
def test_aiff(tmp_path: Path, size: int) -> None:
    data = encode("AIFF")
    data = patch(data, data.index(b"SSND") + 4, ">I", size)
    data = patch(data, data.index(b"COMM") + 10, ">I", 0 if size == 0 else 8000)
    samples, notes = inspect(tmp_path, data, "aiff")
    assert samples == COUNT and "header" in notes


@pytest.mark.parametrize("size", [-1, 0, 4, 16004])
def test_caf(tmp_path: Path, size: int) -> None:
    data = encode("CAF")
    samples, notes = inspect(tmp_path, patch(data, data.index(b"data") + 4, ">q", size), "caf")
    assert samples == COUNT and "header" in notes


@pytest.mark.parametrize("size", [0, 16000])
def test_au(tmp_path: Path, size: int) -> None:
    assert inspect(tmp_path, patch(encode("AU"), 8, ">I", size), "au")[0] == COUNT


@pytest.mark.parametrize("total", [0, 1000, 63000])
def test_flac(tmp_path: Path, total: int) -> None:
    data = encode("FLAC")
    field = int.from_bytes(data[18:26], "big") & ~((1 << 36) - 1) | total
    samples, notes = inspect(tmp_path, data[:18] + field.to_bytes(8, "big") + data[26:], "flac")
    assert samples == COUNT and "header" in notes


@pytest.mark.parametrize("rate", [16000, 44100])
def test_mp3_without_a_length_frame(tmp_path: Path, rate: int) -> None:
    quiet = np.zeros(rate, np.float32)
    wave = np.random.default_rng(0).standard_normal(9 * rate).astype(np.float32) * 0.2
    path = tmp_path / "talk.mp3"
    with soundfile.SoundFile(
        path, "w", rate, 1, "MPEG_LAYER_III", format="MP3", compression_level=0.3, bitrate_mode="VARIABLE"
    ) as file:
        file.write(np.concatenate([quiet, wave]))
    data = path.read_bytes()
    first = data.index(b"\xff", data.index(b"Xing"))
    first = next(i for i in range(first, len(data)) if data[i] == 0xFF and data[i + 1] == data[data.index(b"\xff") + 1])
    samples, _ = inspect(tmp_path, data[first:], "mp3")
    assert abs(samples / rate - 10) < 0.2


def test_bytes_before_mp3_frames_are_skipped(tmp_path: Path) -> None:
    assert inspect(tmp_path, bytes(400) + encode("MP3"), "mp3")[0] >= COUNT


@pytest.mark.parametrize(
    ("container", "subtype", "suffix"), [("OGG", "VORBIS", "ogg"), ("OGG", "OPUS", "opus"), ("WAV", None, "wav")]
)
def test_concatenated_files_are_decoded_completely(
    tmp_path: Path, container: str, subtype: str | None, suffix: str
) -> None:
    samples, notes = inspect(tmp_path, 3 * encode(container, subtype), suffix)
    assert samples == 3 * COUNT and "3 concatenated streams" in notes


def test_streams_of_another_rate_are_counted(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(44100) + 0.1, 44100, format="OGG", subtype="VORBIS")
    samples, notes = inspect(tmp_path, encode("OGG", "VORBIS") + buffer.getvalue(), "ogg")
    assert samples == COUNT and "1 of its streams not used" in notes


def test_chunks_after_the_data_chunk_are_not_decoded(tmp_path: Path) -> None:
    data = encode("WAV")
    for tail in (b"LIST\x04\0\0\0INFO", bytes(100)):
        assert inspect(tmp_path, data + tail, "wav") == (COUNT, "")


@pytest.mark.parametrize(
    ("container", "suffix"), [("WAV", "wav"), ("AIFF", "aiff"), ("CAF", "caf"), ("AU", "au"), ("OGG", "ogg")]
)
def test_truncated_files_have_a_note(tmp_path: Path, container: str, suffix: str) -> None:
    data = encode(container)
    samples, notes = inspect(tmp_path, data[: len(data) // 2], suffix)
    assert 0 < samples < COUNT and "cut short" in notes


def test_recordings_longer_than_max_hours_are_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.flac").write_bytes(encode("FLAC"))
    monkeypatch.setenv("UNPAIRED_MAX_HOURS", "0.001")
    with pytest.raises(UnreadableFileError, match=r"a\.flac.*--max-hours"):
        inspect_audio(tmp_path / "a.flac")


def test_unsupported_sample_rates_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(patch(encode("WAV"), 24, "<I", 1))
    with pytest.raises(UnreadableFileError, match=r"a\.wav.* 1 Hz"):
        inspect_audio(tmp_path / "a.wav")

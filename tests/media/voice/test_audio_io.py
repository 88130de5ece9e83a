from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile
from open_files import no_more_open_files
from voice_sounds import buzz, tone

from unpaired.errors import ResourceLimitError, UnreadableFileError, UsageError, WorkError
from unpaired.media.voice import audio_io
from unpaired.media.voice.audio_inspection import inspect_audio, read_header
from unpaired.media.voice.audio_io import Recording, Wave, read, read_blocks, resample, write
from unpaired.media.voice.cache import Cache
from unpaired.media.voice.world import World


def saved(path: Path, wave: Wave, rate: int = 16000, subtype: str | None = None) -> Path:
    soundfile.write(path, wave, rate, subtype=subtype)
    return path


@pytest.mark.parametrize(
    ("name", "subtype", "error"),
    [
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-6),
        ("a.wav", "FLOAT", 0),
        ("a.wav", "PCM_U8", 1e-2),
        ("a.flac", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 0.05),
        ("a.mp3", None, 0.05),
    ],
)
def test_supported_formats_are_read(tmp_path: Path, name: str, subtype: str | None, error: float) -> None:
    wave = tone(1)
    found = read(saved(tmp_path / name, wave, subtype=subtype), 16000)
    assert found.sample_rate_hz == 16000 and found.notes == ()
    assert np.abs(found.wave[2000:14000] - wave[2000:14000]).max() <= error
    assert found.wave.dtype == np.float32
    assert found.seconds == pytest.approx(1, abs=0.08)


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
def test_any_rate_is_resampled_to_the_requested_rate(tmp_path: Path, rate: int) -> None:
    found = read(saved(tmp_path / "a.wav", tone(1, rate), rate), 16000)
    assert abs(len(found.wave) - 16000) <= 2
    assert np.abs(found.wave[500:15500] - tone(1)[500:15500]).max() < 2e-3
    assert any("upsampled" in note and f"{rate} Hz" in note for note in found.notes) == (rate < 16000)


def test_resampling_is_independent_of_blocks() -> None:
    wave = buzz(2, 44100)
    whole = np.concatenate(list(resample([wave], 44100, 16000)))
    parts = np.concatenate(list(resample(np.split(wave, [7, 1000, 1001, 50000]), 44100, 16000)))
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_channels_are_averaged(tmp_path: Path) -> None:
    a, b = tone(1, hz=300), tone(1, hz=700)
    path = saved(tmp_path / "a.wav", np.stack([a, b], 1), subtype="FLOAT")
    np.testing.assert_allclose(read(path, 16000).wave, (a + b) / 2, atol=1e-6)


@pytest.mark.parametrize("dead", [0.0, 0.25])  # digital zero and a constant
def test_a_channel_without_signal_is_ignored(tmp_path: Path, dead: float) -> None:
    wave = tone(1)
    path = saved(tmp_path / "a.wav", np.stack([wave, np.full_like(wave, dead)], 1), subtype="FLOAT")
    found = read(path, 16000)
    np.testing.assert_allclose(found.wave, wave, atol=1e-6)
    assert len(found.notes) == 1 and "channel 2 of 2" in found.notes[0]


def test_a_few_nonfinite_samples_are_interpolated(tmp_path: Path) -> None:
    wave = tone(1, hz=100)
    broken = wave.copy()
    broken[[0, 500, 501, 15999]] = [np.nan, np.inf, -np.inf, np.nan]
    found = read(saved(tmp_path / "a.wav", broken, subtype="FLOAT"), 16000)
    assert np.abs(found.wave - wave).max() < 0.03
    assert len(found.notes) == 1 and "4 samples are NaN or infinite" in found.notes[0]


def test_many_nonfinite_samples_are_rejected(tmp_path: Path) -> None:
    wave = tone(1)
    wave[100:200] = np.nan
    with pytest.raises(UnreadableFileError, match=r"a\.wav: 100 of its 16000 samples are NaN or infinite"):
        inspect_audio(saved(tmp_path / "a.wav", wave, subtype="FLOAT"))


def test_clipping_is_noted(tmp_path: Path) -> None:
    wave = np.clip(tone(1, hz=100, peak=2.0), -1, 1)
    assert any(note.startswith("clipped: ") for note in inspect_audio(saved(tmp_path / "a.wav", wave)).notes)
    # Only single samples at its peaks reach full scale.
    assert inspect_audio(saved(tmp_path / "b.wav", tone(1, hz=1000, peak=1.0))).notes == ()


def test_silence_is_noted(tmp_path: Path) -> None:
    found = inspect_audio(saved(tmp_path / "a.wav", np.zeros(16000, np.float32)))
    assert found.is_silent and found.notes == ("silent: its loudest sample is digital zero",)
    found = inspect_audio(saved(tmp_path / "b.wav", tone(1, peak=3e-4), subtype="FLOAT"))
    assert found.is_silent and found.notes == ("silent: its loudest sample is -70 dB",)


def cut(path: Path, fraction: float = 0.5) -> Path:
    data = path.read_bytes()
    path.write_bytes(data[: round(fraction * len(data))])
    return path


def test_truncated_flac_is_rejected(tmp_path: Path) -> None:
    path = cut(saved(tmp_path / "a.flac", buzz(2)))
    assert read_header(path).samples == 32000  # the header does not show the truncation
    with pytest.raises(UnreadableFileError, match=r"a\.flac: is cut short"):
        inspect_audio(path)


def test_truncated_mp3_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=r"a\.mp3: is cut short"):
        inspect_audio(cut(saved(tmp_path / "a.mp3", buzz(4))))


def test_truncated_wav_is_read_to_its_end(tmp_path: Path) -> None:
    found = read(cut(saved(tmp_path / "a.wav", buzz(2))), 16000)
    assert found.seconds == pytest.approx(1, abs=0.01)
    assert len(found.notes) == 1 and found.notes[0].startswith("cut short")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"What was said, in writing.\n" * 9, "is not in a supported sound format"),
        (b"\x89PNG\r\n\x1a\n" + bytes(200), "is not in a supported sound format"),
    ],
)
def test_files_without_sound_are_rejected_with_a_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(content)
    for read_function in (read_header, inspect_audio, lambda p: read(p, 16000)):
        with pytest.raises(UnreadableFileError, match=f"talk.wav: {reason}"):
            read_function(path)


def test_missing_files_and_folders_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="does not exist"):
        read_header(tmp_path / "none.wav")
    with pytest.raises(UnreadableFileError, match="is a folder"):
        read_header(tmp_path)


def test_other_formats_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1), 16000, format="VOC", subtype="PCM_16")
    with pytest.raises(UnreadableFileError, match="VOC files are not supported"):
        read_header(path)


def test_empty_and_very_short_files_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="10 ms long; expected at least 100 ms"):
        inspect_audio(saved(tmp_path / "a.wav", tone(0.01)))
    with pytest.raises(UnreadableFileError, match="0 samples"):
        inspect_audio(saved(tmp_path / "b.wav", tone(0)))


@pytest.mark.parametrize(("name", "error"), [("a.wav", 1e-4), ("a.flac", 1e-4), ("a.ogg", 0.05)])
def test_written_files_are_read_back(tmp_path: Path, name: str, error: float) -> None:
    wave = tone(1)
    Recording(wave, 16000).save(tmp_path / name)
    assert np.abs(read(tmp_path / name, 16000).wave - wave)[200:-200].max() <= error
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_values_beyond_full_scale_are_clipped_except_as_float(tmp_path: Path) -> None:
    wave = tone(1, peak=3)
    write(tmp_path / "a.wav", wave, 16000)
    assert np.abs(read(tmp_path / "a.wav", 16000).wave).max() <= 1
    write(tmp_path / "b.wav", wave, 16000, as_float=True)
    np.testing.assert_array_equal(read(tmp_path / "b.wav", 16000).wave, wave)


def test_files_are_written_atomically(tmp_path: Path) -> None:
    def broken() -> itertools.chain[Wave]:
        def fails() -> Wave:
            raise OSError(28, "No space left on device")

        return itertools.chain([tone(1)], (fails() for _ in range(1)))

    (tmp_path / "a.wav").write_text("before")
    with pytest.raises(WorkError, match="the disk is full"):
        write(tmp_path / "a.wav", broken(), 16000)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]


def test_write_raises_usage_error_for_unknown_suffixes(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot write '\.mp3' .*\.flac"):
        write(tmp_path / "a.mp3", tone(1), 16000)


def test_blocks_stay_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unpaired.media.voice.audio_inspection._BLOCK_SAMPLES", 4000)
    wave = buzz(2)
    parts = list(read_blocks(saved(tmp_path / "a.wav", wave, subtype="FLOAT"), 16000))
    assert max(map(len, parts)) <= 4000
    np.testing.assert_array_equal(np.concatenate(parts), wave)
    assert audio_io.read(tmp_path / "a.wav", 16000).wave.shape == wave.shape


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_recordings_are_not_called_damaged_if_too_many_files_are_open(tmp_path: Path, name: str) -> None:
    path, cache = saved(tmp_path / name, tone(1)), Cache(tmp_path / "cache")
    for action in (read_header, inspect_audio, lambda file: cache.analyse([file], World(), workers=1)):
        with no_more_open_files(path), pytest.raises(ResourceLimitError, match=rf"{name}.*ulimit -n"):
            action(path)
    assert inspect_audio(path).seconds == pytest.approx(1, abs=0.08)

"""Reading and writing of sound files as mono waves, in blocks, so that memory use does not depend on the length.

A wave is (samples,) float32 with full scale 1. Channels with signal are averaged. A few NaN or infinite samples are
interpolated; files with many are rejected (see `inspect_audio`).
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from unpaired.atomic import atomic_write, get_part_path
from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.audio_inspection import AudioInspection, inspect_audio, read_raw_blocks
from unpaired.media.voice.audio_statistics import ChannelBlock
from unpaired.media.voice.settings import WRITTEN_FORMATS

__all__ = ["Recording", "Wave", "check_suffix", "mix_to_mono", "read", "read_blocks", "resample", "write"]

Wave = npt.NDArray[np.float32]
_WRITE_CHUNK_SAMPLES = 1 << 16  # libsndfile's Vorbis encoder overflows the stack if one call writes minutes of sound


@dataclass(frozen=True, eq=False)
class Recording:
    """Sound in memory: wave (samples,) float32, sample rate, and notes for the user on its problems."""

    wave: Wave
    sample_rate_hz: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return len(self.wave) / self.sample_rate_hz

    def save(self, path: str | Path) -> None:
        """Write it in the format of the suffix (.wav, .flac, .ogg, .aiff, .caf); raises UsageError and WorkError."""
        write(Path(path), self.wave, self.sample_rate_hz)


def read(path: Path, sample_rate_hz: int) -> Recording:
    """Read a whole file as one mono wave at the given rate; raises UnreadableFileError (see `inspect_audio`)."""
    inspection = inspect_audio(path)
    parts = list(read_blocks(path, sample_rate_hz, inspection))
    return Recording(np.concatenate(parts), sample_rate_hz, inspection.notes)


def read_blocks(path: Path, sample_rate_hz: int, inspection: AudioInspection | None = None) -> Iterator[Wave]:
    """Return the file as mono blocks at the given rate, in constant memory; `inspection` avoids inspecting it again."""
    inspection = inspection or inspect_audio(path)
    waves = (mix_to_mono(block, inspection.active_channels) for block in read_raw_blocks(path))
    return resample(waves, inspection.header.sample_rate_hz, sample_rate_hz)


def mix_to_mono(block: ChannelBlock, active_channels: tuple[int, ...]) -> Wave:
    """Average the active channels of a block (samples, channels); NaN and infinite samples are interpolated in it."""
    mixed = (
        block[:, active_channels].mean(1, dtype=np.float32)
        if len(active_channels) > 1
        else np.ascontiguousarray(block[:, active_channels[0]])
    )
    is_finite = np.isfinite(mixed)
    if not is_finite.all():
        indices = np.arange(len(mixed))
        mixed = np.interp(indices, indices[is_finite], mixed[is_finite]) if is_finite.any() else np.zeros(len(mixed))
    return np.asarray(mixed, np.float32)


def resample(waves: Iterable[Wave], from_hz: int, to_hz: int) -> Iterator[Wave]:
    """Resample blocks (soxr, high quality); the result does not depend on the division into blocks."""
    if from_hz == to_hz:
        yield from waves
        return
    stream = soxr.ResampleStream(from_hz, to_hz, 1, dtype="float32", quality="HQ")
    for wave in waves:
        if len(out := stream.resample_chunk(wave)):
            yield out
    if len(out := stream.resample_chunk(np.zeros(0, np.float32), last=True)):
        yield out


def write(
    path: Path,
    waves: Wave | Iterable[Wave],
    sample_rate_hz: int,
    as_float: bool = False,
    channels: int = 1,
    comment: str = "",
) -> None:
    """Write a wave, or its blocks, atomically in the format of the suffix: .wav, .flac, .ogg, .aiff or .caf.

    Blocks of several `channels` are (samples, channels). Values beyond full scale are clipped. `as_float` writes
    float32 samples without clipping (.wav only). `comment` is stored in the file's metadata. Raises UsageError for
    other suffixes, WorkError if writing fails.
    """
    check_suffix(path)
    suffix = path.suffix.lower()
    if as_float and suffix != ".wav":
        raise UsageError(f"{path}: float samples can only be written to .wav files")
    container, subtype = WRITTEN_FORMATS[suffix]
    with atomic_write(path, get_part_path(path)) as part:
        blocks = [waves] if isinstance(waves, np.ndarray) else waves
        encoding = "FLOAT" if as_float else subtype
        with _OutputFile(part, "wb") as raw:
            try:
                with soundfile.SoundFile(raw, "w", sample_rate_hz, channels, encoding, format=container) as file:
                    if comment:
                        file.comment = comment
                    _write_blocks(file, blocks, as_float)
            except (soundfile.LibsndfileError, AssertionError) as error:  # soundfile asserts that all was written
                raise WorkError(f"{path}: cannot be written ({raw.error or error})") from error
            if raw.error:
                raise WorkError(f"{path}: cannot be written ({raw.error})")


class _OutputFile(io.FileIO):
    """File that keeps the text of the first error of writing instead of raising it.

    libsndfile writes through a callback, which cannot raise, and it ignores errors in some formats (Vorbis).
    """

    error = ""

    def write(self, data: Any) -> int:
        """Write as much as possible; returns the number of bytes."""
        view, written = memoryview(data), 0
        try:
            while written < len(view):
                written += super().write(view[written:])
        except OSError as error:
            self.error = self.error or error.strerror or str(error)
        return written


def check_suffix(path: Path) -> None:
    """Raise UsageError if `write` does not support the suffix."""
    if path.suffix.lower() not in WRITTEN_FORMATS:
        supported = ", ".join(sorted(WRITTEN_FORMATS))
        raise UsageError(f"{path}: cannot write '{path.suffix.lower()}' files; expected one of {supported}")


def _write_blocks(file: soundfile.SoundFile, waves: Iterable[Wave], as_float: bool) -> None:
    for wave in waves:
        for start in range(0, len(wave), _WRITE_CHUNK_SAMPLES):
            chunk = wave[start : start + _WRITE_CHUNK_SAMPLES]
            file.write(chunk if as_float else np.clip(np.nan_to_num(chunk), -1, 1))

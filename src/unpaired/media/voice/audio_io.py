"""Sound files to mono waves and back, in blocks, so that length costs no memory. Nothing else opens sound files.

A wave is (samples,) float32, full scale 1. Channels that carry sound are averaged. Samples that are no numbers are
filled in from their neighbours where they are few, else the file is refused (`survey`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from unpaired.atomic import atomic_write, get_part_path
from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.audio_inspection import AudioInspection, ChannelBlock, inspect_audio, read_raw_blocks
from unpaired.media.voice.settings import WRITTEN_FORMATS

__all__ = ["Recording", "Wave", "check_suffix", "mix_to_mono", "read", "read_blocks", "resample", "write"]

Wave = npt.NDArray[np.float32]
_WRITE_CHUNK_SAMPLES = 1 << 16  # libsndfile's Vorbis encoder overflows the stack when it is given minutes at once


@dataclass(frozen=True, eq=False)
class Recording:
    """A sound in memory: wave (samples,) float32, its rate, and what a user should know of it, in words."""

    wave: Wave
    sample_rate_hz: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.wave) / self.sample_rate_hz

    def save(self, path: str | Path) -> None:
        """Write it by its suffix (.wav, .flac, .ogg, .aiff, .caf); raises UsageError, WorkError."""
        write(Path(path), self.wave, self.sample_rate_hz)


def read(path: Path, sample_rate_hz: int) -> Recording:
    """A whole file as one mono wave at the asked rate; raises UnreadableFile (see `survey`)."""
    inspection = inspect_audio(path)
    parts = list(read_blocks(path, sample_rate_hz, inspection))
    return Recording(np.concatenate(parts), sample_rate_hz, inspection.notes)


def read_blocks(path: Path, sample_rate_hz: int, inspection: AudioInspection | None = None) -> Iterator[Wave]:
    """The file as mono blocks at the asked rate, in constant memory; `found` saves surveying it again."""
    inspection = inspection or inspect_audio(path)
    waves = (mix_to_mono(block, inspection.active_channels) for block in read_raw_blocks(path))
    return resample(waves, inspection.header.sample_rate_hz, sample_rate_hz)


def mix_to_mono(block: ChannelBlock, active_channels: tuple[int, ...]) -> Wave:
    """Mean of the live channels of (samples, channels); NaN and infinite samples are interpolated within the block."""
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
    """Blocks at another rate (soxr, high quality); a stream's result is that of one call on the whole."""
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
    path: Path, waves: Wave | Iterable[Wave], sample_rate_hz: int, as_float: bool = False, channels: int = 1
) -> None:
    """Write a wave, or blocks of one, in the format of the suffix: .wav, .flac, .ogg, .aiff, .caf; whole or not at all.

    Blocks of several `channels` are (samples, channels). Values beyond full scale are clipped to it. `as_float` keeps
    float32 samples (.wav alone) and clips nothing. Raises UsageError for other suffixes, WorkError where the system
    refuses.
    """
    check_suffix(path)
    suffix = path.suffix.lower()
    if as_float and suffix != ".wav":
        raise UsageError(f"{path}: exact samples need a .wav file")
    container, subtype = WRITTEN_FORMATS[suffix]
    with atomic_write(path, get_part_path(path)) as part:
        try:
            blocks = [waves] if isinstance(waves, np.ndarray) else waves
            encoding = "FLOAT" if as_float else subtype
            with (
                part.open("wb") as raw,
                soundfile.SoundFile(raw, "w", sample_rate_hz, channels, encoding, format=container) as file,
            ):
                _write_blocks(file, blocks, as_float)
        except soundfile.LibsndfileError as error:
            raise WorkError(f"{path}: cannot be written ({error})") from error


def check_suffix(path: Path) -> None:
    """Raises UsageError where `write` does not know the suffix."""
    if path.suffix.lower() not in WRITTEN_FORMATS:
        supported = ", ".join(sorted(WRITTEN_FORMATS))
        raise UsageError(f"{path}: cannot write '{path.suffix.lower()}' sounds; expected one of {supported}")


def _write_blocks(file: soundfile.SoundFile, waves: Iterable[Wave], as_float: bool) -> None:
    for wave in waves:
        for start in range(0, len(wave), _WRITE_CHUNK_SAMPLES):
            chunk = wave[start : start + _WRITE_CHUNK_SAMPLES]
            file.write(chunk if as_float else np.clip(np.nan_to_num(chunk), -1, 1))

"""Sound files to mono waves and back, in blocks, so that length costs no memory. Nothing else opens sound files.

A wave is (samples,) float32, full scale 1. Channels that carry sound are averaged. Samples that are no numbers are
filled in from their neighbours where they are few, else the file is refused (`survey`).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from unpaired.atomic import whole
from unpaired.errors import UsageError, WorkError
from unpaired.media.voice.survey import Raw, Survey, raw_blocks, survey

__all__ = ["Recording", "Wave", "blocks", "check_suffix", "mono", "read", "resampled", "write"]

Wave = npt.NDArray[np.float32]
_KINDS = {".wav": ("WAV", "PCM_16"), ".flac": ("FLAC", "PCM_16"), ".ogg": ("OGG", "VORBIS")}
_CHUNK = 1 << 16  # libsndfile's Vorbis encoder overflows the stack when it is given minutes at once


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
        """Write it by its suffix (.wav, .flac, .ogg); raises UsageError, WorkError."""
        write(Path(path), self.wave, self.sample_rate_hz)


def read(path: Path, sample_rate_hz: int) -> Recording:
    """A whole file as one mono wave at the asked rate; raises UnreadableFile (see `survey`)."""
    found = survey(path)
    parts = list(blocks(path, sample_rate_hz, found))
    return Recording(np.concatenate(parts), sample_rate_hz, found.notes)


def blocks(path: Path, sample_rate_hz: int, found: Survey | None = None) -> Iterator[Wave]:
    """The file as mono blocks at the asked rate, in constant memory; `found` saves surveying it again."""
    found = found or survey(path)
    waves = (mono(block, found.live) for block in raw_blocks(path))
    return resampled(waves, found.facts.sample_rate_hz, sample_rate_hz)


def mono(block: Raw, live: tuple[int, ...]) -> Wave:
    """Mean of the live channels of (samples, channels); NaN and infinite samples are interpolated within the block."""
    mixed = block[:, live].mean(1, dtype=np.float32) if len(live) > 1 else np.ascontiguousarray(block[:, live[0]])
    sound = np.isfinite(mixed)
    if not sound.all():
        where = np.arange(len(mixed))
        mixed = np.interp(where, where[sound], mixed[sound]) if sound.any() else np.zeros(len(mixed))
    return np.asarray(mixed, np.float32)


def resampled(waves: Iterable[Wave], from_hz: int, to_hz: int) -> Iterator[Wave]:
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


def write(path: Path, waves: Wave | Iterable[Wave], sample_rate_hz: int, exact: bool = False) -> None:
    """Write a wave, or blocks of one, in the format of the suffix: .wav, .flac, .ogg; whole or not at all.

    Values beyond full scale are clipped to it. `exact` keeps float32 samples (.wav alone) and clips nothing. Raises
    UsageError for other suffixes, WorkError where the system refuses.
    """
    check_suffix(path)
    suffix = path.suffix.lower()
    if exact and suffix != ".wav":
        raise UsageError(f"{path}: exact samples need a .wav file")
    kind, coding = _KINDS[suffix]
    with whole(path, path.with_name(f".{path.name}.{os.getpid()}.part")) as part:
        try:
            _write(part, [waves] if isinstance(waves, np.ndarray) else waves, sample_rate_hz, kind, coding, exact)
        except soundfile.LibsndfileError as error:
            raise WorkError(f"{path}: cannot be written ({error})") from error


def check_suffix(path: Path) -> None:
    """Raises UsageError where `write` does not know the suffix."""
    if path.suffix.lower() not in _KINDS:
        known = ", ".join(sorted(_KINDS))
        raise UsageError(f"{path}: cannot write '{path.suffix.lower()}' sounds; expected one of {known}")


def _write(part: Path, waves: Iterable[Wave], rate_hz: int, kind: str, coding: str, exact: bool) -> None:
    with (
        part.open("wb") as raw,
        soundfile.SoundFile(raw, "w", rate_hz, 1, "FLOAT" if exact else coding, format=kind) as file,
    ):
        for wave in waves:
            for start in range(0, len(wave), _CHUNK):
                chunk = wave[start : start + _CHUNK]
                file.write(chunk if exact else np.clip(np.nan_to_num(chunk), -1, 1))

"""What a sound file holds, found out by decoding it once in blocks: what is fit for use, and what to tell of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from unpaired.errors import UnreadableFile

__all__ = ["SHORTEST_SECONDS", "Facts", "Survey", "probe", "raw_blocks", "survey"]

SHORTEST_SECONDS = 0.1
"""Shorter recordings are refused: no frame of speech fits into them."""
NARROW_HZ = 16000
"""Recordings of a lower sample rate lack part of speech's band."""
DEAD = 1e-3
"""A channel whose deviation is below this share of the loudest one's (-60 dB) is dead."""
SILENT = 1e-3
"""A recording that never exceeds this (-60 dB of full scale) is silent."""
BROKEN = 1e-3
"""A larger share of NaN or infinite samples is refused; fewer are mended."""
CLIPPED = 3
"""As many samples at full scale, one after the other, are clipped."""
_BLOCK = 1 << 18
_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3")

Raw = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Facts:
    """What a sound file's header says; `samples` per channel is an estimate for MP3 and 0 where it is not said."""

    sample_rate_hz: int
    channels: int
    samples: int
    format: str

    @property
    def seconds(self) -> float:
        """Length by the header."""
        return self.samples / self.sample_rate_hz


@dataclass(frozen=True)
class Survey:
    """What decoding a whole file showed: `live` are the channels to mix, `notes` what a user should know, in words."""

    facts: Facts
    samples: int
    live: tuple[int, ...]
    peak: float
    notes: tuple[str, ...]

    @property
    def silent(self) -> bool:
        """Whether it never exceeds -60 dB of full scale."""
        return self.peak < SILENT

    @property
    def seconds(self) -> float:
        """Length as decoded."""
        return self.samples / self.facts.sample_rate_hz


def probe(path: Path) -> Facts:
    """Read a sound file's header; raises UnreadableFile where there is none to read."""
    with _opened(path) as file:
        return _facts(file)


def survey(path: Path) -> Survey:
    """Decode a whole file in constant memory and judge it.

    Raises UnreadableFile for what is no sound, is empty, is cut short (a cut WAV is used as far as it goes), is shorter
    than 0.1 s, or has more than 1 in 1000 samples that are no numbers.
    """
    facts, tally = probe(path), None
    for block in raw_blocks(path):
        tally = tally or _Tally(block.shape[1])
        tally.add(block)
    if tally is None or tally.samples == 0:
        raise UnreadableFile(path, "holds no sound (0 samples)")
    seconds = tally.samples / facts.sample_rate_hz
    if seconds < SHORTEST_SECONDS:
        raise UnreadableFile(path, f"is {1000 * seconds:.0f} ms long; at least {1000 * SHORTEST_SECONDS:.0f} ms needed")
    if tally.broken > BROKEN * tally.samples * facts.channels:
        raise UnreadableFile(
            path, f"{tally.broken} of its {tally.samples * facts.channels} samples are NaN or infinite"
        )
    missing = facts.samples - tally.samples
    if facts.format != "WAV" and missing > 0.5 * facts.sample_rate_hz and missing > 0.01 * facts.samples:
        full = facts.seconds
        raise UnreadableFile(path, f"is cut short: {seconds:.1f} of its {full:.1f} s could be decoded")
    live = tally.live()
    return Survey(facts, tally.samples, live, tally.peak, tuple(_notes(path, facts, tally, live)))


def raw_blocks(path: Path) -> Iterator[Raw]:
    """The decoded file as blocks (samples, channels) float32, full scale 1; raises UnreadableFile, also midway."""
    with _opened(path) as file:
        while len(block := file.read(_BLOCK // file.channels, dtype="float32", always_2d=True)):
            yield block


class _Tally:
    """Sums over a file's blocks."""

    def __init__(self, channels: int) -> None:
        self.samples, self.broken, self.clipped, self.peak = 0, 0, 0, 0.0
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)

    def add(self, block: Raw) -> None:
        """Count one block; values that are no numbers are counted as zero."""
        sound = np.isfinite(block)
        if not sound.all():
            self.broken += int((~sound).sum())
            block = np.where(sound, block, np.float32(0))
        size = np.abs(block)
        self.peak = max(self.peak, float(size.max()))
        full = size >= 0.9999
        run = full[CLIPPED - 1 :] & full[1 : len(full) - 1] & full[: 1 - CLIPPED]
        self.clipped += int(run.sum())
        self.samples += len(block)
        self._sum += block.sum(0, dtype=np.float64)
        self._squares += np.square(block, dtype=np.float64).sum(0)

    def live(self) -> tuple[int, ...]:
        """The channels whose deviation is not far below the loudest one's; all where all are silent."""
        mean = self._sum / self.samples
        deviation = np.sqrt(np.maximum(self._squares / self.samples - mean**2, 0))
        return tuple(int(channel) for channel in np.flatnonzero(deviation >= DEAD * deviation.max()))


def _notes(path: Path, facts: Facts, tally: _Tally, live: tuple[int, ...]) -> Iterator[str]:
    if facts.sample_rate_hz < NARROW_HZ:
        yield (
            f"its sample rate of {facts.sample_rate_hz} Hz holds nothing above {facts.sample_rate_hz // 2} Hz; it is "
            "upsampled, and what it lacks stays missing"
        )
    if len(live) < facts.channels:
        dead = [str(channel + 1) for channel in range(facts.channels) if channel not in live]
        yield f"channel {', '.join(dead)} of {facts.channels} is dead and left out"
    if tally.broken:
        yield f"{tally.broken} samples are NaN or infinite; they are filled in from their neighbours"
    if tally.clipped:
        share = 100 * tally.clipped / (tally.samples * facts.channels)
        yield f"clipped: {share:.2g} % of its samples are stuck at full scale"
    if tally.peak < SILENT:
        loudest = f"{20 * math.log10(tally.peak):.0f} dB" if tally.peak > 0 else "digital zero"
        yield f"silent: its loudest sample is {loudest}"
    if _cut_wav(path):
        yield "cut short: the header promises more sound than there is; it is used as far as it goes"


def _cut_wav(path: Path) -> bool:
    with _opened(path) as file:
        return file.format in ("WAV", "WAVEX") and "should be" in file.extra_info


def _facts(file: soundfile.SoundFile) -> Facts:
    known = 0 <= file.frames < 1 << 60  # libsndfile's word for "not said" is the largest number there is
    kind = "WAV" if file.format in ("WAVEX", "RF64", "W64") else file.format
    return Facts(file.samplerate, file.channels, file.frames if known else 0, kind)


@contextmanager
def _opened(path: Path) -> Iterator[soundfile.SoundFile]:
    """The file, opened; all failures of opening and decoding are UnreadableFile."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.format not in _FORMATS:
                raise UnreadableFile(path, f"{file.format} files are not read; expected WAV, FLAC, OGG or MP3")
            yield file
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnreadableFile(path, _why(path, error)) from error


def _why(path: Path, error: Exception) -> str:
    if not path.exists():
        return "does not exist"
    if path.is_dir():
        return "is a folder"
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    words = str(error).lower()
    if "format not recognised" in words or "unimplemented" in words:
        return "is no WAV, FLAC, OGG or MP3 sound, whatever its name says, or its header is damaged"
    if "permission" in words or "system error" in words:
        return "cannot be opened (no permission to read it?)"
    return f"is cut short or damaged ({error})"

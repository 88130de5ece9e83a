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

from unpaired.errors import UnreadableFileError

__all__ = ["MIN_SECONDS", "AudioHeader", "AudioInspection", "inspect_audio", "read_header", "read_raw_blocks"]

MIN_SECONDS = 0.1
"""Shorter recordings are refused: no frame of speech fits into them."""
MIN_FULL_BAND_RATE_HZ = 16000
"""Recordings of a lower sample rate lack part of speech's band."""
DEAD_CHANNEL_RATIO = 1e-3
"""A channel whose deviation is below this share of the loudest one's (-60 dB) is dead."""
SILENCE_PEAK = 1e-3
"""A recording that never exceeds this (-60 dB of full scale) is silent."""
MAX_NONFINITE_FRACTION = 1e-3
"""A larger share of NaN or infinite samples is refused; fewer are mended."""
MIN_CLIPPED_RUN = 3
"""As many samples at full scale, one after the other, are clipped."""
_BLOCK_SAMPLES = 1 << 18
_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3")

ChannelBlock = npt.NDArray[np.float32]


@dataclass(frozen=True)
class AudioHeader:
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
class AudioInspection:
    """What decoding a whole file showed: `live` are the channels to mix, `notes` what a user should know, in words."""

    header: AudioHeader
    samples: int
    active_channels: tuple[int, ...]
    peak: float
    notes: tuple[str, ...]

    @property
    def is_silent(self) -> bool:
        """Whether it never exceeds -60 dB of full scale."""
        return self.peak < SILENCE_PEAK

    @property
    def seconds(self) -> float:
        """Length as decoded."""
        return self.samples / self.header.sample_rate_hz


def read_header(path: Path) -> AudioHeader:
    """Read a sound file's header; raises UnreadableFile where there is none to read."""
    with _open_audio(path) as file:
        return _parse_header(file)


def inspect_audio(path: Path) -> AudioInspection:
    """Decode a whole file in constant memory and judge it.

    Raises UnreadableFile for what is no sound, is empty, is cut short (a cut WAV is used as far as it goes), is shorter
    than 0.1 s, or has more than 1 in 1000 samples that are no numbers.
    """
    header, statistics = read_header(path), None
    for block in read_raw_blocks(path):
        statistics = statistics or _AudioStatistics(block.shape[1])
        statistics.add(block)
    if statistics is None or statistics.samples == 0:
        raise UnreadableFileError(path, "holds no sound (0 samples)")
    seconds = statistics.samples / header.sample_rate_hz
    if seconds < MIN_SECONDS:
        raise UnreadableFileError(path, f"is {1000 * seconds:.0f} ms long; at least {1000 * MIN_SECONDS:.0f} ms needed")
    if statistics.nonfinite > MAX_NONFINITE_FRACTION * statistics.samples * header.channels:
        raise UnreadableFileError(
            path, f"{statistics.nonfinite} of its {statistics.samples * header.channels} samples are NaN or infinite"
        )
    missing_samples = header.samples - statistics.samples
    if (
        header.format != "WAV"
        and missing_samples > 0.5 * header.sample_rate_hz
        and missing_samples > 0.01 * header.samples
    ):
        full = header.seconds
        raise UnreadableFileError(path, f"is cut short: {seconds:.1f} of its {full:.1f} s could be decoded")
    active_channels = statistics.find_active_channels()
    return AudioInspection(
        header,
        statistics.samples,
        active_channels,
        statistics.peak,
        tuple(_describe_problems(path, header, statistics, active_channels)),
    )


def read_raw_blocks(path: Path) -> Iterator[ChannelBlock]:
    """The decoded file as blocks (samples, channels) float32, full scale 1; raises UnreadableFile, also midway."""
    with _open_audio(path) as file:
        while len(block := file.read(_BLOCK_SAMPLES // file.channels, dtype="float32", always_2d=True)):
            yield block


class _AudioStatistics:
    """Sums over a file's blocks."""

    def __init__(self, channels: int) -> None:
        self.samples, self.nonfinite, self.clipped, self.peak = 0, 0, 0, 0.0
        self._sum, self._squares = np.zeros(channels), np.zeros(channels)

    def add(self, block: ChannelBlock) -> None:
        """Count one block; values that are no numbers are counted as zero."""
        is_finite = np.isfinite(block)
        if not is_finite.all():
            self.nonfinite += int((~is_finite).sum())
            block = np.where(is_finite, block, np.float32(0))
        magnitude = np.abs(block)
        self.peak = max(self.peak, float(magnitude.max()))
        at_full_scale = magnitude >= 0.9999
        run = (
            at_full_scale[MIN_CLIPPED_RUN - 1 :]
            & at_full_scale[1 : len(at_full_scale) - 1]
            & at_full_scale[: 1 - MIN_CLIPPED_RUN]
        )
        self.clipped += int(run.sum())
        self.samples += len(block)
        self._sum += block.sum(0, dtype=np.float64)
        self._squares += np.square(block, dtype=np.float64).sum(0)

    def find_active_channels(self) -> tuple[int, ...]:
        """The channels whose deviation is not far below the loudest one's; all where all are silent."""
        mean = self._sum / self.samples
        deviation = np.sqrt(np.maximum(self._squares / self.samples - mean**2, 0))
        return tuple(int(channel) for channel in np.flatnonzero(deviation >= DEAD_CHANNEL_RATIO * deviation.max()))


def _describe_problems(
    path: Path, header: AudioHeader, statistics: _AudioStatistics, active_channels: tuple[int, ...]
) -> Iterator[str]:
    if header.sample_rate_hz < MIN_FULL_BAND_RATE_HZ:
        yield (
            f"its sample rate of {header.sample_rate_hz} Hz holds nothing above {header.sample_rate_hz // 2} Hz; it is "
            "upsampled, and what it lacks stays missing"
        )
    if len(active_channels) < header.channels:
        dead_channels = [str(channel + 1) for channel in range(header.channels) if channel not in active_channels]
        yield f"channel {', '.join(dead_channels)} of {header.channels} is dead and left out"
    if statistics.nonfinite:
        yield f"{statistics.nonfinite} samples are NaN or infinite; they are filled in from their neighbours"
    if statistics.clipped:
        percent = 100 * statistics.clipped / (statistics.samples * header.channels)
        yield f"clipped: {percent:.2g} % of its samples are stuck at full scale"
    if statistics.peak < SILENCE_PEAK:
        loudest = f"{20 * math.log10(statistics.peak):.0f} dB" if statistics.peak > 0 else "digital zero"
        yield f"silent: its loudest sample is {loudest}"
    if _is_truncated_wav(path):
        yield "cut short: the header promises more sound than there is; it is used as far as it goes"


def _is_truncated_wav(path: Path) -> bool:
    with _open_audio(path) as file:
        return file.format in ("WAV", "WAVEX") and "should be" in file.extra_info


def _parse_header(file: soundfile.SoundFile) -> AudioHeader:
    is_length_known = 0 <= file.frames < 1 << 60  # libsndfile's word for "not said" is the largest number there is
    container = "WAV" if file.format in ("WAVEX", "RF64", "W64") else file.format
    return AudioHeader(file.samplerate, file.channels, file.frames if is_length_known else 0, container)


@contextmanager
def _open_audio(path: Path) -> Iterator[soundfile.SoundFile]:
    """The file, opened; all failures of opening and decoding are UnreadableFile."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.format not in _FORMATS:
                raise UnreadableFileError(path, f"{file.format} files are not read; expected WAV, FLAC, OGG or MP3")
            yield file
    except (soundfile.LibsndfileError, OSError) as error:
        raise UnreadableFileError(path, _explain_error(path, error)) from error


def _explain_error(path: Path, error: Exception) -> str:
    if not path.exists():
        return "does not exist"
    if path.is_dir():
        return "is a folder"
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    message = str(error).lower()
    if "format not recognised" in message or "unimplemented" in message:
        return "is no WAV, FLAC, OGG or MP3 sound, whatever its name says, or its header is damaged"
    if "permission" in message or "system error" in message:
        return "cannot be opened (no permission to read it?)"
    return f"is cut short or damaged ({error})"

"""Inspection of sound files: decode a file once, in blocks, and report whether it is usable and what is wrong."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from unpaired.errors import UnreadableFileError, raise_resource_limit
from unpaired.limits import get_max_hours
from unpaired.media.voice.audio_container import CUT, find_repair
from unpaired.media.voice.audio_statistics import AudioStatistics, ChannelBlock
from unpaired.media.voice.patched_file import AudioPart, PatchedFile

__all__ = ["MIN_SECONDS", "AudioHeader", "AudioInspection", "inspect_audio", "read_header", "read_raw_blocks"]

MIN_SECONDS = 0.1
"""Minimum length of a recording in seconds; shorter ones are rejected."""
MIN_FULL_BAND_RATE_HZ = 16000
"""Sample rate in Hz below which a note says that the upper part of the speech band is missing."""
SILENCE_PEAK = 1e-3
"""Peak below which a recording is silent (-60 dB of full scale)."""
MAX_NONFINITE_FRACTION = 1e-3
"""Maximum fraction of NaN or infinite samples; these are interpolated, and files with more are rejected."""
MIN_RATE_HZ, MAX_RATE_HZ = 1000, 1_000_000
"""Range of supported sample rates in Hz."""
_BLOCK_SAMPLES = 1 << 18
_SYSTEM_ERROR = 2  # SF_ERR_SYSTEM of libsndfile
_CUT_TOLERANT_FORMATS = ("WAV", "AIFF", "AU", "CAF")
_EXPECTED = "WAV, FLAC, OGG, MP3, AIFF, CAF or AU"
_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU")


@dataclass(frozen=True)
class AudioHeader:
    """Values of a sound file's header; `samples` per channel is an estimate for MP3, and 0 if the header lacks it."""

    sample_rate_hz: int
    channels: int
    samples: int
    format: str

    @property
    def seconds(self) -> float:
        """Length in seconds according to the header."""
        return self.samples / self.sample_rate_hz


@dataclass(frozen=True)
class AudioInspection:
    """Result of decoding a whole file.

    `active_channels` are the channels to mix, `notes` the problems to report to the user, and `covariance` (channels,
    channels) is that of the channels.
    """

    header: AudioHeader
    samples: int
    active_channels: tuple[int, ...]
    peak: float
    notes: tuple[str, ...]
    covariance: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 1)), compare=False)

    @property
    def is_silent(self) -> bool:
        """Whether the peak is below -60 dB of full scale."""
        return self.peak < SILENCE_PEAK

    @property
    def seconds(self) -> float:
        """Length of the decoded sound in seconds."""
        return self.samples / self.header.sample_rate_hz


def read_header(path: Path) -> AudioHeader:
    """Read a sound file's header; raises UnreadableFileError if that is not possible."""
    headers = _read_headers(path)
    first = headers[0]
    return replace(first, samples=sum(header.samples for header in headers if _has_same_format(header, first)))


def _read_headers(path: Path) -> list[AudioHeader]:
    headers = []
    for part in _list_parts(path):
        with _open_audio(path, part) as file:
            headers.append(_parse_header(path, file))
    return headers


def inspect_audio(path: Path) -> AudioInspection:
    """Decode a whole file in constant memory and check it.

    Raises UnreadableFileError if the file is not in a supported format, is empty, is truncated (except WAV, AIFF, AU
    and CAF, whose existing part is used), is shorter than 0.1 s, or has more than 1 in 1000 NaN or infinite samples.
    """
    header, statistics = read_header(path), None
    for block in read_raw_blocks(path):
        statistics = statistics or AudioStatistics(block.shape[1])
        statistics.add(block)
    if statistics is None or statistics.samples == 0:
        raise UnreadableFileError(path, "contains no sound (0 samples)")
    seconds = statistics.samples / header.sample_rate_hz
    if seconds < MIN_SECONDS:
        raise UnreadableFileError(
            path, f"is {1000 * seconds:.0f} ms long; expected at least {1000 * MIN_SECONDS:.0f} ms"
        )
    if statistics.nonfinite > MAX_NONFINITE_FRACTION * statistics.samples * header.channels:
        raise UnreadableFileError(
            path, f"{statistics.nonfinite} of its {statistics.samples * header.channels} samples are NaN or infinite"
        )
    missing_samples = header.samples - statistics.samples
    if (
        header.format not in _CUT_TOLERANT_FORMATS
        and missing_samples > 0.5 * header.sample_rate_hz
        and missing_samples > 0.01 * header.samples
    ):
        full = header.seconds
        raise UnreadableFileError(path, f"is cut short: {seconds:.1f} of its {full:.1f} s could be decoded")
    active_channels = statistics.find_active_channels()
    loudest = statistics.find_channel_to_use_alone(active_channels)
    mixed_channels = active_channels if loudest is None else (loudest,)
    return AudioInspection(
        header,
        statistics.samples,
        mixed_channels,
        statistics.peak,
        tuple(_describe_problems(path, header, statistics, active_channels, loudest)),
        statistics.compute_covariance(),
    )


def read_raw_blocks(path: Path) -> Iterator[ChannelBlock]:
    """Yield the decoded file as blocks (samples, channels) float32 with full scale 1.

    If the file has several streams, those with the sample rate and channels of the first are concatenated. Raises
    UnreadableFileError, possibly after some blocks.
    """
    first: AudioHeader | None = None
    samples = 0
    for part in _list_parts(path):
        with _open_audio(path, part) as file:
            header = _parse_header(path, file)
            first = first or header
            if not _has_same_format(header, first):
                continue
            max_samples = get_max_hours() * 3600 * header.sample_rate_hz
            while len(block := _read_block(file)):
                samples += len(block)
                if samples > max_samples:
                    raise UnreadableFileError(path, f"is longer than the limit of {get_max_hours():g} h (--max-hours)")
                yield block


def _read_block(file: soundfile.SoundFile) -> ChannelBlock:
    block = np.empty((_BLOCK_SAMPLES // file.channels, file.channels), np.float32)
    return np.asarray(file.read(out=block), np.float32)


def _has_same_format(header: AudioHeader, first: AudioHeader) -> bool:
    return (header.sample_rate_hz, header.channels) == (first.sample_rate_hz, first.channels)


def _describe_problems(
    path: Path,
    header: AudioHeader,
    statistics: AudioStatistics,
    active_channels: tuple[int, ...],
    loudest: int | None,
) -> Iterator[str]:
    """Yield a note for each problem that the user should know of."""
    if header.sample_rate_hz < MIN_FULL_BAND_RATE_HZ:
        yield (
            f"its sample rate is {header.sample_rate_hz} Hz, so it has no content above {header.sample_rate_hz // 2} "
            "Hz; it is upsampled, which does not restore that content"
        )
    if len(active_channels) < header.channels:
        inactive_channels = [str(channel + 1) for channel in range(header.channels) if channel not in active_channels]
        yield f"channel {', '.join(inactive_channels)} of {header.channels} carries no signal and is ignored"
    if loudest is not None:
        yield (
            f"its channels cancel each other (out of phase), or one is much louder; only the loudest, channel "
            f"{loudest + 1} of {header.channels}, is used"
        )
    if statistics.nonfinite:
        yield f"{statistics.nonfinite} samples are NaN or infinite; they are interpolated"
    if statistics.clipped:
        percent = 100 * statistics.clipped / (statistics.samples * header.channels)
        yield f"clipped: {f'{percent:.2g}' if percent < 10 else f'{percent:.0f}'} % of its samples are at full scale"
    if statistics.peak < SILENCE_PEAK:
        loudest_sample = f"{20 * math.log10(statistics.peak):.0f} dB" if statistics.peak > 0 else "digital zero"
        yield f"silent: its loudest sample is {loudest_sample}"
    if repair_note := find_repair(path).note:
        seconds = statistics.samples / header.sample_rate_hz
        yield repair_note if repair_note == CUT else f"{repair_note}; {seconds:.1f} s of sound are used"
    headers = _read_headers(path)
    if others := sum(not _has_same_format(part, headers[0]) for part in headers):
        yield f"{others} of its streams not used, as the sample rate or the number of channels differs from the first"


def _parse_header(path: Path, file: soundfile.SoundFile) -> AudioHeader:
    if file.format not in _FORMATS:
        raise UnreadableFileError(path, f"{file.format} files are not supported; expected {_EXPECTED}")
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
        raise UnreadableFileError(
            path, f"has a sample rate of {file.samplerate} Hz; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
        )
    is_length_known = 0 <= file.frames < 1 << 60  # libsndfile gives the largest integer for an unknown length
    container = "WAV" if file.format in ("WAVEX", "RF64", "W64") else file.format
    return AudioHeader(file.samplerate, file.channels, file.frames if is_length_known else 0, container)


def _list_parts(path: Path) -> tuple[AudioPart | None, ...]:
    """Return the parts of a file to read in order; a part None is the unchanged file."""
    return find_repair(path).parts or (None,)


@contextmanager
def _open_audio(path: Path, part: AudioPart | None) -> Iterator[soundfile.SoundFile]:
    """Open a part of a file; failures of opening and decoding are raised as UnreadableFileError."""
    try:
        with (
            nullcontext(path) if part is None else PatchedFile(path, part) as source,
            soundfile.SoundFile(source) as file,
        ):
            yield file
    except (soundfile.LibsndfileError, OSError) as error:
        _raise_system_limit(path, error)
        raise UnreadableFileError(path, _explain_error(path, error)) from error


def _raise_system_limit(path: Path, error: Exception) -> None:
    """Raise ResourceLimitError if no open files or memory are left."""
    raise_resource_limit(path, error)
    if isinstance(error, soundfile.LibsndfileError) and error.code == _SYSTEM_ERROR:  # without the system's number
        try:
            path.open("rb").close()
        except OSError as system_error:
            raise_resource_limit(path, system_error)


def _explain_error(path: Path, error: Exception) -> str:
    if not path.exists():
        return "does not exist"
    if path.is_dir():
        return "is a folder"
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    message = str(error).lower()
    if "format not recognised" in message or "unimplemented" in message:  # in the spelling of libsndfile
        return f"is not in a supported sound format ({_EXPECTED}), or its header is damaged"
    if "permission" in message or "system error" in message:
        return "cannot be opened; check that you may read it"
    return f"is cut short or damaged ({error})"

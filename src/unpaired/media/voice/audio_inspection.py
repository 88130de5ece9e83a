"""What a sound file holds, found out by decoding it once in blocks: what is fit for use, and what to tell of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from unpaired.errors import UnreadableFileError
from unpaired.limits import get_max_hours
from unpaired.media.voice.audio_container import CUT, find_repair
from unpaired.media.voice.patched_file import AudioPart, PatchedFile

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
MAX_MIX_LOSS_DB = 6.5
"""Where the mix of the channels is quieter than the loudest of them by more than this, they cancel each other."""
MIN_RATE_HZ, MAX_RATE_HZ = 1000, 1_000_000
"""Sample rates that a file may have."""
_BLOCK_SAMPLES = 1 << 18
_CUT_TOLERANT_FORMATS = ("WAV", "AIFF", "AU", "CAF")
_EXPECTED = "WAV, FLAC, OGG, MP3, AIFF, CAF or AU"
_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "FLAC", "OGG", "MP3", "AIFF", "CAF", "AU")

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
    """What decoding a whole file showed: `active_channels` are those to mix, `notes` what a user should know, in
    words, `covariance` (channels, channels) that of the channels.
    """

    header: AudioHeader
    samples: int
    active_channels: tuple[int, ...]
    peak: float
    notes: tuple[str, ...]
    covariance: npt.NDArray[np.float64] = field(default_factory=lambda: np.zeros((1, 1)), compare=False)

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
    headers = []
    for part in _list_parts(path):
        with _open_audio(path, part) as file:
            headers.append(_parse_header(path, file))
    first = headers[0]
    return replace(first, samples=sum(header.samples for header in headers if _is_alike(header, first)))


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
        header.format not in _CUT_TOLERANT_FORMATS
        and missing_samples > 0.5 * header.sample_rate_hz
        and missing_samples > 0.01 * header.samples
    ):
        full = header.seconds
        raise UnreadableFileError(path, f"is cut short: {seconds:.1f} of its {full:.1f} s could be decoded")
    active_channels = statistics.find_active_channels()
    loudest = statistics.find_channel_to_prefer(active_channels)
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
    """The decoded file as blocks (samples, channels) float32, full scale 1; raises UnreadableFileError, also midway.

    Of several streams in one file, those of the first one's rate and channels follow each other.
    """
    first: AudioHeader | None = None
    samples = 0
    for part in _list_parts(path):
        with _open_audio(path, part) as file:
            header = _parse_header(path, file)
            first = first or header
            if not _is_alike(header, first):
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


def _is_alike(header: AudioHeader, first: AudioHeader) -> bool:
    return (header.sample_rate_hz, header.channels) == (first.sample_rate_hz, first.channels)


class _AudioStatistics:
    """Sums over a file's blocks."""

    def __init__(self, channels: int) -> None:
        self.samples, self.nonfinite, self.clipped, self.peak = 0, 0, 0, 0.0
        self._sum, self._products = np.zeros(channels), np.zeros((channels, channels))

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
        wide = block.astype(np.float64)
        self._sum += wide.sum(0)
        self._products += wide.T @ wide

    def find_active_channels(self) -> tuple[int, ...]:
        """The channels whose deviation is not far below the loudest one's; all where all are silent."""
        deviation = np.sqrt(np.maximum(np.diag(self.compute_covariance()), 0))
        return tuple(int(channel) for channel in np.flatnonzero(deviation >= DEAD_CHANNEL_RATIO * deviation.max()))

    def find_channel_to_prefer(self, active_channels: tuple[int, ...]) -> int | None:
        """The loudest channel, where the mean of the active ones is much quieter than it: they cancel each other."""
        covariance = self.compute_covariance()[np.ix_(active_channels, active_channels)]
        powers = np.maximum(np.diag(covariance), 0)
        loudest = int(powers.argmax())
        if powers[loudest] <= 0 or covariance.mean() >= 10 ** (-MAX_MIX_LOSS_DB / 10) * powers[loudest]:
            return None
        return active_channels[loudest]

    def compute_covariance(self) -> npt.NDArray[np.float64]:
        """Covariance of the channels (channels, channels)."""
        mean = self._sum / self.samples
        return np.asarray(self._products / self.samples - np.outer(mean, mean))


def _describe_problems(
    path: Path,
    header: AudioHeader,
    statistics: _AudioStatistics,
    active_channels: tuple[int, ...],
    loudest: int | None,
) -> Iterator[str]:
    if header.sample_rate_hz < MIN_FULL_BAND_RATE_HZ:
        yield (
            f"its sample rate of {header.sample_rate_hz} Hz holds nothing above {header.sample_rate_hz // 2} Hz; it is "
            "upsampled, and what it lacks stays missing"
        )
    if len(active_channels) < header.channels:
        dead_channels = [str(channel + 1) for channel in range(header.channels) if channel not in active_channels]
        yield f"channel {', '.join(dead_channels)} of {header.channels} is dead and left out"
    if loudest is not None:
        yield (
            f"its channels cancel each other (out of phase) or one is far louder: channel {loudest + 1} of "
            f"{header.channels}, the loudest, is heard alone"
        )
    if statistics.nonfinite:
        yield f"{statistics.nonfinite} samples are NaN or infinite; they are filled in from their neighbours"
    if statistics.clipped:
        percent = 100 * statistics.clipped / (statistics.samples * header.channels)
        yield f"clipped: {percent:.2g} % of its samples are stuck at full scale"
    if statistics.peak < SILENCE_PEAK:
        loudest_sample = f"{20 * math.log10(statistics.peak):.0f} dB" if statistics.peak > 0 else "digital zero"
        yield f"silent: its loudest sample is {loudest_sample}"
    if repair_note := find_repair(path).note:
        seconds = statistics.samples / header.sample_rate_hz
        yield repair_note if repair_note == CUT else f"{repair_note}; {seconds:.1f} s of sound are used"


def _parse_header(path: Path, file: soundfile.SoundFile) -> AudioHeader:
    if file.format not in _FORMATS:
        raise UnreadableFileError(path, f"{file.format} files are not read; expected {_EXPECTED}")
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
        raise UnreadableFileError(
            path, f"has a sample rate of {file.samplerate} Hz; expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz"
        )
    is_length_known = 0 <= file.frames < 1 << 60  # libsndfile's word for "not said" is the largest number there is
    container = "WAV" if file.format in ("WAVEX", "RF64", "W64") else file.format
    return AudioHeader(file.samplerate, file.channels, file.frames if is_length_known else 0, container)


def _list_parts(path: Path) -> tuple[AudioPart | None, ...]:
    """The streams of a file, to be read one after the other; None is the file as it is."""
    return find_repair(path).parts or (None,)


@contextmanager
def _open_audio(path: Path, part: AudioPart | None) -> Iterator[soundfile.SoundFile]:
    """A stream of a file, opened; all failures of opening and decoding are UnreadableFileError."""
    try:
        with (
            nullcontext(path) if part is None else PatchedFile(path, part) as source,
            soundfile.SoundFile(source) as file,
        ):
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
        return f"is no sound that is read ({_EXPECTED}), whatever its name says, or its header is damaged"
    if "permission" in message or "system error" in message:
        return "cannot be opened (no permission to read it?)"
    return f"is cut short or damaged ({error})"

"""Cache of feature analyses on disk, keyed by a file's content and the settings.

An entry consists of two files: KEY.rows, the features as float32, frame by frame, and KEY.json, written last, with the
layout and a checksum. With a VAD network (`silero_vad`), the speech probability is the last row. Incomplete or corrupt
entries are computed again. If the folder exceeds its size limit, the least recently used entries are deleted, except
those of the current call and those that the caller keeps.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from unpaired.atomic import atomic_write, remove_parts
from unpaired.cache_folder import find_cache_home, make_cache_folder
from unpaired.config.settings import StrictModel
from unpaired.cores import count_cores
from unpaired.digests import hash_file
from unpaired.errors import UnreadableFileError, raise_resource_limit
from unpaired.media.voice import audio_io, chunking, loudness, vad
from unpaired.media.voice.audio_inspection import inspect_audio
from unpaired.media.voice.features import Analyser, FeatureLayout, VoiceFeatures
from unpaired.media.voice.silero_vad import SPEECH_GROUP, SileroVad
from unpaired.worker_pool import can_start_workers, map_in_processes

__all__ = ["AnalysisResult", "Cache", "CachedAnalysis", "get_default_folder"]

MAX_CACHE_BYTES = 20 << 30
_VERSION = 2  # increased when the features of unchanged settings change
_MAX_INLINE_FILES = 8  # this many files are analysed in less time than it takes to start processes

AnalysisProgress = Callable[[int, int, Path], None]


class _AnalysisMetadata(StrictModel):
    layout: tuple[tuple[str, int], ...]
    frames: int
    frame_seconds: float
    lufs: float | None
    notes: tuple[str, ...]
    checksum: int


@dataclass(frozen=True)
class CachedAnalysis:
    """Analysis of a file.

    `lufs` is the loudness of the file (-inf for silence); the features are those of the sound at
    `loudness.TARGET_LUFS`.
    """

    source: Path
    rows_path: Path
    layout: FeatureLayout
    num_frames: int
    frame_seconds: float
    lufs: float
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.num_frames * self.frame_seconds

    def load_features(self) -> VoiceFeatures:
        """Return the features, memory-mapped: only the frames that are used are read."""
        count = sum(rows for _, rows in self.layout)
        frames = np.memmap(self.rows_path, np.float32, "r", shape=(self.num_frames, count))
        return VoiceFeatures(frames.T, self.layout)

    def detect_speech(self) -> vad.Mask:
        """Return the mask of speech frames, from the speech probabilities if there are any, else from the level."""
        features = self.load_features()
        if SPEECH_GROUP in features:
            return vad.detect_speech_by_probability(np.asarray(features[SPEECH_GROUP][0]), self.frame_seconds)
        return vad.detect_speech_by_level(np.asarray(features["level"][0]), self.frame_seconds)


@dataclass(frozen=True)
class AnalysisResult:
    """Entries of the usable files and errors of the others, both in the order of the files."""

    entries: tuple[CachedAnalysis, ...]
    failures: tuple[UnreadableFileError, ...]


def get_default_folder() -> Path:
    """Return `unpaired/voice` in $XDG_CACHE_HOME, else in ~/.cache, else in a temporary folder."""
    return find_cache_home() / "unpaired" / "voice"


class Cache:
    """Cache in a folder of up to `max_bytes` (default 20 GiB: about 250 hours of `world` features)."""

    def __init__(self, folder: Path | None = None, max_bytes: int = MAX_CACHE_BYTES) -> None:
        self.folder = folder or get_default_folder()
        self._max_bytes = max_bytes

    def analyse(
        self,
        paths: Sequence[Path],
        analyser: Analyser,
        vad: SileroVad | None = None,
        workers: int | None = None,
        progress: AnalysisProgress | None = None,
        keep: Iterable[CachedAnalysis] = (),
    ) -> AnalysisResult:
        """Return the analyses of files; those that are not cached are computed in `workers` processes (None: cores).

        `analyser` is a representation, or the analyser of other features. `vad` is the network for voice activity
        detection (None: energy threshold); entries with and without it are separate. `progress` is called in this
        process with (done, total, file) after each file. `keep` are entries of earlier calls that are still in use.
        """
        make_cache_folder(self.folder, "analyses")
        jobs = {path: (path, self.folder, analyser, vad) for path in dict.fromkeys(paths)}
        entries: dict[Path, CachedAnalysis] = {}
        failures: dict[Path, UnreadableFileError] = {}
        for done, (path, result) in enumerate(_load_or_analyse(jobs, workers), 1):
            if isinstance(result, UnreadableFileError):
                failures[path] = result
            else:
                entries[path] = result
            if progress:
                progress(done, len(jobs), path)
        self._evict({entry.rows_path.stem for entry in (*keep, *entries.values())})
        ordered = [path for path in jobs if path in entries]
        return AnalysisResult(
            tuple(entries[path] for path in ordered), tuple(failures[p] for p in jobs if p in failures)
        )

    def _evict(self, keys_in_use: set[str]) -> None:
        """Delete the least recently used entries until the folder is within its limit; `keys_in_use` are kept."""
        remove_parts(self.folder)
        files = [(file, file.stat()) for file in self.folder.glob("*.rows")]
        total = sum(stat.st_size for _, stat in files)
        for file, stat in sorted(files, key=lambda pair: pair[1].st_mtime):
            if total <= self._max_bytes:
                return
            if file.stem not in keys_in_use:
                file.with_suffix(".json").unlink(missing_ok=True)
                file.unlink(missing_ok=True)
                total -= stat.st_size


AnalysisJob = tuple[Path, Path, Analyser, SileroVad | None]


def _load_or_analyse(
    jobs: dict[Path, AnalysisJob], workers: int | None
) -> Iterator[tuple[Path, CachedAnalysis | UnreadableFileError]]:
    """Yield (file, entry or error), cached files first: loading them takes less time than starting processes."""
    uncached = dict(jobs)
    for path, job in jobs.items():
        if (entry := _load_cached(job)) is not None:
            del uncached[path]
            yield path, entry
    yield from _analyse_in_parallel(uncached, workers)


def _load_cached(job: AnalysisJob) -> CachedAnalysis | None:
    path, folder, analyser, vad = job
    try:
        return _load_entry(path, folder / f"{_compute_key(path, analyser, vad)}.rows")
    except UnreadableFileError:
        return None


def _analyse_in_parallel(
    jobs: dict[Path, AnalysisJob], workers: int | None
) -> Iterator[tuple[Path, CachedAnalysis | UnreadableFileError]]:
    workers = min(workers or count_cores(), len(jobs))
    if workers <= 1 or len(jobs) <= _MAX_INLINE_FILES or not can_start_workers():
        yield from ((path, _analyse_file(job)) for path, job in jobs.items())
        return
    # WORLD holds the GIL, so threads would not help.
    yield from map_in_processes(_analyse_file, jobs, workers)


def _analyse_file(job: AnalysisJob) -> CachedAnalysis | UnreadableFileError:
    """Return the entry of a file, computed and stored if it is not cached, or the reason why there is none."""
    path, folder, analyser, vad = job
    try:
        rows_path = folder / f"{_compute_key(path, analyser, vad)}.rows"
        return _load_entry(path, rows_path) or _analyse_and_store(path, rows_path, analyser, vad)
    except UnreadableFileError as error:
        return error


def _compute_key(path: Path, analyser: Analyser, vad: SileroVad | None) -> str:
    try:
        content = hash_file(path)
    except OSError as error:
        raise_resource_limit(path, error)
        raise UnreadableFileError(path, f"cannot be read ({error.strerror})") from error
    settings = [_VERSION, loudness.TARGET_LUFS, content, analyser.get_settings()]
    if vad is not None:  # every entry has the levels, so the energy threshold needs no key of its own
        settings.append(vad.digest)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:40]


def _load_entry(path: Path, rows_path: Path) -> CachedAnalysis | None:
    """Return the entry if it is complete and its checksum is right, else None."""
    try:
        metadata = _AnalysisMetadata.model_validate_json(rows_path.with_suffix(".json").read_bytes())
        size, checksum = _compute_size_and_checksum(_read_pieces(rows_path))
    except (OSError, ValidationError):
        return None
    if (size, checksum) != (4 * metadata.frames * sum(count for _, count in metadata.layout), metadata.checksum):
        return None
    with suppress(OSError):  # the cache may belong to another user
        rows_path.touch()  # eviction goes by the modification time
    return _build_entry(path, rows_path, metadata)


def _analyse_and_store(path: Path, rows_path: Path, analyser: Analyser, vad: SileroVad | None) -> CachedAnalysis:
    inspection = inspect_audio(path)
    if inspection.is_silent:
        raise UnreadableFileError(path, "is silent: its peak is below -60 dB of full scale")
    rate = analyser.sample_rate_hz
    meter = loudness.LoudnessMeter(rate)
    for wave in audio_io.read_blocks(path, rate, inspection):
        meter.add(wave)
    waves = loudness.scale_blocks(audio_io.read_blocks(path, rate, inspection), loudness.compute_gain(meter.lufs()))
    frames, checksum = 0, 0
    with atomic_write(rows_path) as part, part.open("wb") as file:
        for features in (
            chunking.analyse_stream(waves, analyser) if vad is None else vad.analyse_stream(waves, analyser)
        ):
            data = np.ascontiguousarray(features.rows.T, np.float32).tobytes()
            file.write(data)
            checksum = zlib.crc32(data, checksum)
            frames += features.num_frames
    metadata = _AnalysisMetadata(
        layout=analyser.layout if vad is None else vad.extend_layout(analyser),
        frames=frames,
        frame_seconds=analyser.hop_samples / rate,
        lufs=meter.lufs() if np.isfinite(meter.lufs()) else None,
        notes=inspection.notes,
        checksum=checksum,
    )
    metadata_path = rows_path.with_suffix(".json")
    with atomic_write(metadata_path) as part:
        part.write_text(metadata.model_dump_json(), "utf-8")
    return _build_entry(path, rows_path, metadata)


def _build_entry(path: Path, rows_path: Path, metadata: _AnalysisMetadata) -> CachedAnalysis:
    lufs = -np.inf if metadata.lufs is None else metadata.lufs
    return CachedAnalysis(
        path, rows_path, metadata.layout, metadata.frames, metadata.frame_seconds, lufs, metadata.notes
    )


def _read_pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            yield piece


def _compute_size_and_checksum(pieces: Iterable[bytes]) -> tuple[int, int]:
    size = checksum = 0
    for piece in pieces:
        size, checksum = size + len(piece), zlib.crc32(piece, checksum)
    return size, checksum

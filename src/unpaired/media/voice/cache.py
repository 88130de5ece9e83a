"""Analyses on disk, keyed by a file's content and the settings, so that a file is analysed once.

An entry is two files: KEY.rows, the features as float32, frame after frame, and KEY.json, written last, which says what
they are and sums them up. With a network as the gate of speech (`silero.py`), its row stands below the others. An entry
that is not whole is made anew. Of entries that were not asked for just now, those unused for longest go where the
folder would grow beyond its limit.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import ValidationError

from unpaired.atomic import whole
from unpaired.cores import cores
from unpaired.errors import UnreadableFile
from unpaired.media.voice import loudness, recording, seams, silence
from unpaired.media.voice.features import Features, Layout, Representation
from unpaired.media.voice.silero import GROUP, Silero
from unpaired.media.voice.survey import survey
from unpaired.settings import Section

__all__ = ["Analysed", "Cache", "Entry", "default_folder"]

LIMIT_BYTES = 20 << 30
_VERSION = 1  # raised when features of equal settings change
_INLINE = 8  # files that are analysed faster than other processes start

Progress = Callable[[int, int, Path], None]


class _Facts(Section):
    layout: tuple[tuple[str, int], ...]
    frames: int
    frame_seconds: float
    lufs: float | None
    notes: tuple[str, ...]
    checksum: int


@dataclass(frozen=True)
class Entry:
    """A file's analysis. `lufs` is the loudness that it was found with (-inf for silence); its features are those of
    the sound at `loudness.TARGET_LUFS`."""

    source: Path
    rows: Path
    layout: Layout
    frames: int
    frame_seconds: float
    lufs: float
    notes: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.frames * self.frame_seconds

    def features(self) -> Features:
        """The features, mapped from disk: only the frames that are used are read."""
        count = sum(rows for _, rows in self.layout)
        frames = np.memmap(self.rows, np.float32, "r", shape=(self.frames, count))
        return Features(frames.T, self.layout)

    def speech(self) -> silence.Mask:
        """Which frames are speech: as the gate heard them that the files were analysed with, else by their level."""
        features = self.features()
        if GROUP in features:
            return silence.likely(np.asarray(features[GROUP][0]), self.frame_seconds)
        return silence.speech(np.asarray(features["level"][0]), self.frame_seconds)


@dataclass(frozen=True)
class Analysed:
    """What analysing gave: an entry for each usable file, in their order, and why the others are not usable."""

    entries: tuple[Entry, ...]
    failures: tuple[UnreadableFile, ...]


def default_folder() -> Path:
    """`unpaired/voice` in $XDG_CACHE_HOME, else in ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unpaired" / "voice"


class Cache:
    """Analyses in a folder, of up to `limit_bytes` in all (20 GiB: about 250 hours of `world`)."""

    def __init__(self, folder: Path | None = None, limit_bytes: int = LIMIT_BYTES) -> None:
        self.folder = folder or default_folder()
        self._limit = limit_bytes

    def analysed(
        self,
        paths: Sequence[Path],
        representation: Representation,
        gate: Silero | None = None,
        workers: int | None = None,
        progress: Progress | None = None,
    ) -> Analysed:
        """The files' analyses, made where there are none, in as many processes as there are cores.

        `gate` tells speech from silence, and where there is none, the level does; each has entries of its own.
        `progress` is called in this process with (done, all, file) as each one is ready.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        jobs = {path: (path, self.folder, representation, gate) for path in dict.fromkeys(paths)}
        entries: dict[Path, Entry] = {}
        failures: dict[Path, UnreadableFile] = {}
        for done, (path, result) in enumerate(_run(jobs, workers), 1):
            if isinstance(result, UnreadableFile):
                failures[path] = result
            else:
                entries[path] = result
            if progress:
                progress(done, len(jobs), path)
        self._bound({entry.rows.stem for entry in entries.values()})
        ordered = [path for path in jobs if path in entries]
        return Analysed(tuple(entries[path] for path in ordered), tuple(failures[p] for p in jobs if p in failures))

    def _bound(self, used: set[str]) -> None:
        """Delete what was unused for longest until the rest is within the limit; what is in use stays."""
        files = [(file, file.stat()) for file in self.folder.glob("*.rows")]
        total = sum(stat.st_size for _, stat in files)
        for file, stat in sorted(files, key=lambda pair: pair[1].st_mtime):
            if total <= self._limit:
                return
            if file.stem not in used:
                file.with_suffix(".json").unlink(missing_ok=True)
                file.unlink(missing_ok=True)
                total -= stat.st_size


Job = tuple[Path, Path, Representation, Silero | None]


def _run(jobs: dict[Path, Job], workers: int | None) -> Iterator[tuple[Path, Entry | UnreadableFile]]:
    """What is cached first, without other processes: they take longer to start than that."""
    new = dict(jobs)
    for path, job in jobs.items():
        if (entry := _known(job)) is not None:
            del new[path]
            yield path, entry
    yield from _analysed(new, workers)


def _known(job: Job) -> Entry | None:
    path, folder, representation, gate = job
    try:
        return _found(path, folder / f"{_key(path, representation, gate)}.rows")
    except UnreadableFile:
        return None


def _analysed(jobs: dict[Path, Job], workers: int | None) -> Iterator[tuple[Path, Entry | UnreadableFile]]:
    workers = min(workers or cores(), len(jobs))
    if workers <= 1 or len(jobs) <= _INLINE:
        yield from ((path, _work(job)) for path, job in jobs.items())
        return
    # WORLD holds the interpreter's lock, so threads would not help. Forked processes inherit locks of torch's threads,
    # and may wait for them for ever.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _alone)
    try:
        running: dict[Future[Entry | UnreadableFile], Path] = {pool.submit(_work, job): p for p, job in jobs.items()}
        for future in as_completed(running):
            yield running[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _alone() -> None:
    """One thread for torch, which is imported after this: there are as many processes as cores."""
    os.environ["OMP_NUM_THREADS"] = "1"


def _work(job: Job) -> Entry | UnreadableFile:
    path, folder, representation, gate = job
    try:
        rows = folder / f"{_key(path, representation, gate)}.rows"
        return _found(path, rows) or _made(path, rows, representation, gate)
    except UnreadableFile as error:
        return error


def _key(path: Path, representation: Representation, gate: Silero | None) -> str:
    try:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableFile(path, f"cannot be read ({error.strerror})") from error
    settings = [_VERSION, loudness.TARGET_LUFS, content, representation.settings()]
    if gate is not None:  # levels are part of every entry, so the energy gate adds nothing
        settings.append(gate.digest)
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:40]


def _found(path: Path, rows: Path) -> Entry | None:
    """The entry, where there is a whole one."""
    try:
        facts = _Facts.model_validate_json(rows.with_suffix(".json").read_bytes())
        size, checksum = _summed(_pieces(rows))
    except (OSError, ValidationError):
        return None
    if (size, checksum) != (4 * facts.frames * sum(count for _, count in facts.layout), facts.checksum):
        return None
    rows.touch()  # its age is the time since its last use
    return _entry(path, rows, facts)


def _made(path: Path, rows: Path, representation: Representation, gate: Silero | None) -> Entry:
    found = survey(path)
    if found.silent:
        raise UnreadableFile(path, "is silent: nothing in it is louder than -60 dB of full scale")
    rate = representation.sample_rate_hz
    meter = loudness.Meter(rate)
    for wave in recording.blocks(path, rate, found):
        meter.add(wave)
    waves = loudness.scaled(recording.blocks(path, rate, found), loudness.gain(meter.lufs()))
    frames, checksum = 0, 0
    with whole(rows, rows.with_suffix(f".{os.getpid()}.part")) as part, part.open("wb") as file:
        for features in seams.analysed(waves, representation) if gate is None else gate.analysed(waves, representation):
            data = np.ascontiguousarray(features.rows.T, np.float32).tobytes()
            file.write(data)
            checksum = zlib.crc32(data, checksum)
            frames += features.frames
    facts = _Facts(
        layout=representation.layout if gate is None else gate.layout(representation),
        frames=frames,
        frame_seconds=representation.hop_samples / rate,
        lufs=meter.lufs() if np.isfinite(meter.lufs()) else None,
        notes=found.notes,
        checksum=checksum,
    )
    about = rows.with_suffix(".json")
    with whole(about, about.with_suffix(f".{os.getpid()}.json.part")) as part:
        part.write_text(facts.model_dump_json(), "utf-8")
    return _entry(path, rows, facts)


def _entry(path: Path, rows: Path, facts: _Facts) -> Entry:
    lufs = -np.inf if facts.lufs is None else facts.lufs
    return Entry(path, rows, facts.layout, facts.frames, facts.frame_seconds, lufs, facts.notes)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(1 << 22):
            yield piece


def _summed(pieces: Iterable[bytes]) -> tuple[int, int]:
    size = checksum = 0
    for piece in pieces:
        size, checksum = size + len(piece), zlib.crc32(piece, checksum)
    return size, checksum

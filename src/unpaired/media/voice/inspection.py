"""Inspection of the recordings of all domains, and reports of their usability for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from unpaired.console import ProgressCallback, format_duration
from unpaired.cores import count_cores
from unpaired.data.folders import DomainFiles
from unpaired.data.inspection import DataReport, DomainInspection, format_count
from unpaired.data.paths import Paths
from unpaired.errors import UnreadableFileError
from unpaired.media.voice.audio_inspection import AudioInspection, inspect_audio
from unpaired.media.voice.representations import build_representation, describe_vad
from unpaired.media.voice.settings import VoiceSettings
from unpaired.media.voice.transform import VoiceTransform, iterate_paths

FEW_SECONDS = 60
"""Usable sound of a domain, in seconds, below which there is a warning; less than two crops is an error."""
SILENCE_WARNING_FRACTION = 0.5
"""Fraction of silence above which there is a warning."""
_MAX_LISTED_NOTES = 5


@dataclass
class SpeakerReport(DomainInspection):
    """Inspection result of one domain. `speech_fraction` is None if voice activity detection did not run."""

    usable_seconds: list[float] = field(default_factory=list)
    seconds_in_train: float = 0.0
    speech_fraction: float | None = None
    notes: list[str] = field(default_factory=list)
    formats: Counter[str] = field(default_factory=Counter)
    """Sample rate and channels, formatted -> number of files."""

    def add_recording(self, name: str, seconds: float, notes: Sequence[str], in_train: bool) -> None:
        """Add a usable file with its length in seconds and its notes."""
        self.usable_seconds.append(seconds)
        self.seconds_in_train += seconds if in_train else 0.0
        self.notes += [f"{name}: {note}" for note in notes]


@dataclass(frozen=True)
class VoiceDataReport(DataReport):
    """Inspection result of all domains; `minimum_seconds` is the length of two crops."""

    domains: tuple[SpeakerReport, ...]
    minimum_seconds: float

    @property
    def errors(self) -> list[str]:
        """Problems that make training impossible."""
        out = []
        for d in self.domains:
            if d.seconds_in_train < self.minimum_seconds:
                reason = f" ({d.unreadable[0]})" if d.unreadable else ""
                out.append(
                    f"{d.files.sources[0]}: domain '{d.files.name}' has {d.seconds_in_train:.1f} s of usable sound"
                    f"{reason}; training needs at least {self.minimum_seconds:.1f} s (two crops)"
                )
        return out

    @property
    def warnings(self) -> list[str]:
        """Problems that allow training."""
        out = []
        for d in self.domains:
            name = d.files.name
            if self.minimum_seconds <= d.seconds_in_train < FEW_SECONDS:
                description = f"{name}: only {d.seconds_in_train:.0f} s of sound"
                out.append(f"{description}; expect low similarity to the speaker (use at least a few minutes)")
            if d.unreadable:
                out.append(f"{name}: {format_count(len(d.unreadable), 'file')} cannot be used and will be skipped")
            if d.speech_fraction is not None and d.speech_fraction < 1 - SILENCE_WARNING_FRACTION:
                out.append(f"{name}: {1 - d.speech_fraction:.0%} of its sound is silence, which training skips")
            if d.files.note:
                out.append(f"{name}: {d.files.note}")
            out += [f"{name}: {note}" for note in d.notes[:_MAX_LISTED_NOTES]]
            if len(d.notes) > _MAX_LISTED_NOTES:
                out.append(f"{name}: {len(d.notes) - _MAX_LISTED_NOTES:,} more notes on recordings")
        return out

    def format_text(self, settings: VoiceSettings | None = None, holdout_fraction: float = 0.1) -> str:
        """Format the report; with `settings`, also the features and splits that training would use."""
        lines = [line for d in self.domains for line in _format_domain(d)]
        if self.warnings:
            lines += ["", "Take note", *(f"  {warning}" for warning in self.warnings)]
        if self.errors:
            lines += ["", "Training is impossible", *(f"  {error}" for error in self.errors)]
        elif settings is not None:
            lines += ["", "Training would", f"  use {describe_representation(settings)}"]
            lines += [f"  {d.format_split(holdout_fraction)}" for d in self.domains]
        return "\n".join(lines)


def describe_representation(settings: VoiceSettings) -> str:
    """Return the features, crop length and voice activity detection in one line."""
    representation = build_representation(settings)
    crop_seconds = settings.crop_frames * representation.hop_samples / representation.sample_rate_hz
    return (
        f"{representation.name} features: {representation.num_coefficients} coefficients at "
        f"{representation.sample_rate_hz} Hz, in crops of {settings.crop_frames} frames ({crop_seconds:.2f} s); voice "
        f"activity detection: {describe_vad(settings)}"
    )


def inspect_recordings(
    domains: Sequence[DomainFiles], settings: VoiceSettings, progress: ProgressCallback | None = None
) -> VoiceDataReport:
    """Decode every file, in threads. `progress` is called with (done, total)."""
    total = sum(len(files.train) + (0 if files.test is None else len(files.test)) for files in domains)
    finished_count, reports = 0, []
    with ThreadPoolExecutor(min(8, count_cores()), "check") as executor:
        for files in domains:
            report = SpeakerReport(files)
            for paths, in_train in _list_file_sets(files):
                for i, result in enumerate(executor.map(_inspect_file, iterate_paths(paths))):
                    if isinstance(result, UnreadableFileError):
                        report.add_unreadable(result, in_train)
                    else:
                        report.add_recording(paths[i], result.seconds, result.notes, in_train)
                        channels_text = _format_channels(result.header.channels)
                        report.formats[f"{result.header.sample_rate_hz} Hz, {channels_text}"] += 1
                    finished_count += 1
                    if progress is not None:
                        progress(finished_count, total)
            reports.append(report)
    return VoiceDataReport(tuple(reports), compute_minimum_seconds(settings))


def analyse_recordings(
    domains: Sequence[DomainFiles], transform: VoiceTransform, progress: ProgressCallback | None = None
) -> VoiceDataReport:
    """Analyse every file in parallel processes, using the cache. `progress` is called with (done, total)."""
    all_files = [file for files in domains for paths, _ in _list_file_sets(files) for file in iterate_paths(paths)]
    analyses = transform.analyse(all_files, None if progress is None else lambda done, total, _: progress(done, total))
    failures = {failure.path: failure for failure in analyses.failures}
    entries = {entry.source: entry for entry in analyses.entries}
    reports = []
    for files in domains:
        report = SpeakerReport(files)
        frame_count = speech_count = 0
        for paths, in_train in _list_file_sets(files):
            for i, file in enumerate(iterate_paths(paths)):
                entry = entries.get(file)
                speech_frames = 0 if entry is None else int(entry.detect_speech().sum())
                if entry is None:
                    report.add_unreadable(failures[str(file)], in_train)
                elif not speech_frames:
                    report.add_unreadable(transform.create_no_speech_error(file), in_train)
                else:
                    report.add_recording(paths[i], speech_frames * entry.frame_seconds, entry.notes, in_train)
                    frame_count, speech_count = frame_count + entry.num_frames, speech_count + speech_frames
        report.speech_fraction = speech_count / frame_count if frame_count else None
        reports.append(report)
    return VoiceDataReport(tuple(reports), compute_minimum_seconds(transform.settings))


def compute_minimum_seconds(settings: VoiceSettings) -> float:
    """Return the minimum sound of a domain in seconds: two crops."""
    representation = build_representation(settings)
    return 2 * settings.crop_frames * representation.hop_samples / representation.sample_rate_hz


def _list_file_sets(files: DomainFiles) -> list[tuple[Paths, bool]]:
    return [(files.train, True)] + ([] if files.test is None else [(files.test, False)])


def _inspect_file(path: Path) -> AudioInspection | UnreadableFileError:
    try:
        result = inspect_audio(path)
    except UnreadableFileError as error:
        return error
    return UnreadableFileError(path, f"is {result.notes[-1]}") if result.is_silent else result


def _format_domain(d: SpeakerReport) -> list[str]:
    files = d.files
    test_text = "" if files.test is None else f" and {len(files.test):,} in its test folder"
    ignored_text = f"; {format_count(files.ignored, 'file')} of other kinds ignored" if files.ignored else ""
    lines = [
        f"{files.name}  ({files.sources[0]})",
        f"  {format_count(len(files.train), 'recording')}{test_text}{ignored_text}",
    ]
    if d.usable_seconds:
        sorted_seconds = sorted(d.usable_seconds)
        total, median = format_duration(sum(sorted_seconds)), _compute_median(sorted_seconds)
        lines.append(
            f"  {total} in total; from {sorted_seconds[0]:.1f} to {sorted_seconds[-1]:.1f} s, median {median:.1f} s"
        )
    if d.formats:
        lines.append("  " + "; ".join(f"{kind}: {count:,}" for kind, count in d.formats.most_common()))
    return [*lines, *d.format_unreadable("unusable file")]


def _compute_median(sorted_values: Sequence[float]) -> float:
    return sorted_values[len(sorted_values) // 2]


def _format_channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")

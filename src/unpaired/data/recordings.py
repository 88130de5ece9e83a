"""What a look at recordings found, what it means for training, and both in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from unpaired.cores import cores
from unpaired.data.counted import Counted, Report, amount
from unpaired.data.folders import DomainFiles
from unpaired.data.paths import Paths
from unpaired.data.split import held_counts
from unpaired.data.voices import Voices, files_of
from unpaired.errors import UnreadableFile
from unpaired.media.voice.chosen import gate_in_words, representation
from unpaired.media.voice.survey import Survey, survey
from unpaired.settings import VoiceSettings
from unpaired.terminal import Advance, duration

FEW_SECONDS = 60
"""A domain with less sound gets a warning; one with less than two crops is an error."""
LONG_SILENCE = 0.5
"""A larger share of silence is worth telling."""
_NOTES = 5


@dataclass
class SpeakerReport(Counted):
    """What was found in one domain's recordings. `speech` is unset where silence was not looked for."""

    usable_seconds: list[float] = field(default_factory=list)
    seconds_in_train: float = 0.0
    speech: float | None = None
    notes: list[str] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    """Rate and channels in words -> how many files have them."""

    def note(self, name: str, seconds: float, notes: Sequence[str], in_train: bool) -> None:
        """Add a file that can be used."""
        self.usable_seconds.append(seconds)
        self.seconds_in_train += seconds if in_train else 0.0
        self.notes += [f"{name}: {note}" for note in notes]


@dataclass(frozen=True)
class RecordingsReport(Report):
    """What a look at recordings found; `least_seconds` are two crops."""

    domains: tuple[SpeakerReport, ...]
    least_seconds: float

    @property
    def errors(self) -> list[str]:
        """What makes training impossible."""
        out = []
        for d in self.domains:
            if d.seconds_in_train < self.least_seconds:
                why = f" ({d.unreadable[0]})" if d.unreadable else ""
                out.append(
                    f"{d.files.train.root}: domain '{d.files.name}' has {d.seconds_in_train:.1f} s of usable sound"
                    f"{why}; training needs at least {self.least_seconds:.1f} s, two crops"
                )
        return out

    @property
    def warnings(self) -> list[str]:
        """What a user should know before training."""
        out = []
        for d in self.domains:
            name = d.files.name
            if self.least_seconds <= d.seconds_in_train < FEW_SECONDS:
                heard = f"{name}: only {d.seconds_in_train:.0f} s of sound"
                out.append(f"{heard}; expect a voice that is known roughly (minutes are better)")
            if d.unreadable:
                out.append(f"{name}: {amount(len(d.unreadable), 'file')} cannot be used and will be skipped")
            if d.speech is not None and d.speech < 1 - LONG_SILENCE:
                out.append(f"{name}: {1 - d.speech:.0%} of its sound is silence, which is left out")
            if d.files.note:
                out.append(f"{name}: {d.files.note}")
            out += [f"{name}: {note}" for note in d.notes[:_NOTES]]
            if len(d.notes) > _NOTES:
                out.append(f"{name}: {len(d.notes) - _NOTES:,} more remarks of this kind")
        return out

    def text(self, settings: VoiceSettings | None = None, held: float = 0.1) -> str:
        """The report in words; with settings, also what training would do."""
        lines = [line for d in self.domains for line in _found(d)]
        if self.warnings:
            lines += ["", "Take note", *(f"  {warning}" for warning in self.warnings)]
        if self.errors:
            lines += ["", "Training is impossible", *(f"  {error}" for error in self.errors)]
        elif settings is not None:
            lines += ["", "Training would", f"  {seen(settings)}"]
            lines += [f"  {d.files.name}: {_held(d, held)}" for d in self.domains]
        return "\n".join(lines)


def seen(settings: VoiceSettings) -> str:
    """How recordings are seen, in words."""
    chosen = representation(settings)
    crop = settings.frames * chosen.hop_samples / chosen.sample_rate_hz
    return (
        f"see recordings as {chosen.name}: {chosen.coefficients} coefficients at {chosen.sample_rate_hz} Hz, in crops "
        f"of {settings.frames} frames ({crop:.2f} s); speech is told from silence by {gate_in_words(settings)}"
    )


def look(domains: Sequence[DomainFiles], settings: VoiceSettings, progress: Advance | None = None) -> RecordingsReport:
    """Decode every file, in threads. `progress` is called with (done, total)."""
    total = sum(len(files.train) + (0 if files.test is None else len(files.test)) for files in domains)
    done, reports = 0, []
    with ThreadPoolExecutor(min(8, cores()), "check") as pool:
        for files in domains:
            report = SpeakerReport(files)
            for paths, in_train in _parts(files):
                for i, found in enumerate(pool.map(_surveyed, files_of(paths))):
                    if isinstance(found, UnreadableFile):
                        report.refuse(found, in_train)
                    else:
                        report.note(paths[i], found.seconds, found.notes, in_train)
                        report.kinds[f"{found.facts.sample_rate_hz} Hz, {_channels(found.facts.channels)}"] += 1
                    done += 1
                    if progress is not None:
                        progress(done, total)
            reports.append(report)
    return RecordingsReport(tuple(reports), least_seconds(settings))


def analyse(domains: Sequence[DomainFiles], voices: Voices, progress: Advance | None = None) -> RecordingsReport:
    """Analyse every file (or take its analysis from the cache), in processes. `progress` gets (done, total)."""
    every = [file for files in domains for paths, _ in _parts(files) for file in files_of(paths)]
    found = voices.analysed(every, None if progress is None else lambda done, total, _: progress(done, total))
    failures = {failure.path: failure for failure in found.failures}
    entries = {entry.source: entry for entry in found.entries}
    reports = []
    for files in domains:
        report = SpeakerReport(files)
        frames = speech = 0
        for paths, in_train in _parts(files):
            for i, file in enumerate(files_of(paths)):
                entry = entries.get(file)
                spoken = 0 if entry is None else int(entry.speech().sum())
                if entry is None:
                    report.refuse(failures[str(file)], in_train)
                elif not spoken:
                    report.refuse(voices.speechless(file), in_train)
                else:
                    report.note(paths[i], spoken * entry.frame_seconds, entry.notes, in_train)
                    frames, speech = frames + entry.frames, speech + spoken
        report.speech = speech / frames if frames else None
        reports.append(report)
    return RecordingsReport(tuple(reports), least_seconds(voices.settings))


def least_seconds(settings: VoiceSettings) -> float:
    """Two crops: with less there is nothing to draw from."""
    chosen = representation(settings)
    return 2 * settings.frames * chosen.hop_samples / chosen.sample_rate_hz


def _parts(files: DomainFiles) -> list[tuple[Paths, bool]]:
    return [(files.train, True)] + ([] if files.test is None else [(files.test, False)])


def _surveyed(path: Path) -> Survey | UnreadableFile:
    try:
        found = survey(path)
    except UnreadableFile as error:
        return error
    return UnreadableFile(path, f"is {found.notes[-1]}") if found.silent else found


def _found(d: SpeakerReport) -> list[str]:
    files = d.files
    tests = "" if files.test is None else f" and {len(files.test):,} in its test folder"
    ignored = f"; {amount(files.ignored, 'file')} of other kinds ignored" if files.ignored else ""
    lines = [f"{files.name}  ({files.train.root})", f"  {amount(len(files.train), 'recording')}{tests}{ignored}"]
    if d.usable_seconds:
        ordered = sorted(d.usable_seconds)
        total = duration(sum(ordered))
        lines.append(f"  {total} in all; from {ordered[0]:.1f} to {ordered[-1]:.1f} s, median {_middle(ordered):.1f} s")
    if d.kinds:
        lines.append("  " + "; ".join(f"{kind}: {count:,}" for kind, count in d.kinds.most_common()))
    return [*lines, *d.refused("unusable file")]


def _held(d: SpeakerReport, held: float) -> str:
    has_test = d.files.test is not None
    validation, test = held_counts(d.usable, held, has_test)
    if d.files.test is not None:
        test = len(d.files.test) - (len(d.unreadable) - d.unreadable_in_train)
    train = d.usable - validation - (0 if has_test else test)
    words = f"{validation:,} choose the best, {test:,} test" if validation or test else "nothing is held back"
    return f"learn from {train:,}; {words}"


def _middle(ordered: Sequence[float]) -> float:
    return ordered[len(ordered) // 2]


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")

"""A method's measures on recordings, and how long its translations take."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from unpaired.data.split import DomainSplits, choose_evaluation_split
from unpaired.errors import WorkError
from unpaired.evaluation.run import evaluate
from unpaired.media.voice.metrics.judges import JUDGE_KINDS, JudgeKind, find_judges
from unpaired.media.voice.metrics.measurement import VoiceMeasures
from unpaired.media.voice.report import SAMPLE_RATE_HZ, VoiceTest, read_listening_samples, read_test, read_waves
from unpaired.media.voice.transcripts import Transcripts
from unpaired.report.page import write_report
from unpaired.runs.folder import RunFolder
from unpaired.runs.summary import RunSummary
from unpaired.translate import Translator

MAX_UTTERANCES = 20
"""Sentences of each domain that are measured at most."""
CONVERTED = "converted"
"""What the measures of a run call its own conversions."""


@dataclass(frozen=True)
class JudgeSettings:
    """Who judges recordings, and what they say, where a table tells."""

    kinds: tuple[JudgeKind, ...]
    texts: Transcripts | None = None

    @cached_property
    def installed_judges(self) -> tuple[str, ...]:
        """The judges that are installed."""
        return find_judges(self.kinds).names

    def covers(self, test: VoiceTest) -> bool:
        """Whether these judges were asked, all that are installed now, and compared words with the same."""
        judges_used = {name for m in test.measures for name in m.judges}
        transcripts_digest = "" if self.texts is None else self.texts.digest
        return (
            set(self.kinds) <= set(test.judge_kinds)
            and set(self.installed_judges) <= judges_used
            and test.texts == transcripts_digest
        )

    def require_texts(self, sets: Sequence[DomainSplits]) -> None:
        """Raise UsageError where the table does not say what all held-back recordings say."""
        split = choose_evaluation_split(sets)
        if self.texts is not None and split is not None:
            for part in sets:
                paths = part.get_paths(split)
                self.texts.get_texts(part.name, [paths[i] for i in range(len(paths))])


def measure_recordings(
    summary: RunSummary,
    sets: Sequence[DomainSplits],
    judge_settings: JudgeSettings,
    previous_tests: Sequence[VoiceTest] = (),
) -> VoiceTest:
    """A run's measures on as many held-back sentences as all are measured on; nothing is measured twice.

    What stands beside a run is taken from others' tests `before`, where it was measured alike; they must see recordings
    by the same settings. Raises WorkError where there is nothing to measure on.
    """
    test = read_test(summary.folder)
    if test is not None and not is_current(test, summary, sets):
        test = None
    if test is None or not judge_settings.covers(test):
        previous_kinds: Collection[str] = test.judge_kinds if test is not None else ()
        kinds = tuple(
            kind for kind in JUDGE_KINDS if kind in judge_settings.kinds or kind in previous_kinds
        )  # none that judged is lost
        evaluate(
            summary.folder.path,
            limit=MAX_UTTERANCES,
            judges=kinds,
            texts=None if judge_settings.texts is None else judge_settings.texts.path,
            baselines=select_known_baselines(previous_tests, JudgeSettings(kinds, judge_settings.texts)),
            device=summary.config.training.device,
        )
        write_report(summary.folder.path)
        test = read_test(summary.folder)
    if test is None:
        raise WorkError(f"{summary.folder.evaluation}: cannot be read as measures of recordings")
    return test


def select_known_baselines(
    previous_tests: Sequence[VoiceTest], judge_settings: JudgeSettings
) -> tuple[VoiceMeasures, ...]:
    """What stands beside every run, of the directions where a test has it by the same judges, of as many sentences."""
    comparable_tests = [
        test
        for test in previous_tests
        if (test.judge_kinds, test.limit) == (judge_settings.kinds, MAX_UTTERANCES) and judge_settings.covers(test)
    ]
    return tuple({(m.route, m.system): m for test in comparable_tests for m in select_baselines(test)}.values())


def is_current(test: VoiceTest, summary: RunSummary, sets: Sequence[DomainSplits]) -> bool:
    """Whether measures are of the state that translates, and of as many sentences as were asked.

    What was asked counts, not what came of it: a recording without speech has none the next time either.
    """
    split = choose_evaluation_split(sets)
    if split is None:
        return False
    max_available = max(len(part.get_paths(split)) for part in sets)
    return (
        (test.checkpoint, test.step) == summary.translating_checkpoint
        and test.is_own_data
        and test.pairs == summary.config.pairs
        and test.limit >= min(MAX_UTTERANCES, max_available)
    )


def select_converted(test: VoiceTest) -> tuple[VoiceMeasures, ...]:
    """The measures of the run itself."""
    return tuple(m for m in test.measures if m.system == CONVERTED)


def select_baselines(test: VoiceTest) -> tuple[VoiceMeasures, ...]:
    """The measures of what stands beside every run: converters without training, and the target."""
    return tuple(m for m in test.measures if m.system != CONVERTED)


def time_translation(run: RunFolder, translator: Translator) -> float | None:
    """How long a sentence takes, the mean over directions: of each the first that was kept to listen to."""
    times = []
    for sample in {item.route: item for item in reversed(read_listening_samples(run))}.values():
        source, _, target = sample.route.partition(" -> ")
        for _, wave in read_waves(run.listening_samples, {"source": sample.files.get("source", "")}):
            start = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the recording, and told before
                translator(wave, to=target, source=source, sample_rate_hz=SAMPLE_RATE_HZ)
            times.append(time.perf_counter() - start)
    return sum(times) / len(times) if times else None

"""A method's measures on recordings, and how long its translations take."""

from __future__ import annotations

import time
import warnings
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from unpaired.data.split import Sets, held_back
from unpaired.errors import WorkError
from unpaired.evaluation.run import evaluate
from unpaired.evaluation.texts import Texts
from unpaired.evaluation.voice.judges import KINDS, Kind, installed
from unpaired.evaluation.voice.measure import VoiceMeasures
from unpaired.report import write_report
from unpaired.report.facts import Facts
from unpaired.report.recordings import RATE_HZ, VoiceTest, heard, read, read_test
from unpaired.runs.folder import RunFolder
from unpaired.translate import Translator

LIMIT = 20
"""Sentences of each domain that are measured at most."""
CONVERTED = "converted"
"""What the measures of a run call its own conversions."""


@dataclass(frozen=True)
class Jury:
    """Who judges recordings, and what they say, where a table tells."""

    kinds: tuple[Kind, ...]
    texts: Texts | None = None

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The judges that are installed."""
        return installed(self.kinds).names

    def has_heard(self, found: VoiceTest) -> bool:
        """Whether these judges were asked, all that are installed now, and compared words with the same."""
        heard = {name for m in found.measures for name in m.judges}
        said = "" if self.texts is None else self.texts.digest
        return set(self.kinds) <= set(found.asked) and set(self.names) <= heard and found.texts == said

    def require_texts(self, sets: Sequence[Sets]) -> None:
        """Raise UsageError where the table does not say what all held-back recordings say."""
        which = held_back(sets)
        if self.texts is not None and which is not None:
            for part in sets:
                paths = part.of(which)
                self.texts.of(part.name, [paths[i] for i in range(len(paths))])


def measured(facts: Facts, sets: Sequence[Sets], jury: Jury, before: Sequence[VoiceTest] = ()) -> VoiceTest:
    """A run's measures on as many held-back sentences as all are measured on; nothing is measured twice.

    What stands beside a run is taken from others' tests `before`, where it was measured alike; they must see recordings
    by the same settings. Raises WorkError where there is nothing to measure on.
    """
    found = read_test(facts.folder)
    if found is not None and not is_ours(found, facts, sets):
        found = None
    if found is None or not jury.has_heard(found):
        asked: Collection[str] = found.asked if found is not None else ()
        kinds = tuple(kind for kind in KINDS if kind in jury.kinds or kind in asked)  # none that judged is lost
        evaluate(
            facts.folder.path,
            limit=LIMIT,
            judges=kinds,
            texts=None if jury.texts is None else jury.texts.path,
            beside=known(before, Jury(kinds, jury.texts)),
            device=facts.config.training.device,
        )
        write_report(facts.folder.path)
        found = read_test(facts.folder)
    if found is None:
        raise WorkError(f"{facts.folder.evaluation}: cannot be read as measures of recordings")
    return found


def known(before: Sequence[VoiceTest], jury: Jury) -> tuple[VoiceMeasures, ...]:
    """What stands beside every run, of the directions where a test has it by the same judges, of as many sentences."""
    alike = [test for test in before if (test.asked, test.limit) == (jury.kinds, LIMIT) and jury.has_heard(test)]
    return tuple({(m.route, m.system): m for test in alike for m in beside(test)}.values())


def is_ours(found: VoiceTest, facts: Facts, sets: Sequence[Sets]) -> bool:
    """Whether measures are of the state that translates, and of as many sentences as were asked.

    What was asked counts, not what came of it: a recording without speech has none the next time either.
    """
    which = held_back(sets)
    if which is None:
        return False
    most = max(len(part.of(which)) for part in sets)
    return (
        (found.checkpoint, found.step) == facts.translating
        and found.own
        and found.pairs == facts.config.pairs
        and found.limit >= min(LIMIT, most)
    )


def converted(test: VoiceTest) -> tuple[VoiceMeasures, ...]:
    """The measures of the run itself."""
    return tuple(m for m in test.measures if m.system == CONVERTED)


def beside(test: VoiceTest) -> tuple[VoiceMeasures, ...]:
    """The measures of what stands beside every run: converters without training, and the target."""
    return tuple(m for m in test.measures if m.system != CONVERTED)


def seconds(run: RunFolder, translator: Translator) -> float | None:
    """How long a sentence takes, the mean over directions: of each the first that was kept to listen to."""
    times = []
    for kept in {one.route: one for one in reversed(heard(run))}.values():
        source, _, target = kept.route.partition(" -> ")
        for _, wave in read(run.listening, {"source": kept.files.get("source", "")}):
            begun = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the recording, and told before
                translator(wave, to=target, source=source, sample_rate_hz=RATE_HZ)
            times.append(time.perf_counter() - begun)
    return sum(times) / len(times) if times else None

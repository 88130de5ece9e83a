"""A method's measures on recordings, and how long its translations take."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence

from unpaired.data.split import Sets, held_back
from unpaired.errors import WorkError
from unpaired.evaluation.run import evaluate
from unpaired.evaluation.voice.judges import KINDS, Kind
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


def measured(facts: Facts, sets: Sequence[Sets], judges: tuple[Kind, ...]) -> VoiceTest:
    """A run's measures on as many held-back sentences as all are measured on; nothing is measured twice.

    Raises WorkError where there is nothing to measure on.
    """
    found = read_test(facts.folder)
    if found is None or not is_ours(found, facts, sets, judges):
        if found is not None and is_ours(found, facts, sets, ()):  # what was judged before is not to be lost
            judges = tuple(kind for kind in KINDS if kind in judges or kind in found.asked)
        evaluate(facts.folder.path, limit=LIMIT, judges=judges, device=facts.config.training.device)
        write_report(facts.folder.path)
        found = read_test(facts.folder)
    if found is None:
        raise WorkError(f"{facts.folder.evaluation}: cannot be read as measures of recordings")
    return found


def is_ours(found: VoiceTest, facts: Facts, sets: Sequence[Sets], judges: tuple[Kind, ...]) -> bool:
    """Whether measures are of the state that translates, of enough sentences, and all of these judges were asked.

    What was asked counts, not what came of it: neither a judge that is not installed nor a recording without speech
    is there the next time.
    """
    which = held_back(sets)
    if which is None:
        return False
    state = (facts.default, facts.steps.get(facts.default) if facts.default else None)
    most = max(len(part.of(which)) for part in sets)
    return (
        (found.checkpoint, found.step) == state
        and found.set.startswith("the run's own data")
        and found.pairs == facts.config.pairs
        and found.limit >= min(LIMIT, most)
        and set(judges) <= set(found.asked)
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

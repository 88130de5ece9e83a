"""A method's measures on recordings, and how long its translations take."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence

from unpaired.data.batches import paired
from unpaired.data.paths import Paths
from unpaired.data.split import Sets, held_back
from unpaired.errors import WorkError
from unpaired.evaluation.run import evaluate
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


def measured(facts: Facts, sets: Sequence[Sets], judges: bool) -> VoiceTest:
    """A run's measures on as many held-back sentences as all are measured on; nothing is measured twice.

    Raises WorkError where there is nothing to measure on.
    """
    found = read_test(facts.folder)
    if found is None or not is_ours(found, facts, sets, judges):
        evaluate(facts.folder.path, limit=LIMIT, judges=judges, device=facts.config.training.device)
        write_report(facts.folder.path)
        found = read_test(facts.folder)
    if found is None:
        raise WorkError(f"{facts.folder.evaluation}: cannot be read as measures of recordings")
    return found


def is_ours(found: VoiceTest, facts: Facts, sets: Sequence[Sets], judges: bool) -> bool:
    """Whether measures are of the state that translates, of enough sentences, and judged where that is wanted."""
    which = held_back(sets)
    if which is None:
        return False
    state = (facts.default, facts.steps.get(facts.default) if facts.default else None)
    parts = {part.name: part.of(which) for part in sets}
    own = [m for m in found.measures if m.system == CONVERTED]
    return (
        (found.checkpoint, found.step) == state
        and found.set.startswith("the run's own data")
        and all(m.outputs >= enough(m.route, parts, facts.config.pairs) for m in own)
        and (not judges or all(m.judges or m.missing for m in own))
    )


def enough(route: str, parts: Mapping[str, Paths], pairs: bool) -> int:
    """How many sentences of a route are measured at least; with `pairs` those that both speakers say."""
    source, _, target = route.partition(" -> ")
    if pairs:
        return min(LIMIT, len(paired(parts[source], parts[target])))
    return min(LIMIT, len(parts[source]))


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

"""The first thing that somebody sees: training on samples, held-out ones translated."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from unpaired.console import LogCallback, progress_bar
from unpaired.errors import WorkError
from unpaired.runs.folder import RunFolder
from unpaired.training.train import train
from unpaired.translate import Translator, translate_files

SAMPLES = Path(__file__).parent / "samples"
AVATARS = SAMPLES / "avatars"
"""Adventurer avatars (CC BY 4.0, see its NOTICE): black hair in `black`, blond in `blond`; 300 of each, not paired."""
SENTENCES = SAMPLES / "sentences.txt"
"""A sentence a line, for two synthesised speakers to say."""
TEST_SENTENCES = 10
"""Sentences that both speakers say, to test with; of the others each says half."""


def demo(out: Path | None, minutes: float, log: LogCallback) -> Path:
    """Train black and blond hair for `minutes` of steps, translate the test avatars both ways; returns the run."""
    log(f"demo: black hair to blond and back, {minutes:g} minutes of training on this machine")
    return _train_and_translate([AVATARS / "black", AVATARS / "blond"], "avatars", out, minutes, log)


def demo_voice(out: Path | None, minutes: float, log: LogCallback) -> Path:
    """Let an installed synthesiser speak as two people, train one to the other and back; returns the run.

    Raises UsageError where no synthesiser is installed, WorkError where it fails.
    """
    from unpaired.media.voice.text_to_speech import find_synthesiser  # noqa: PLC0415 - packages that are optional

    synthesiser = find_synthesiser()
    first, second = synthesiser.voices
    log(
        f"demo: speaker {first} to {second} and back, both spoken by {synthesiser.program}, {minutes:g} minutes of "
        "training on this machine"
    )
    folder = (out.parent if out is not None else Path("runs")) / "demo-voices"
    plan = assign_sentences(SENTENCES.read_text(encoding="utf-8").splitlines(), (first, second))
    total, done_count = sum(map(len, plan.values())), 0
    with progress_bar("speaking") as advance:

        def advance_one() -> None:
            nonlocal done_count
            done_count += 1
            advance(done_count, total)

        for (speaker, use), texts in plan.items():
            synthesiser.speak(speaker, texts, folder / speaker / use, advance_one)
    first_file, second_file = (
        (folder / speaker / "test" / f"{min(plan[speaker, 'test'])}.wav") for speaker in (first, second)
    )
    if (
        first_file.read_bytes() == second_file.read_bytes()
    ):  # flite takes another voice for one that it lacks, and says nothing
        raise WorkError(
            f"{synthesiser.program} lacks the voice of {first} or of {second}: both sound alike in {folder}; remove "
            "that folder, install a synthesiser with both (apt install flite, or brew install espeak-ng) and try again"
        )
    with (folder / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        transcript_rows = [
            (f"{s}/{name}.wav", text)
            for (s, use), sentences_by_name in plan.items()
            if use == "test"
            for name, text in sentences_by_name.items()
        ]
        csv.writer(file).writerows([("file", "text"), *transcript_rows])
    log(f"{total} recordings, and what the test recordings say: {folder}")
    # Synthesised speech needs no more than levels, and the demo is then the same wherever it runs.
    return _train_and_translate([folder / first, folder / second], "recordings", out, minutes, log, vad="energy")


def assign_sentences(sentences: Sequence[str], speakers: tuple[str, str]) -> dict[tuple[str, str], Mapping[str, str]]:
    """What each speaker says to learn from (halves of the sentences, so that none is said by both) and to test with."""
    named_sentences = [(f"{i:03}", text) for i, text in enumerate(sentences)]
    test_sentences, train_sentences = dict(named_sentences[:TEST_SENTENCES]), named_sentences[TEST_SENTENCES:]
    plan: dict[tuple[str, str], Mapping[str, str]] = {}
    for i, speaker in enumerate(speakers):
        plan[speaker, "train"], plan[speaker, "test"] = dict(train_sentences[i::2]), test_sentences
    return plan


def _train_and_translate(
    sources: Sequence[Path], items: str, out: Path | None, minutes: float, log: LogCallback, **settings: Any
) -> Path:
    """Train on two domains with true pairs in their test folders, and translate those; returns the run."""
    run = train(*sources, out=out, minutes=minutes, pairs=True, log=log, **settings)
    assert run is not None
    translator = Translator.load(run)
    tests = {source.name: source / "test" for source in sources}
    for source, target in translator.routes:
        folder = run / "translated" / target
        outcome = translate_files(translator, [tests[source]], folder, translator.resolve_request(target, source))
        log(f"{outcome.done} {source} {items} translated to {target}: {folder}")
    log(f"look at the report: {RunFolder(run).report.resolve()}")
    return run

"""Voice demo: two synthesized speakers, converted into each other."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from unpaired.console import LogCallback, progress_bar
from unpaired.errors import WorkError
from unpaired.media.demo import SAMPLES, train_and_translate
from unpaired.media.voice.text_to_speech import find_synthesizer

SENTENCES = SAMPLES / "sentences.txt"
"""Text file with one sentence per line, for the two synthesized speakers."""
TEST_SENTENCES = 10
"""Number of sentences that both speakers say, for testing; each speaker says half of the others."""


def run_voice_demo(out: Path | None, minutes: float, log: LogCallback) -> Path:
    """Synthesize recordings of two speakers and train a converter; returns the run's folder.

    Raises UsageError if no speech synthesizer is installed, WorkError if it fails.
    """
    synthesizer = find_synthesizer()
    first, second = synthesizer.voices
    log(
        f"demo: speaker {first} to {second} and back, both synthesized by {synthesizer.program}; {minutes:g} minutes "
        "of training"
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
            synthesizer.speak(speaker, texts, folder / speaker / use, advance_one)
    first_file, second_file = (
        (folder / speaker / "test" / f"{min(plan[speaker, 'test'])}.wav") for speaker in (first, second)
    )
    if first_file.read_bytes() == second_file.read_bytes():  # flite silently uses another voice for one that it lacks
        raise WorkError(
            f"{synthesizer.program} lacks the voice {first} or {second}: their recordings in {folder} are equal; "
            "remove that folder, install a synthesizer with both (apt install flite, or brew install espeak-ng) and "
            "try again"
        )
    with (folder / "texts.csv").open("w", encoding="utf-8", newline="") as file:
        transcript_rows = [
            (f"{s}/{name}.wav", text)
            for (s, use), sentences_by_name in plan.items()
            if use == "test"
            for name, text in sentences_by_name.items()
        ]
        csv.writer(file).writerows([("file", "text"), *transcript_rows])
    log(f"{total} recordings, and transcripts of the test recordings: {folder}")
    # An energy threshold is enough for synthesized speech, and makes the demo the same on every machine.
    return train_and_translate([folder / first, folder / second], "recordings", out, minutes, log, vad="energy")


def assign_sentences(sentences: Sequence[str], speakers: tuple[str, str]) -> dict[tuple[str, str], Mapping[str, str]]:
    """Return the sentences of each (speaker, "train" or "test"), by file name.

    Each speaker gets half of the training sentences, and both get all test sentences.
    """
    named_sentences = [(f"{i:03}", text) for i, text in enumerate(sentences)]
    test_sentences, train_sentences = dict(named_sentences[:TEST_SENTENCES]), named_sentences[TEST_SENTENCES:]
    plan: dict[tuple[str, str], Mapping[str, str]] = {}
    for i, speaker in enumerate(speakers):
        plan[speaker, "train"], plan[speaker, "test"] = dict(train_sentences[i::2]), test_sentences
    return plan

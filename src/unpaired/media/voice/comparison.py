"""A comparison of recordings: advice on blur and lost words, sentences to hear by every method, and their timing."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from unpaired.comparison.advice import Advisor
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.ranking import RankedMethod
from unpaired.comparison.result import Comparison
from unpaired.media.voice.metrics.declarations import AFFINE, NEAREST, SIMILARITY, WER
from unpaired.media.voice.metrics.measurement import CONVERTED
from unpaired.media.voice.report import SAMPLE_RATE_HZ, ListeningSample, read_listening_samples, read_waves
from unpaired.media.voice.report_figures import render_recording
from unpaired.media.voice.verdict import describe_blur, is_blurred
from unpaired.metrics.base import DO_NOTHING, RouteEvaluation
from unpaired.report.templating import format_route, render
from unpaired.runs.folder import RunFolder
from unpaired.translate import Translator

MAX_WER_INCREASE = 0.1
"""Word error rate above that of the sources from which words are said to be lost."""
LISTENING_UTTERANCES = 2
"""Sentences of a direction that can be listened to."""
MAX_DIRECTIONS, OPEN_DIRECTIONS = 12, 2
"""Directions that can be listened to, and those of them that are shown unfolded."""


class VoiceAdvisor(Advisor):
    """Prefers methods that are not blurred, and warns of lost words."""

    @property
    def rules(self) -> tuple[str, ...]:
        """How methods are ranked, and what the rank does not say."""
        return (
            "Ranked by MCD where recordings of equal names say the same (--pairs), else by the frame distance, lower "
            f"is better; methods share a rank where they differ by less than {self.describe_tolerance()}. Do not trust "
            "the rank alone: blurred speech has a good MCD and a GV bias far below 0, and the nearest to the target "
            "may have lost its words. Listen.",
        )

    def choose(self, ranked: Sequence[RankedMethod]) -> RankedMethod | None:
        """Return the best method that beats every baseline without training, unblurred ones first."""
        better = self.list_better(ranked)
        clear = [m for m in better if m.route is not None and not is_blurred(m.route)]
        return next(iter([*clear, *better]), None)

    def describe_direction(self, direction: str) -> str:
        """Say which method to take in one direction, and whether words are lost or speech is blurred."""
        text, ranked = super().describe_direction(direction), self.rank(direction)
        chosen, best = self.choose(ranked), ranked[0]
        if chosen is None or chosen.route is None:
            return text
        if best.method != chosen.method and best.route is not None and is_blurred(best.route):
            text += f" {best.method} is nearer ({self.format_method(best)}), but blurred."
        return f"{text}{describe_lost_words(chosen.route)}{describe_blur(chosen.route)}"

    def format_method(self, method: RankedMethod) -> str:
        """Format the ranking figure, with similarity and words where they were judged."""
        parts = [super().format_method(method)]
        for metric in (SIMILARITY, WER):
            value = method.route.value(metric) if method.route is not None else None
            parts += [f"{metric.short} {value:.2f}"] if value is not None else []
        return ", ".join(parts)


def describe_lost_words(route: RouteEvaluation) -> str:
    """Warn where many more words are misrecognized than in the sources; else an empty text."""
    wer, source_wer = route.value(WER), route.baseline(DO_NOTHING, WER)
    if wer is None or source_wer is None or wer <= source_wer + MAX_WER_INCREASE:
        return ""
    lost, source = f"{100 * wer:.0f} of 100", f"{100 * source_wer:.0f} of the sources'"
    return f" But words are lost: {lost} are misrecognized, against {source}."


class SentenceTimer:
    """Times the translation of sentences; the sentences themselves were kept by the evaluation."""

    def demonstrate(self, method: str, translator: Translator, run: RunFolder) -> float | None:  # noqa: ARG002
        """Return the seconds that a sentence takes, the mean over directions: of each the first that was kept."""
        times = []
        for sample in {item.route: item for item in reversed(read_listening_samples(run))}.values():
            source, _, target = sample.route.partition(" -> ")
            for _, wave in read_waves(run.listening_samples, {"source": sample.files.get("source", "")}):
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # about the recording; the evaluation has warned already
                    translator(wave, to=target, source=source, sample_rate_hz=SAMPLE_RATE_HZ)
                times.append(time.perf_counter() - start)
        return sum(times) / len(times) if times else None


def render_listening(folder: ComparisonFolder, comparison: Comparison) -> list[Markup]:
    """Render the sentences of each direction by every method, best first, between the source and the target."""
    sections = []
    for i, direction in enumerate(comparison.directions[:MAX_DIRECTIONS]):
        if sentences := _list_sentences(folder, comparison, direction):
            body = render("voice_sentences", heading="", sentences=sentences, empty_hint="")
            heading = f"To hear: {format_route(direction)}"
            sections.append(render("section", heading=heading, body=body, is_open=i < OPEN_DIRECTIONS))
    return sections


def _list_sentences(folder: ComparisonFolder, comparison: Comparison, direction: str) -> list[dict[str, Any]]:
    """Return the sentences of one direction for the template."""
    advisor = VoiceAdvisor(comparison)
    methods = [m.method for m in advisor.rank(direction)]
    samples = {
        name: [s for s in read_listening_samples(folder.get_run(name)) if s.route == direction][:LISTENING_UTTERANCES]
        for name in methods
    }
    samples = {name: kept for name, kept in samples.items() if kept}
    if not samples:
        return []
    first = next(iter(samples))
    sentences = []
    for i, sample in enumerate(samples[first]):
        shown = [(first, sample, "source", "source")]
        shown += [(name, kept[i], CONVERTED, name) for name, kept in samples.items() if i < len(kept)]
        shown += [(first, sample, name, name) for name in (NEAREST, AFFINE, "target")]
        figures = [figure for part in shown for figure in _render_recordings(folder, *part)]
        sentences.append({"route": "", "text": sample.sentence, "figures": figures, "chart": Markup(), "legend": []})
    return sentences


def _render_recordings(
    folder: ComparisonFolder, method: str, sample: ListeningSample, name: str, title: str
) -> list[Markup]:
    """Render one recording of a sentence; none where it was not kept."""
    files = {name: sample.files[name]} if name in sample.files else {}
    waves = read_waves(folder.get_run(method).listening_samples, files)
    return [render_recording(wave, SAMPLE_RATE_HZ, title) for _, wave in waves]

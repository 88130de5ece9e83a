"""Comparison of voice methods: ranking, warnings of blur and lost words, listening samples, and timing."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from unpaired.comparison.advice import Advisor
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.ranking import RankedMethod, is_tied
from unpaired.comparison.result import Comparison
from unpaired.media.voice.metrics.declarations import AFFINE, CONTENT, NEAREST, SIMILARITY, WER
from unpaired.media.voice.metrics.measurement import CONVERTED
from unpaired.media.voice.report import SAMPLE_RATE_HZ, ListeningSample, read_listening_samples, read_waves
from unpaired.media.voice.report_figures import render_recording
from unpaired.media.voice.verdict import describe_blur, is_blurred
from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation
from unpaired.report.templating import format_route, render
from unpaired.runs.folder import RunFolder
from unpaired.translate import Translator

MAX_WER_INCREASE = 0.1
"""Increase of the word error rate over that of the sources above which the advice warns of lost words."""
LISTENING_UTTERANCES = 2
"""Maximum number of sentences per direction on the page."""
MAX_DIRECTIONS, OPEN_DIRECTIONS = 12, 2
"""Maximum number of directions on the page, and how many of them are expanded."""


class VoiceAdvisor(Advisor):
    """Advisor that prefers methods without blur and warns of lost words."""

    @property
    def rules(self) -> tuple[str, ...]:
        """Explanation of the ranking and of its limits."""
        return (
            "Methods are ranked by MCD if recordings with equal names are the same sentences (--pairs), otherwise by "
            "frame distance; lower is better. Methods have the same rank if they differ by less than "
            f"{self.describe_tolerance()}. Also listen to the results: blurred speech can have a good MCD (its GV bias "
            "is far below 0), and the result nearest to the target can be unintelligible.",
        )

    def choose(self, ranked: Sequence[RankedMethod]) -> RankedMethod | None:
        """Return the best method that beats every untrained baseline; methods without blur come first."""
        better = self.list_better(ranked)
        unblurred = [m for m in better if m.route is not None and not is_blurred(m.route)]
        return next(iter([*unblurred, *better]), None)

    def describe_direction(self, direction: str) -> str:
        """Return the recommended method of a direction, with warnings of lost words and blur."""
        text, ranked = super().describe_direction(direction), self.rank(direction)
        chosen, best = self.choose(ranked), ranked[0]
        if chosen is None or chosen.route is None:
            return text
        if best.method != chosen.method and best.route is not None and is_blurred(best.route):
            relation = "as near to" if is_tied(best, chosen, self.metric) else "nearer to"
            text += f" {best.method} is {relation} the target ({self.format_method(best)}), but blurred."
        return f"{text}{describe_lost_words(chosen.route)}{describe_blur(chosen.route)}"

    def format_method(self, method: RankedMethod) -> str:
        """Format the ranking metric, and similarity and WER if they were measured."""
        parts = [super().format_method(method)]
        for metric in (SIMILARITY, WER):
            value = method.route.value(metric) if method.route is not None else None
            parts += [f"{metric.short} {value:.2f}"] if value is not None else []
        return ", ".join(parts)


def describe_lost_words(route: RouteEvaluation) -> str:
    """Return a warning if many more words are misrecognized than in the sources, else an empty text."""
    wer, source_wer = route.value(WER), route.baseline(DOING_NOTHING, WER)
    if wer is None or source_wer is None or wer <= source_wer + MAX_WER_INCREASE:
        return ""
    return (
        f" But words are lost: {100 * wer:.0f} of 100 words are misrecognized, compared with {100 * source_wer:.0f} in "
        "the sources."
    )


class SentenceTimer:
    """Timer of the translation of the sentences that the evaluation saved."""

    def demonstrate(self, method: str, translator: Translator, run: RunFolder) -> float | None:  # noqa: ARG002
        """Return the mean time in seconds to translate the first sentence of each direction; None without sentences."""
        times = []
        for sample in {item.route: item for item in reversed(read_listening_samples(run))}.values():
            source, _, target = sample.route.partition(" -> ")
            for _, wave in read_waves(run.listening_samples, {"source": sample.files.get("source", "")}):
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # the evaluation has already warned about the recording
                    translator(wave, to=target, source=source, sample_rate_hz=SAMPLE_RATE_HZ)
                times.append(time.perf_counter() - start)
        return sum(times) / len(times) if times else None


def render_listening(folder: ComparisonFolder, comparison: Comparison) -> list[Markup]:
    """Render listening samples of each direction: source, the result of each method (best first), and target."""
    sections = []
    for i, direction in enumerate(comparison.directions[:MAX_DIRECTIONS]):
        if sentences := _list_sentences(folder, comparison, direction):
            body = render("voice_sentences", heading="", sentences=sentences, empty_hint="")
            heading = f"Listening samples: {format_route(direction)}"
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
    samples = {name: method_samples for name, method_samples in samples.items() if method_samples}
    if not samples:
        return []
    first = next(iter(samples))
    sentences = []
    for i, sample in enumerate(samples[first]):
        recordings = [(first, sample, "source", "source")]
        recordings += [
            (name, method_samples[i], CONVERTED, name)
            for name, method_samples in samples.items()
            if i < len(method_samples)
        ]
        recordings += [(first, sample, name, name) for name in (CONTENT, NEAREST, AFFINE, "target")]
        figures = [figure for recording in recordings for figure in _render_recordings(folder, *recording)]
        sentences.append({"route": "", "text": sample.sentence, "figures": figures, "chart": Markup(), "legend": []})
    return sentences


def _render_recordings(
    folder: ComparisonFolder, method: str, sample: ListeningSample, name: str, title: str
) -> list[Markup]:
    """Render one recording of a sentence; an empty list if its file is missing or damaged."""
    files = {name: sample.files[name]} if name in sample.files else {}
    waves = read_waves(folder.get_run(method).listening_samples, files)
    return [render_recording(wave, SAMPLE_RATE_HZ, title) for _, wave in waves]

"""A comparison of recordings: who is nearest to the target, in tables and in words, and what there is to hear.

Ranked by MCD where there are parallel test recordings, else by the distance of frames. Neither has a known error, so
methods share a rank where they differ by less than `NOTABLE` of the better one's figure. What needs no training stands
beside them, unranked, and is the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from unpaired.comparison import recommendations
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.result import Comparison, MethodResult
from unpaired.comparison.tables import Cells
from unpaired.console import format_duration
from unpaired.media.image.report_table import format_number
from unpaired.media.voice.metrics import measures_table
from unpaired.media.voice.metrics.measurement import VoiceMeasures
from unpaired.media.voice.report import (
    BLURRED_GV_BIAS_DB,
    SAMPLE_RATE_HZ,
    ListeningSample,
    read_listening_samples,
    read_waves,
)
from unpaired.media.voice.report_figures import render_voice
from unpaired.report.run_text import format_route

MIN_RELATIVE_DIFFERENCE = 0.02
"""Share of the better figure by which two must differ to be told apart."""
MAX_WER_INCREASE = 0.1
"""Word error rate above that of the sources from which on words are said to be lost."""
BASELINES = ("do nothing", "affine", "kNN")
"""What needs no training."""
REFERENCES = ("copy-synthesis", "real target")
"""What no converter is measured against, but stands below as the best that there could be."""
LISTENING_UTTERANCES = 2
"""Sentences of a direction that can be listened to."""
MAX_DIRECTIONS = 12
LABELS = {"mcd": ("MCD", " dB", 2), "frame_distance": ("frame distance", "", 1)}
SHORT_LABELS = {
    "MCD, dB": "MCD",
    "GV distance, dB": "GV",
    "GV bias, dB": "GV bias",
    "modulation distance, dB": "modulation",
}
RULES = (
    "Ranked by MCD where equal names say the same (--pairs), else by the distance of frames, lower is better; methods "
    f"share a rank where they differ by less than {MIN_RELATIVE_DIFFERENCE:.0%}. No rank alone: a blurred voice has a good MCD and a "
    "GV bias far below 0, and a voice that is nearest to the target may have lost its words. So listen.",
    *recommendations.RULES[1:],
)


@dataclass(frozen=True)
class RankedSystem:
    """A system in the order of a direction: its rank among the methods, None of what needs no training."""

    system: str
    rank: int | None
    value: float
    measures: VoiceMeasures


def get_ranking_measure(comparison: Comparison) -> str:
    """The measure that ranks: of all directions the same."""
    rows = [m for r in comparison.results for m in r.voices]
    return "mcd" if rows and all(m.mcd is not None for m in rows) else "frame_distance"


def get_value(m: VoiceMeasures, name: str) -> float:
    """A measure that ranks, infinite where it was not taken."""
    measured_value = m.mcd if name == "mcd" else m.frame_distance
    return float("inf") if measured_value is None else measured_value


def rank_systems(comparison: Comparison, direction: str) -> list[RankedSystem]:
    """The methods, and what needs no training, of a direction, in their order."""
    name = get_ranking_measure(comparison)
    measures = [(r.method, m) for r in comparison.results if (m := r.get_voice_route(direction)) is not None]
    values = [get_value(m, name) for _, m in measures]
    out = [
        RankedSystem(method, compute_rank(get_value(m, name), values), get_value(m, name), m) for method, m in measures
    ]
    baselines = [m for m in comparison.baselines if m.route == direction and m.system in BASELINES]
    return sorted(
        [*out, *(RankedSystem(m.system, None, get_value(m, name), m) for m in baselines)], key=lambda place: place.value
    )


def compute_rank(value: float, values: Sequence[float]) -> int:
    """One more than the number of values that are better by more than what tells nothing."""
    return 1 + sum(is_better(other, value) for other in values)


def is_better(value: float, other: float) -> bool:
    """Whether a value is better than another by more than what tells nothing; any is, where the other is infinite."""
    return value < other - MIN_RELATIVE_DIFFERENCE * abs(value)


def compute_means(comparison: Comparison) -> dict[str, float]:
    """The mean of the ranking measure, of every method that offers all directions, in order."""
    name, directions = get_ranking_measure(comparison), comparison.directions
    mean_by_method = {}
    for result in comparison.results:
        rows = [m for d in directions if (m := result.get_voice_route(d)) is not None]
        if rows and len(rows) == len(directions):
            mean_by_method[result.method] = sum(get_value(m, name) for m in rows) / len(rows)
    return dict(sorted(mean_by_method.items(), key=lambda pair: pair[1]))


def build_methods_table(comparison: Comparison) -> list[Cells]:
    """Every method: its place over all directions, how it was trained, what it costs; a head first."""
    label, unit, digits = LABELS[get_ranking_measure(comparison)]
    order = compute_means(comparison)
    rows = [build_method_row(r, order, digits) for r in sort_results(comparison)]
    for system in (*BASELINES, *REFERENCES):
        measures = [m for m in comparison.baselines if m.system == system]
        values = [v for m in measures if (v := get_value(m, get_ranking_measure(comparison))) < float("inf")]
        if measures:
            mean = format_number(sum(values) / len(values) if values else None, digits)
            rows.append(["–", system, mean, *format_qualities(measures), *["–"] * 5])
    head = ["rank", "method", f"mean {label}{',' if unit else ''}{unit}", "GV bias, dB", "similarity", "WER"]
    return [[*head, "steps", "ms/step", "ms/item", "translating", "in all"], *rows]


def sort_results(comparison: Comparison) -> list[MethodResult]:
    """By the mean over all directions; then those that go some ways only, then those that were not measured."""
    order = {name: i for i, name in enumerate(compute_means(comparison))}
    return sorted(comparison.results, key=lambda r: (r.state != "done", order.get(r.method, len(order))))


def build_method_row(r: MethodResult, order: dict[str, float], digits: int) -> Cells:
    """One method's cells."""
    if r.state != "done":
        return ["–", r.method, r.state_label, "–", "–", "–", f"{r.steps:,}", *["–"] * 4]
    mean = order.get(r.method)
    return [
        "–" if mean is None else str(compute_rank(mean, [*order.values()])),
        r.method,
        f"({len(r.voices)} ways)" if mean is None else format_number(mean, digits),
        *format_qualities(r.voices),
        f"{r.steps:,}",
        format_number(1000 * r.step_s if r.step_s is not None else None, 0),
        format_number(1000 * r.translate_s if r.translate_s is not None else None, 0),
        f"{r.parameters:,}",
        f"{r.total_parameters:,}",
    ]


def format_qualities(rows: Sequence[VoiceMeasures]) -> Cells:
    """What a rank does not tell: spread, likeness, words; means over directions."""
    out = []
    for values, digits in (
        ([m.gv_bias for m in rows], 1),
        ([m.similarity for m in rows], 2),
        ([m.wer for m in rows], 2),
    ):
        known_values = [v for v in values if v is not None]
        out.append(format_number(sum(known_values) / len(known_values) if known_values else None, digits))
    return out


def build_direction_table(comparison: Comparison, d: str) -> list[Cells]:
    """The order of one direction with all measures that there are, what needs no training in its place."""
    order = rank_systems(comparison, d)
    references = [m for system in REFERENCES for m in comparison.baselines if (m.route, m.system) == (d, system)]
    rows = [p.measures.model_copy(update={"system": p.system}) for p in order] + references
    ranks = {p.system: "–" if p.rank is None else str(p.rank) for p in order}
    columns = measures_table.build_rows(rows)
    head = ["rank", "method", *(SHORT_LABELS.get(line[0], line[0]) for line in columns[1:])]
    return [
        head,
        *([ranks.get(m.system, "–"), m.system, *(line[1 + i] for line in columns[1:])] for i, m in enumerate(rows)),
    ]


def recommend(comparison: Comparison) -> list[tuple[str, str]]:
    """Paragraphs with their heads: for each direction, and in all."""
    if not any(r.state == "done" for r in comparison.results):
        return [("Nothing to compare yet", "no method has been trained and measured to its end.")]
    choices = {d: choose_system(comparison, d) for d in comparison.directions}
    paragraphs = [
        (format_route(d), describe_direction(comparison, d))
        for d in comparison.directions[: recommendations.MAX_PARAGRAPHS]
    ]
    names = {d: place.system if place is not None else recommendations.NONE for d, place in choices.items()}
    if set(names.values()) == {recommendations.NONE}:
        text = "no trained method is worth taking in any direction by these figures."
    elif len(set(names.values())) == 1:
        text = f"{next(iter(names.values()))} is the one to take in every direction."
    else:
        text = f"by direction: {'; '.join(f'{format_route(d)} {name}' for d, name in names.items())}."
    chosen_methods = [name for name in dict.fromkeys(names.values()) if name != recommendations.NONE]
    return [
        *paragraphs,
        (
            "In all",
            f"{text}{recommendations.describe_costs(comparison, chosen_methods)}{recommendations.describe_unfinished_training(comparison)}",
        ),
    ]


def choose_system(comparison: Comparison, d: str) -> RankedSystem | None:
    """The method to take: the best that is better than what needs no training, unblurred ones first."""
    order = rank_systems(comparison, d)
    baselines = min((p.value for p in order if p.rank is None), default=float("inf"))
    better = [p for p in order if p.rank is not None and is_better(p.value, baselines)]
    return next((p for p in better if not is_blurred(p.measures)), better[0] if better else None)


def is_blurred(m: VoiceMeasures) -> bool:
    """Whether a voice is much flatter than the target's."""
    return m.gv_bias is not None and m.gv_bias < BLURRED_GV_BIAS_DB


def describe_direction(comparison: Comparison, d: str) -> str:
    """What to take in one direction, and why."""
    name, order, chosen = get_ranking_measure(comparison), rank_systems(comparison, d), choose_system(comparison, d)
    baselines = [p for p in order if p.rank is None]
    baseline_figures = ", ".join(f"{p.system} {p.value:.{LABELS[name][2]}f}" for p in baselines)
    best = next(p for p in order if p.rank is not None)
    if chosen is None:
        if not baselines:
            return f"take none: {LABELS[name][0]} was not measured."
        comparison_text = f"{baselines[0].system}, which needs no training, is as near to the target within {MIN_RELATIVE_DIFFERENCE:.0%} or nearer"
        return f"take none yet: {comparison_text} (the best trained is {best.system}: {format_measure(best, name)}; {baseline_figures})."
    text = (
        f"take {chosen.system}: {format_measure(chosen, name)}{f' ({baseline_figures})' if baseline_figures else ''}."
    )
    tied = [p.system for p in order if p.rank == chosen.rank and p.system != chosen.system]
    if tied:
        text += f" As near within {MIN_RELATIVE_DIFFERENCE:.0%}: {recommendations.join_names(tied)}."
    if best.system != chosen.system and is_blurred(best.measures):
        text += f" {best.system} is nearer ({format_measure(best, name)}), but blurred."
    text += describe_lost_words(chosen.measures, baselines)
    if is_blurred(chosen.measures):
        text += (
            f" Its spectrum is {-(chosen.measures.gv_bias or 0):.1f} dB flatter than the target's, that is, blurred."
        )
    return text


def describe_lost_words(m: VoiceMeasures, baselines: Sequence[RankedSystem]) -> str:
    """What is said of a voice whose words are recognised much worse than those of the sources; else nothing."""
    source_wer = next((p.measures.wer for p in baselines if p.system == BASELINES[0]), None)
    if m.wer is None or source_wer is None or m.wer <= source_wer + MAX_WER_INCREASE:
        return ""
    return (
        f" But words are lost: of every hundred {100 * m.wer:.0f} are misheard, {100 * source_wer:.0f} of the sources'."
    )


def format_measure(place: RankedSystem, name: str) -> str:
    """The ranking figure, with likeness and words where they were judged."""
    label, unit, digits = LABELS[name]
    m = place.measures
    judged = [f"similarity {m.similarity:.2f}"] if m.similarity is not None else []
    judged += [f"WER {m.wer:.2f}"] if m.wer is not None else []
    return ", ".join([f"{label} {place.value:.{digits}f}{unit}", *judged])


def describe_setup(comparison: Comparison) -> str:
    """What was compared on what."""
    items = " and ".join(f"{n:,} of {d}" for n, d in zip(comparison.train_counts, comparison.domains, strict=True))
    return (
        f"{len(comparison.results)} methods, each trained for {comparison.budget} on {items} (recordings, unpaired), "
        f"in batches of {comparison.batch_sizes}, preset {comparison.preset}, seed {comparison.seed}, on "
        f"{comparison.device}; {format_duration(sum(r.seconds for r in comparison.results))} of steps in all."
    )


def render_listening(folder: ComparisonFolder, comparison: Comparison, d: str) -> str:
    """Sentences of one direction by every method, best first, between the source and the target."""
    order = [p.system for p in rank_systems(comparison, d)]
    measured_methods = [r.method for r in comparison.results if r.get_voice_route(d) is not None]
    samples_by_method = {
        name: [sample for sample in read_listening_samples(folder.get_run(name)) if sample.route == d][
            :LISTENING_UTTERANCES
        ]
        for name in measured_methods
    }
    kept_samples = {name: rows for name, rows in samples_by_method.items() if rows}
    first = next(iter(kept_samples), "")
    parts = []
    for i, sample in enumerate(kept_samples.get(first, [])):
        figures = [render_system_voice(folder, first, sample, "source", "source")]
        for system in order:
            if system not in measured_methods:
                figures.append(render_system_voice(folder, first, sample, system, system))
            elif i < len(kept_samples.get(system, [])):
                figures.append(render_system_voice(folder, system, kept_samples[system][i], "converted", system))
        figures.append(render_system_voice(folder, first, sample, "target", "target"))
        parts.append(
            f'<h3><span class="soft">{escape(sample.sentence)}</span></h3><div class="grids">{"".join(figures)}</div>'
        )
    return "".join(parts)


def render_system_voice(folder: ComparisonFolder, method: str, sample: ListeningSample, name: str, title: str) -> str:
    """One voice of a sentence; the empty text where it was not kept."""
    files = {name: sample.files[name]} if name in sample.files else {}
    return "".join(
        render_voice(wave, SAMPLE_RATE_HZ, title)
        for _, wave in read_waves(folder.get_run(method).listening_samples, files)
    )

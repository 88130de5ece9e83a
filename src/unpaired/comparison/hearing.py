"""A comparison of recordings: who is nearest to the target, in tables and in words, and what there is to hear.

Ranked by MCD where there are parallel test recordings, else by the distance of frames. Neither has a known error, so
methods share a rank where they differ by less than `NOTABLE` of the better one's figure. What needs no training stands
beside them, unranked, and is the floor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from unpaired.comparison import words
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.result import Comparison, Result
from unpaired.comparison.tables import Cells
from unpaired.evaluation.voice import table
from unpaired.evaluation.voice.measure import VoiceMeasures
from unpaired.report.recordings import FLAT_DB, RATE_HZ, Heard, heard, read
from unpaired.report.table import number
from unpaired.report.voice import voice
from unpaired.report.words import arrow
from unpaired.terminal import duration

NOTABLE = 0.02
"""Share of the better figure by which two must differ to be told apart."""
LOST = 0.1
"""Word error rate above that of the sources from which on words are said to be lost."""
FLOOR = ("do nothing", "affine", "kNN")
"""What needs no training."""
LAST = ("copy-synthesis", "real target")
"""What no converter is measured against, but stands below as the best that there could be."""
HEARD = 2
"""Sentences of a direction that can be listened to."""
MOST_DIRECTIONS = 12
LABELS = {"mcd": ("MCD", " dB", 2), "frames": ("distance of frames", "", 1)}
SHORT = {"MCD, dB": "MCD", "GV distance, dB": "GV", "GV bias, dB": "GV bias", "modulation distance, dB": "modulation"}
RULES = (
    "Ranked by MCD where equal names say the same (--pairs), else by the distance of frames, lower is better; methods "
    f"share a rank where they differ by less than {NOTABLE:.0%}. No rank alone: a blurred voice has a good MCD and a "
    "GV bias far below 0, and a voice that is nearest to the target may have lost its words. So listen.",
    *words.RULES[1:],
)


@dataclass(frozen=True)
class Place:
    """A system in the order of a direction: its rank among the methods, None of what needs no training."""

    system: str
    rank: int | None
    value: float
    measures: VoiceMeasures


def measure(comparison: Comparison) -> str:
    """The measure that ranks: of all directions the same."""
    rows = [m for r in comparison.results for m in r.voices]
    return "mcd" if rows and all(m.mcd is not None for m in rows) else "frames"


def value(m: VoiceMeasures, name: str) -> float:
    """A measure that ranks, infinite where it was not taken."""
    found = m.mcd if name == "mcd" else m.frames
    return float("inf") if found is None else found


def places(comparison: Comparison, direction: str) -> list[Place]:
    """The methods, and what needs no training, of a direction, in their order."""
    name = measure(comparison)
    own = [(r.method, m) for r in comparison.results if (m := r.voice(direction)) is not None]
    values = [value(m, name) for _, m in own]
    out = [Place(method, rank(value(m, name), values), value(m, name), m) for method, m in own]
    floor = [m for m in comparison.beside if m.route == direction and m.system in FLOOR]
    return sorted([*out, *(Place(m.system, None, value(m, name), m) for m in floor)], key=lambda place: place.value)


def rank(one: float, values: Sequence[float]) -> int:
    """One more than the number of values that are better by more than what tells nothing."""
    return 1 + sum(nearer(other, one) for other in values)


def nearer(one: float, other: float) -> bool:
    """Whether a value is better than another by more than what tells nothing; any is, where the other is infinite."""
    return one < other - NOTABLE * abs(one)


def means(comparison: Comparison) -> dict[str, float]:
    """The mean of the ranking measure, of every method that offers all directions, in order."""
    name, directions = measure(comparison), comparison.directions
    found = {}
    for result in comparison.results:
        rows = [m for d in directions if (m := result.voice(d)) is not None]
        if rows and len(rows) == len(directions):
            found[result.method] = sum(value(m, name) for m in rows) / len(rows)
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def methods(comparison: Comparison) -> list[Cells]:
    """Every method: its place over all directions, how it was trained, what it costs; a head first."""
    label, unit, digits = LABELS[measure(comparison)]
    order = means(comparison)
    rows = [method_row(r, order, digits) for r in in_order(comparison)]
    for system in (*FLOOR, *LAST):
        found = [m for m in comparison.beside if m.system == system]
        known = [v for m in found if (v := value(m, measure(comparison))) < float("inf")]
        if found:
            mean = number(sum(known) / len(known) if known else None, digits)
            rows.append(["–", system, mean, *qualities(found), *["–"] * 5])
    head = ["rank", "method", f"mean {label}{',' if unit else ''}{unit}", "GV bias, dB", "similarity", "WER"]
    return [[*head, "steps", "ms/step", "ms/item", "translating", "in all"], *rows]


def in_order(comparison: Comparison) -> list[Result]:
    """By the mean over all directions; then those that go some ways only, then those that were not measured."""
    order = {name: i for i, name in enumerate(means(comparison))}
    return sorted(comparison.results, key=lambda r: (r.state != "done", order.get(r.method, len(order))))


def method_row(r: Result, order: dict[str, float], digits: int) -> Cells:
    """One method's cells."""
    if r.state != "done":
        return ["–", r.method, r.state_in_words, "–", "–", "–", f"{r.steps:,}", *["–"] * 4]
    mean = order.get(r.method)
    return [
        "–" if mean is None else str(rank(mean, [*order.values()])),
        r.method,
        f"({len(r.voices)} ways)" if mean is None else number(mean, digits),
        *qualities(r.voices),
        f"{r.steps:,}",
        number(1000 * r.step_s if r.step_s is not None else None, 0),
        number(1000 * r.translate_s if r.translate_s is not None else None, 0),
        f"{r.parameters:,}",
        f"{r.parameters_all:,}",
    ]


def qualities(rows: Sequence[VoiceMeasures]) -> Cells:
    """What a rank does not tell: spread, likeness, words; means over directions."""
    out = []
    for values, digits in (
        ([m.gv_bias for m in rows], 1),
        ([m.similarity for m in rows], 2),
        ([m.wer for m in rows], 2),
    ):
        known = [v for v in values if v is not None]
        out.append(number(sum(known) / len(known) if known else None, digits))
    return out


def direction(comparison: Comparison, d: str) -> list[Cells]:
    """The order of one direction with all measures that there are, what needs no training in its place."""
    order = places(comparison, d)
    below = [m for system in LAST for m in comparison.beside if (m.route, m.system) == (d, system)]
    rows = [p.measures.model_copy(update={"system": p.system}) for p in order] + below
    ranks = {p.system: "–" if p.rank is None else str(p.rank) for p in order}
    columns = table.rows(rows)
    head = ["rank", "method", *(SHORT.get(line[0], line[0]) for line in columns[1:])]
    return [
        head,
        *([ranks.get(m.system, "–"), m.system, *(line[1 + i] for line in columns[1:])] for i, m in enumerate(rows)),
    ]


def advice(comparison: Comparison) -> list[tuple[str, str]]:
    """Paragraphs with their heads: for each direction, and in all."""
    if not any(r.state == "done" for r in comparison.results):
        return [("Nothing to compare yet", "no method has been trained and measured to its end.")]
    chosen = {d: choice(comparison, d) for d in comparison.directions}
    told = [(arrow(d), in_words(comparison, d)) for d in comparison.directions[: words.MOST_TOLD]]
    names = {d: place.system if place is not None else words.NONE for d, place in chosen.items()}
    if set(names.values()) == {words.NONE}:
        text = "no trained method is worth taking in any direction by these figures."
    elif len(set(names.values())) == 1:
        text = f"{next(iter(names.values()))} is the one to take in every direction."
    else:
        text = f"by direction: {'; '.join(f'{arrow(d)} {name}' for d, name in names.items())}."
    taken = [name for name in dict.fromkeys(names.values()) if name != words.NONE]
    return [*told, ("In all", f"{text}{words.costs(comparison, taken)}{words.unsettled(comparison)}")]


def choice(comparison: Comparison, d: str) -> Place | None:
    """The method to take: the best that is better than what needs no training, unblurred ones first."""
    order = places(comparison, d)
    floor = min((p.value for p in order if p.rank is None), default=float("inf"))
    better = [p for p in order if p.rank is not None and nearer(p.value, floor)]
    return next((p for p in better if not blurred(p.measures)), better[0] if better else None)


def blurred(m: VoiceMeasures) -> bool:
    """Whether a voice is much flatter than the target's."""
    return m.gv_bias is not None and m.gv_bias < FLAT_DB


def in_words(comparison: Comparison, d: str) -> str:
    """What to take in one direction, and why."""
    name, order, taken = measure(comparison), places(comparison, d), choice(comparison, d)
    floor = [p for p in order if p.rank is None]
    beside = ", ".join(f"{p.system} {p.value:.{LABELS[name][2]}f}" for p in floor)
    best = next(p for p in order if p.rank is not None)
    if taken is None:
        if not floor:
            return f"take none: {LABELS[name][0]} was not measured."
        least = f"{floor[0].system}, which needs no training, is as near to the target within {NOTABLE:.0%} or nearer"
        return f"take none yet: {least} (the best trained is {best.system}: {figure(best, name)}; {beside})."
    text = f"take {taken.system}: {figure(taken, name)}{f' ({beside})' if beside else ''}."
    near = [p.system for p in order if p.rank == taken.rank and p.system != taken.system]
    if near:
        text += f" As near within {NOTABLE:.0%}: {words.listed(near)}."
    if best.system != taken.system and blurred(best.measures):
        text += f" {best.system} is nearer ({figure(best, name)}), but blurred."
    text += lost_words(taken.measures, floor)
    if blurred(taken.measures):
        text += f" Its spectrum is {-(taken.measures.gv_bias or 0):.1f} dB flatter than the target's, that is, blurred."
    return text


def lost_words(m: VoiceMeasures, floor: Sequence[Place]) -> str:
    """What is said of a voice whose words are recognised much worse than those of the sources; else nothing."""
    before = next((p.measures.wer for p in floor if p.system == FLOOR[0]), None)
    if m.wer is None or before is None or m.wer <= before + LOST:
        return ""
    return f" But words are lost: of every hundred {100 * m.wer:.0f} are misheard, {100 * before:.0f} of the sources'."


def figure(place: Place, name: str) -> str:
    """The ranking figure, with likeness and words where they were judged."""
    label, unit, digits = LABELS[name]
    m = place.measures
    more = [f"similarity {m.similarity:.2f}"] if m.similarity is not None else []
    more += [f"WER {m.wer:.2f}"] if m.wer is not None else []
    return ", ".join([f"{label} {place.value:.{digits}f}{unit}", *more])


def about(comparison: Comparison) -> str:
    """What was compared on what."""
    items = " and ".join(f"{n:,} of {d}" for n, d in zip(comparison.counts, comparison.domains, strict=True))
    return (
        f"{len(comparison.results)} methods, each trained for {comparison.budget} on {items} (recordings, unpaired), "
        f"in batches of {comparison.batches}, preset {comparison.preset}, seed {comparison.seed}, on "
        f"{comparison.device}; {duration(sum(r.seconds for r in comparison.results))} of steps in all."
    )


def listening(folder: ComparisonFolder, comparison: Comparison, d: str) -> str:
    """Sentences of one direction by every method, best first, between the source and the target."""
    order = [p.system for p in places(comparison, d)]
    measured = [r.method for r in comparison.results if r.voice(d) is not None]
    found = {name: [one for one in heard(folder.run(name)) if one.route == d][:HEARD] for name in measured}
    kept = {name: rows for name, rows in found.items() if rows}
    first = next(iter(kept), "")
    parts = []
    for i, one in enumerate(kept.get(first, [])):
        figures = [shown(folder, first, one, "source", "source")]
        for system in order:
            if system not in measured:
                figures.append(shown(folder, first, one, system, system))
            elif i < len(kept.get(system, [])):
                figures.append(shown(folder, system, kept[system][i], "converted", system))
        figures.append(shown(folder, first, one, "target", "target"))
        parts.append(
            f'<h3><span class="soft">{escape(one.sentence)}</span></h3><div class="grids">{"".join(figures)}</div>'
        )
    return "".join(parts)


def shown(folder: ComparisonFolder, method: str, kept: Heard, name: str, title: str) -> str:
    """One voice of a sentence; the empty text where it was not kept."""
    files = {name: kept.files[name]} if name in kept.files else {}
    return "".join(voice(wave, RATE_HZ, title) for _, wave in read(folder.run(method).listening, files))

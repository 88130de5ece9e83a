"""`compare.html`: one page that needs nothing else, and `compare.json`, the same for programs."""

from __future__ import annotations

import json
import math
from html import escape
from typing import Any

from unpaired.atomic import whole
from unpaired.comparison import hearing, ranking, tables, words
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.looks import INPUTS, MOST_DIRECTIONS, TRUTH
from unpaired.comparison.result import Comparison
from unpaired.comparison.tables import NOTHING, REAL, Cells
from unpaired.evaluation.table import definitions
from unpaired.evaluation.voice.table import definitions as voice_definitions
from unpaired.report.page import command, document, settings_table
from unpaired.report.pictures import embed
from unpaired.report.voice import VOICE_STYLE
from unpaired.report.words import arrow, together

OPEN = 2
"""Directions that are shown unfolded."""
STYLE = """
main { max-width: 72rem; }
.ranked th, .ranked td { padding: .35rem .55rem; }
.ranked th:nth-child(2), .ranked td:nth-child(2) { text-align: left; }
.ranked td:first-child, .ranked th:first-child { text-align: center; padding-left: .3rem; width: 3rem; }
tr.first td:first-child, tr.first th[scope=row] { color: var(--real); font-weight: 600; }
tr.nothing td, tr.nothing th { color: var(--nothing); } tr.real td, tr.real th { color: var(--real); }
tr.none td, tr.none th { color: var(--soft); }
.rows { display: grid; grid-template-columns: minmax(5rem, max-content) minmax(0, 1fr); gap: .35rem .9rem;
  align-items: center; }
.rows img { width: 100%; max-width: 54rem; height: auto; display: block; border-radius: 4px;
  background: var(--code); }
.rows .given { color: var(--soft); }
@media (max-width: 36rem) { .rows { grid-template-columns: 1fr; gap: .1rem; } }
@media print { .rows > * { break-inside: avoid; } }
"""


def write_page(folder: ComparisonFolder, comparison: Comparison) -> None:
    """Write both files, each whole or not at all; raises WorkError."""
    with whole(folder.figures) as part:
        part.write_text(json.dumps(figures(comparison), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with whole(folder.page) as part:
        part.write_text(page(folder, comparison), encoding="utf-8", errors="replace")


def figures(comparison: Comparison) -> dict[str, Any]:
    """All values of the page, with the rankings and the advice; what is no number is null."""
    known: dict[str, Any] = comparison.model_dump(mode="json")
    known["ranking"] = of_voices(comparison) if comparison.medium == "voice" else of_pictures(comparison)
    known["advice"] = [{"of": head, "words": text} for head, text in advice(comparison)]
    clean: dict[str, Any] = numbers(known)
    return clean


def of_pictures(comparison: Comparison) -> dict[str, Any]:
    """The rankings of a comparison of pictures."""
    overall = ranking.overall(comparison.results, comparison.directions)
    return {
        "all": [standing(s) for s in overall],
        **{d: [standing(s) for s in ranking.in_direction(comparison.results, d)] for d in comparison.directions},
    }


def of_voices(comparison: Comparison) -> dict[str, Any]:
    """The orders of a comparison of recordings, and the measure that makes them."""
    means = hearing.means(comparison)
    return {
        "measure": hearing.measure(comparison),
        "all": [
            {"method": name, "rank": hearing.rank(mean, [*means.values()]), "mean": mean}
            for name, mean in means.items()
        ],
        **{
            d: [{"method": p.system, "rank": p.rank, "value": p.value} for p in hearing.places(comparison, d)]
            for d in comparison.directions
        },
    }


def advice(comparison: Comparison) -> list[tuple[str, str]]:
    """Paragraphs with their heads."""
    return hearing.advice(comparison) if comparison.medium == "voice" else words.advice(comparison)


def standing(s: ranking.Standing) -> dict[str, Any]:
    """One place in a ranking."""
    return {"method": s.method, "rank": s.rank, "kid": s.kid, "kid_error": s.error}


def numbers(value: Any) -> Any:
    """The value with None for what is infinite or no number, which JSON has no words for."""
    if isinstance(value, dict):
        return {key: numbers(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [numbers(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def text(comparison: Comparison) -> str:
    """The rankings and the advice for a terminal."""
    methods, by_direction = orders(comparison)
    parts = [tables.text(methods)]
    parts += [f"{d}\n{tables.text(rows)}" for d, rows in list(by_direction.items())[:OPEN]]
    parts += [f"{head}: {told}" for head, told in advice(comparison)]
    return "\n\n".join([*parts, *words.notices(comparison)])


def orders(comparison: Comparison) -> tuple[list[Cells], dict[str, list[Cells]]]:
    """The table of all methods, and that of each direction."""
    if comparison.medium == "voice":
        return hearing.methods(comparison), {d: hearing.direction(comparison, d) for d in comparison.directions}
    return tables.methods(comparison), {d: tables.direction(comparison, d) for d in comparison.directions}


def page(folder: ComparisonFolder, comparison: Comparison) -> str:
    """The whole page."""
    title = f"methods compared: {together(comparison.domains)}"
    voices = comparison.medium == "voice"
    sections = (
        opening(title, comparison),
        ranked(comparison),
        listening(folder, comparison)
        if voices
        else "".join(pictures(folder, d, comparison) for d in pictured(folder, comparison)),
        reading(comparison),
        runs(comparison),
        settings(comparison),
    )
    style = STYLE + (VOICE_STYLE if voices else "")
    return document(title, "\n".join(sections), f"unpaired {comparison.unpaired}, comparison {folder.path}", style)


def opening(title: str, comparison: Comparison) -> str:
    """What was compared, what to take, and what failed."""
    paragraphs = "".join(f"<p><strong>{escape(head)}:</strong> {escape(told)}</p>" for head, told in advice(comparison))
    about = hearing.about(comparison) if comparison.medium == "voice" else words.about(comparison)
    told = "".join(f"<li>{escape(line)}</li>" for line in words.notices(comparison))
    return (
        f'<h1>{escape(title)}</h1>\n<p class="soft">{escape(about)}</p>\n'
        f'<div class="verdict">{paragraphs}</div>\n' + (f'<ul class="notices">{told}</ul>' if told else "")
    )


def ranked(comparison: Comparison) -> str:
    """The table of all methods, and one for each direction."""
    methods, by_direction = orders(comparison)
    hint = OF_VOICES if comparison.medium == "voice" else OF_PICTURES
    parts = [
        f"<h2>Ranking</h2>{tables.html(methods, mark)}",
        f'<p class="soft hint">{hint} Translating, in all: parameters. Times on {escape(comparison.device)}.</p>',
    ]
    for i, (d, rows) in enumerate(by_direction.items()):
        body = tables.html(rows, mark)
        parts.append(f"<h3>{escape(arrow(d))}</h3>{body}" if i < OPEN else folded(arrow(d), body))
    return "".join(parts)


def folded(head: str, body: str) -> str:
    """A part that opens on demand."""
    return f"<details><summary>{escape(head)}</summary>{body}</details>"


def mark(row: Cells) -> str:
    """A row's class: the first of a ranking, the baselines, and what has no rank."""
    if row[1] in (NOTHING, *hearing.FLOOR):
        return "nothing"
    if row[1] in (REAL, *hearing.LAST):
        return "real"
    return {"1": "first", "–": "none"}.get(row[0], "ranks")


def listening(folder: ComparisonFolder, comparison: Comparison) -> str:
    """What there is to hear, direction by direction."""
    parts = []
    for i, d in enumerate(comparison.directions[: hearing.MOST_DIRECTIONS]):
        if body := hearing.listening(folder, comparison, d):
            head = f"To hear: {arrow(d)}"
            parts.append(f"<h2>{escape(head)}</h2>{body}" if i < OPEN else folded(head, body))
    return "".join(parts)


def pictured(folder: ComparisonFolder, comparison: Comparison) -> list[tuple[str, str]]:
    """The directions of which there are pictures."""
    names = comparison.domains
    there = [(a, b) for a in names for b in names if a != b and folder.pictures(a, b).is_dir()]
    return there[: MOST_DIRECTIONS * 2]


def pictures(folder: ComparisonFolder, ends: tuple[str, str], comparison: Comparison) -> str:
    """One direction: a row of the inputs, of the truth where it is known, and of every method, best first."""
    place = folder.pictures(*ends)
    order = [s.method for s in ranking.in_direction(comparison.results, " -> ".join(ends))]
    done = [r.method for r in comparison.results if r.state == "done"]
    names = [INPUTS, TRUTH, *dict.fromkeys([*order, *done])]
    rows = []
    for name in names:
        if (path := place / f"{name}.png").is_file() and (picture := embed(path)) is not None:
            label = {INPUTS: ends[0], TRUTH: f"true {ends[1]}"}.get(name)
            shown = f'<span class="given">{escape(label)}</span>' if label else f"<strong>{escape(name)}</strong>"
            rows.append(f'{shown}<img src="{picture.address}" alt="{escape(name)}, {escape(" to ".join(ends))}">')
    head = f"Pictures: {' → '.join(ends)}"
    if len(rows) < 2:
        return ""
    body = f'<div class="rows">{"".join(rows)}</div>'
    return f"<h2>{escape(head)}</h2>{body}" if len(comparison.domains) == 2 else folded(head, body)


def reading(comparison: Comparison) -> str:
    """How the ranking was made, and what the figures mean."""
    if comparison.medium == "voice":
        heard = [*(m for r in comparison.results for m in r.voices), *comparison.beside]
        lines = [*hearing.RULES, *voice_definitions(heard).splitlines()]
    else:
        measures = [m for r in comparison.results for m in r.routes]
        lines = [*words.RULES, *(definitions(measures).splitlines() if measures else [])]
    on = next((f"Measured on {r.measured_on}, the same for all." for r in comparison.results if r.measured_on), "")
    listed = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<h2>How to read this</h2><p class="soft">{escape(on)}</p><ul class="meanings">{listed}</ul>'


def runs(comparison: Comparison) -> str:
    """Each method's run, to look into or to use."""
    done = [r.method for r in comparison.results if r.state == "done"]
    if not done:
        return ""
    if voices := comparison.medium == "voice":
        first = hearing.in_order(comparison)[0].method
    else:
        order = {s.method: s for s in ranking.overall(comparison.results, comparison.directions)}
        first = tables.in_order(comparison.results, order)[0].method
    run, items = f"{comparison.path}/{first}", "RECORDINGS" if voices else "PICTURES"
    return (
        f"<h2>Using one</h2><p>Each method is an ordinary run in {escape(comparison.path)}/METHOD, with a report of "
        f"its own ({escape(', '.join(done))}).</p>"
        + command("unpaired", "translate", run, items, "--to", comparison.domains[1], "--out", "DIR")
    )


def settings(comparison: Comparison) -> str:
    """What was set, folded away: what all share once, and each method's own."""
    parts = [
        settings_table(f"method: {name}", kept.get("method_settings", {}), None)
        for name, kept in comparison.settings.items()
    ]
    shared = next(iter(comparison.settings.values()), {})
    parts += [settings_table(name, values, None) for name, values in shared.items() if name in SHOWN]
    return f"<h2>Settings</h2>{folded('Everything that was asked for', ''.join(parts))}"


OF_PICTURES = (
    "KID times 1000, ± its standard error. Content kept: 1 is all. Hidden: the share of the input in signal that eyes "
    "do not see, where that was audited."
)
OF_VOICES = "GV bias: below 0 is flatter than the target. Similarity: to the target. An item is a sentence."
SHOWN = ("data", "networks", "training")
"""Sections of settings that methods share (but for what --set gave)."""

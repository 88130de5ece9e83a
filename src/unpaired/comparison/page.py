"""`compare.html`: one page that needs nothing else, and `compare.json`, the same for programs."""

from __future__ import annotations

import json
import math
from html import escape
from typing import Any

from unpaired.atomic import atomic_write
from unpaired.comparison import ranking, recommendations, tables
from unpaired.comparison.folder import ComparisonFolder
from unpaired.comparison.result import Comparison
from unpaired.comparison.tables import IDENTITY, REAL_HALVES, Cells
from unpaired.media.image.image_rows import INPUTS, MAX_DIRECTIONS, TRUTH
from unpaired.media.image.text_table import format_definitions
from unpaired.media.voice import comparison_sections as voice_sections
from unpaired.media.voice.metrics.measures_table import format_definitions as voice_definitions
from unpaired.media.voice.report_figures import VOICE_STYLE
from unpaired.report.embedded_images import embed_image
from unpaired.report.page import render_command, render_document, render_settings_table
from unpaired.report.run_text import format_route, join_domains

OPEN_DIRECTIONS = 2
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
    with atomic_write(folder.results_file) as temporary:
        temporary.write_text(json.dumps(build_json(comparison), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with atomic_write(folder.page_file) as temporary:
        temporary.write_text(render_page(folder, comparison), encoding="utf-8", errors="replace")


def build_json(comparison: Comparison) -> dict[str, Any]:
    """All values of the page, with the rankings and the advice; what is no number is null."""
    values: dict[str, Any] = comparison.model_dump(mode="json")
    values["ranking"] = rank_voices(comparison) if comparison.medium == "voice" else rank_images(comparison)
    values["advice"] = [{"direction": heading, "text": text} for heading, text in recommend(comparison)]
    finite_values: dict[str, Any] = replace_non_finite(values)
    return finite_values


def rank_images(comparison: Comparison) -> dict[str, Any]:
    """The rankings of a comparison of pictures."""
    overall = ranking.rank_overall(comparison.results, comparison.directions)
    return {
        "all": [standing_to_dict(s) for s in overall],
        **{
            d: [standing_to_dict(s) for s in ranking.rank_direction(comparison.results, d)]
            for d in comparison.directions
        },
    }


def rank_voices(comparison: Comparison) -> dict[str, Any]:
    """The orders of a comparison of recordings, and the measure that makes them."""
    means = voice_sections.compute_means(comparison)
    return {
        "measure": voice_sections.get_ranking_measure(comparison),
        "all": [
            {"method": name, "rank": voice_sections.compute_rank(mean, [*means.values()]), "mean": mean}
            for name, mean in means.items()
        ],
        **{
            d: [
                {"method": p.system, "rank": p.rank, "value": p.value}
                for p in voice_sections.rank_systems(comparison, d)
            ]
            for d in comparison.directions
        },
    }


def recommend(comparison: Comparison) -> list[tuple[str, str]]:
    """Paragraphs with their heads."""
    return (
        voice_sections.recommend(comparison) if comparison.medium == "voice" else recommendations.recommend(comparison)
    )


def standing_to_dict(s: ranking.RankedMethod) -> dict[str, Any]:
    """One place in a ranking."""
    return {"method": s.method, "rank": s.rank, "kid": s.kid, "kid_error": s.error}


def replace_non_finite(value: Any) -> Any:
    """The value with None for what is infinite or no number, which JSON has no words for."""
    if isinstance(value, dict):
        return {key: replace_non_finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def format_comparison(comparison: Comparison) -> str:
    """The rankings and the advice for a terminal."""
    methods, by_direction = build_tables(comparison)
    parts = [tables.format_text(methods)]
    parts += [f"{d}\n{tables.format_text(rows)}" for d, rows in list(by_direction.items())[:OPEN_DIRECTIONS]]
    parts += [f"{heading}: {paragraph}" for heading, paragraph in recommend(comparison)]
    return "\n\n".join([*parts, *recommendations.list_notices(comparison)])


def build_tables(comparison: Comparison) -> tuple[list[Cells], dict[str, list[Cells]]]:
    """The table of all methods, and that of each direction."""
    if comparison.medium == "voice":
        return voice_sections.build_methods_table(comparison), {
            d: voice_sections.build_direction_table(comparison, d) for d in comparison.directions
        }
    return tables.build_methods_table(comparison), {
        d: tables.build_direction_table(comparison, d) for d in comparison.directions
    }


def render_page(folder: ComparisonFolder, comparison: Comparison) -> str:
    """The whole page."""
    title = f"methods compared: {join_domains(comparison.domains)}"
    is_voice = comparison.medium == "voice"
    sections = (
        render_header(title, comparison),
        render_ranking(comparison),
        render_listening(folder, comparison)
        if is_voice
        else "".join(render_images(folder, d, comparison) for d in find_image_directions(folder, comparison)),
        render_explanations(comparison),
        render_usage(comparison),
        render_settings(comparison),
    )
    style = STYLE + (VOICE_STYLE if is_voice else "")
    return render_document(
        title, "\n".join(sections), f"unpaired {comparison.unpaired}, comparison {folder.path}", style
    )


def render_header(title: str, comparison: Comparison) -> str:
    """What was compared, what to take, and what failed."""
    paragraphs = "".join(
        f"<p><strong>{escape(heading)}:</strong> {escape(paragraph)}</p>"
        for heading, paragraph in recommend(comparison)
    )
    about = (
        voice_sections.describe_setup(comparison)
        if comparison.medium == "voice"
        else recommendations.describe_setup(comparison)
    )
    notices = "".join(f"<li>{escape(line)}</li>" for line in recommendations.list_notices(comparison))
    return (
        f'<h1>{escape(title)}</h1>\n<p class="soft">{escape(about)}</p>\n'
        f'<div class="verdict">{paragraphs}</div>\n' + (f'<ul class="notices">{notices}</ul>' if notices else "")
    )


def render_ranking(comparison: Comparison) -> str:
    """The table of all methods, and one for each direction."""
    methods, by_direction = build_tables(comparison)
    hint = VOICE_HINT if comparison.medium == "voice" else IMAGE_HINT
    parts = [
        f"<h2>Ranking</h2>{tables.render_html(methods, get_row_class)}",
        f'<p class="soft hint">{hint} Translating, in all: parameters. Times on {escape(comparison.device)}.</p>',
    ]
    for i, (d, rows) in enumerate(by_direction.items()):
        body = tables.render_html(rows, get_row_class)
        parts.append(
            f"<h3>{escape(format_route(d))}</h3>{body}"
            if i < OPEN_DIRECTIONS
            else render_details(format_route(d), body)
        )
    return "".join(parts)


def render_details(heading: str, body: str) -> str:
    """A part that opens on demand."""
    return f"<details><summary>{escape(heading)}</summary>{body}</details>"


def get_row_class(row: Cells) -> str:
    """A row's class: the first of a ranking, the baselines, and what has no rank."""
    if row[1] in (IDENTITY, *voice_sections.BASELINES):
        return "nothing"
    if row[1] in (REAL_HALVES, *voice_sections.REFERENCES):
        return "real"
    return {"1": "first", "–": "none"}.get(row[0], "ranks")


def render_listening(folder: ComparisonFolder, comparison: Comparison) -> str:
    """What there is to hear, direction by direction."""
    parts = []
    for i, d in enumerate(comparison.directions[: voice_sections.MAX_DIRECTIONS]):
        if body := voice_sections.render_listening(folder, comparison, d):
            heading = f"To hear: {format_route(d)}"
            parts.append(f"<h2>{escape(heading)}</h2>{body}" if i < OPEN_DIRECTIONS else render_details(heading, body))
    return "".join(parts)


def find_image_directions(folder: ComparisonFolder, comparison: Comparison) -> list[tuple[str, str]]:
    """The directions of which there are pictures."""
    names = comparison.domains
    existing = [(a, b) for a in names for b in names if a != b and folder.image_rows(a, b).is_dir()]
    return existing[: MAX_DIRECTIONS * 2]


def render_images(folder: ComparisonFolder, direction: tuple[str, str], comparison: Comparison) -> str:
    """One direction: a row of the inputs, of the truth where it is known, and of every method, best first."""
    rows_folder = folder.image_rows(*direction)
    order = [s.method for s in ranking.rank_direction(comparison.results, " -> ".join(direction))]
    finished_methods = [r.method for r in comparison.results if r.state == "done"]
    names = [INPUTS, TRUTH, *dict.fromkeys([*order, *finished_methods])]
    rows = []
    for name in names:
        if (path := rows_folder / f"{name}.png").is_file() and (picture := embed_image(path)) is not None:
            label = {INPUTS: direction[0], TRUTH: f"true {direction[1]}"}.get(name)
            label_html = f'<span class="given">{escape(label)}</span>' if label else f"<strong>{escape(name)}</strong>"
            rows.append(
                f'{label_html}<img src="{picture.data_url}" alt="{escape(name)}, {escape(" to ".join(direction))}">'
            )
    heading = f"Pictures: {' → '.join(direction)}"
    if len(rows) < 2:
        return ""
    body = f'<div class="rows">{"".join(rows)}</div>'
    return f"<h2>{escape(heading)}</h2>{body}" if len(comparison.domains) == 2 else render_details(heading, body)


def render_explanations(comparison: Comparison) -> str:
    """How the ranking was made, and what the figures mean."""
    if comparison.medium == "voice":
        voice_measures = [*(m for r in comparison.results for m in r.voices), *comparison.baselines]
        lines = [*voice_sections.RULES, *voice_definitions(voice_measures).splitlines()]
    else:
        measures = [m for r in comparison.results for m in r.routes]
        lines = [*recommendations.RULES, *(format_definitions(measures).splitlines() if measures else [])]
    measured_on = next(
        (f"Measured on {r.measured_on}, the same for all." for r in comparison.results if r.measured_on), ""
    )
    items_html = "".join(f"<li>{escape(line)}</li>" for line in lines)
    return f'<h2>How to read this</h2><p class="soft">{escape(measured_on)}</p><ul class="meanings">{items_html}</ul>'


def render_usage(comparison: Comparison) -> str:
    """Each method's run, to look into or to use."""
    finished_methods = [r.method for r in comparison.results if r.state == "done"]
    if not finished_methods:
        return ""
    if is_voice := comparison.medium == "voice":
        first = voice_sections.sort_results(comparison)[0].method
    else:
        order = {s.method: s for s in ranking.rank_overall(comparison.results, comparison.directions)}
        first = tables.sort_results(comparison.results, order)[0].method
    run, items = f"{comparison.path}/{first}", "RECORDINGS" if is_voice else "PICTURES"
    return (
        f"<h2>Using one</h2><p>Each method is an ordinary run in {escape(comparison.path)}/METHOD, with a report of "
        f"its own ({escape(', '.join(finished_methods))}).</p>"
        + render_command("unpaired", "translate", run, items, "--to", comparison.domains[1], "--out", "DIR")
    )


def render_settings(comparison: Comparison) -> str:
    """What was set, folded away: what all share once, and each method's own."""
    parts = [
        render_settings_table(f"method: {name}", method_settings.get("method_settings", {}), None)
        for name, method_settings in comparison.settings.items()
    ]
    shared = next(iter(comparison.settings.values()), {})
    parts += [render_settings_table(name, values, None) for name, values in shared.items() if name in SHARED_SECTIONS]
    return f"<h2>Settings</h2>{render_details('Everything that was asked for', ''.join(parts))}"


IMAGE_HINT = (
    "KID times 1000, ± its standard error. Content kept: 1 is all. Hidden: the share of the input in signal that eyes "
    "do not see, where that was audited."
)
VOICE_HINT = "GV bias: below 0 is flatter than the target. Similarity: to the target. An item is a sentence."
SHARED_SECTIONS = ("data", "networks", "training")
"""Sections of settings that methods share (but for what --set gave)."""

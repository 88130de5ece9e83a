"""`report.html`: one file that needs nothing else, neither network nor scripts."""

from __future__ import annotations

import shlex
from html import escape
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from unpaired.atomic import atomic_write
from unpaired.config.resolve import SECTIONS, section_label
from unpaired.config.run_config import get_item_size
from unpaired.media.image.report_table import measures_table
from unpaired.media.voice import report
from unpaired.media.voice.report_figures import VOICE_STYLE
from unpaired.report import run_text
from unpaired.report.audit_section import render_hidden
from unpaired.report.charts import render_distance_chart, render_loss_chart, render_swatch
from unpaired.report.embedded_images import EmbeddedImage, embed_image
from unpaired.report.style import STYLE
from unpaired.runs.summary import RunSummary, SampleGrid, read_run_summary

MAX_EARLIER_STEPS = 8
"""Steps in the time line of earlier samples at most."""
CONTENT_SECURITY_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
"""What a browser may load: nothing but what is in the page."""
EXAMPLES = {"image": ("picture.png", "translated.png"), "voice": ("recording.flac", "converted.flac")}
CAPTIONS = ("input", "translation", "reconstruction")


def write_report(run: Path) -> Path:
    """Write `report.html` into a run's folder, whole or not at all, from whatever is there by now; returns its path.

    Raises WorkError where the run's configuration cannot be read or the page cannot be written.
    """
    summary = read_run_summary(run)
    path = summary.folder.report
    with atomic_write(path) as temporary:
        temporary.write_text(render_page(summary), encoding="utf-8", errors="replace")
    return path


def render_page(summary: RunSummary) -> str:
    """The whole page."""
    footer = f"unpaired {summary.config.unpaired_version}, run {summary.folder.path}"
    medium_sections = (
        render_voice_sections(summary) if summary.config.medium == "voice" else render_image_sections(summary)
    )
    body = "\n".join([*medium_sections, render_curves(summary), render_commands(summary), render_settings(summary)])
    return render_document(
        run_text.format_title(summary), body, footer, VOICE_STYLE if summary.config.medium == "voice" else ""
    )


def render_image_sections(summary: RunSummary) -> list[str]:
    """The sections on what a run of pictures does."""
    return [
        render_header(summary, run_text.describe_verdict(summary)),
        render_images(summary),
        render_measures(summary),
        render_hidden(summary),
    ]


def render_voice_sections(summary: RunSummary) -> list[str]:
    """The sections on what a run of recordings does."""
    test = report.read_test(summary.folder)
    if test is None:
        not_measured = [("Not measured", "whether it worked is for you to hear.")]
        return [
            render_header(summary, not_measured),
            f"<h2>Measures</h2><p>To measure this run:</p>{render_evaluate_command(summary)}",
        ]
    measures = f"<h2>Measures</h2>{report.render_measures_table(test)}"
    return [
        render_header(summary, report.describe_verdict(test)),
        report.render_listening(summary.folder),
        measures,
    ]


def render_document(title: str, body: str, footer: str, style: str = "") -> str:
    """A page that loads nothing, from the HTML of its body; `title` and `foot` are plain text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head>\n<body><main>\n{body}\n"
        f"<footer>{escape(footer)}</footer>\n"
        "</main></body></html>\n"
    )


def render_header(summary: RunSummary, verdicts: list[tuple[str, str]]) -> str:
    """What was trained on what, whether it worked, and what the user should know."""
    verdict = "".join(f"<p><strong>{escape(head)}</strong> {escape(text)}</p>" for head, text in verdicts)
    notices = "".join(f"<li>{escape(text)}</li>" for text in run_text.list_notices(summary))
    return (
        f'<h1>{escape(run_text.format_title(summary))}</h1>\n<p class="soft">{escape(run_text.describe_training(summary))}</p>\n'
        f'<div class="verdict">{verdict}</div>\n<p>{escape(run_text.describe_checkpoints(summary))}</p>\n'
        + (f'<ul class="notices">{notices}</ul>' if notices else "")
    )


def render_images(summary: RunSummary) -> str:
    """The grids of the newest samples, and the way there."""
    steps = sorted({sample.step for sample in summary.samples})
    if not steps:
        return "<h2>Pictures</h2><p>No samples were recorded in this run.</p>"
    newest = [render_grid(summary, sample) for sample in select_latest_samples(summary.samples, steps[-1])]
    earlier = select_evenly(steps[:-1], MAX_EARLIER_STEPS)
    lines = [
        render_timeline(summary, route, earlier) for route in dict.fromkeys(sample.route for sample in summary.samples)
    ]
    return f'<h2>Pictures after {steps[-1]:,} steps</h2><div class="grids">{"".join(newest)}</div>' + "".join(lines)


def select_latest_samples(samples: list[SampleGrid], step: int) -> list[SampleGrid]:
    """The samples of a step, one per route (the newest, where a resumed run made them again)."""
    return list({sample.route: sample for sample in samples if sample.step == step}.values())


def select_evenly(steps: list[int], limit: int) -> list[int]:
    """At most `most` of the steps, the first and the last among them."""
    if len(steps) <= limit:
        return steps
    return [steps[round(i * (len(steps) - 1) / (limit - 1))] for i in range(limit)]


def render_grid(summary: RunSummary, sample: SampleGrid) -> str:
    """A grid of samples with its columns named."""
    route = escape(sample.route)
    picture = embed_image(sample.path)
    if picture is None:
        return f"<figure><figcaption>{route}: {escape(sample.path.name)} is gone or damaged</figcaption></figure>"
    heads = "".join(f"<span>{name}</span>" for name in get_captions(picture, get_item_size(summary.config)))
    return (
        f"<figure><figcaption><strong>{route}</strong></figcaption>"
        + (f'<div class="captions">{heads}</div>' if heads else "")
        + f'<img src="{picture.data_url}" alt="samples of {route}, a row each: {", ".join(CAPTIONS)}"></figure>'
    )


def get_captions(picture: EmbeddedImage, size: int) -> tuple[str, ...]:
    """The names of a grid's columns, which are `size` pixels wide (and a little between them)."""
    count = picture.width // size
    return CAPTIONS[:count] if 2 <= count <= len(CAPTIONS) else ()


def render_timeline(summary: RunSummary, route: str, steps: list[int]) -> str:
    """Small grids of earlier steps of a route, in order."""
    samples_by_step = {
        sample.step: sample for sample in summary.samples if sample.route == route and sample.step in steps
    }
    thumbnails = [
        (step, picture)
        for step in steps
        if step in samples_by_step and (picture := embed_image(samples_by_step[step].path, is_thumbnail=True))
    ]
    if not thumbnails:
        return ""
    timeline = "".join(
        f'<figure><img src="{picture.data_url}" alt="samples at step {step}">'
        f"<figcaption>step {step:,}</figcaption></figure>"
        for step, picture in thumbnails
    )
    return f'<h3>Earlier: {escape(route)}</h3><div class="line">{timeline}</div>'


def render_measures(summary: RunSummary) -> str:
    """The table of measures, each beside what to compare it with."""
    if summary.shown_evaluation is None:
        return (
            f"<h2>Measures</h2><p>This run has not been evaluated. To measure it:</p>{render_evaluate_command(summary)}"
        )
    return f"<h2>Measures</h2>{measures_table(summary, summary.shown_evaluation)}"


def render_curves(summary: RunSummary) -> str:
    """KID and the terms over steps."""
    parts = [render_kid_curves(summary), render_loss_curves(summary)]
    return "<h2>Curves</h2>" + ("".join(parts) if any(parts) else "<p>Nothing has been recorded yet.</p>")


def render_kid_curves(summary: RunSummary) -> str:
    """KID of each route over steps, with its level lines."""
    charts = []
    distance = run_text.DISTANCE_NAMES[summary.config.medium]
    best = max((e.step for e in summary.evaluations if e.is_best), default=None)
    for route in dict.fromkeys(r.route for e in summary.evaluations for r in e.routes):
        evaluations = [(e, r) for e in summary.evaluations for r in e.routes if r.route == route]
        last = evaluations[-1][1]
        name = run_text.format_route(route)
        points = [(e.step, r.kid) for e, r in evaluations]
        chart = render_distance_chart(
            name, points, [("nothing", last.kid_baseline), ("real", last.kid_real)], best, distance
        )
        if chart:
            charts.append(f"<figure><figcaption><strong>{escape(name)}</strong></figcaption>{chart}</figure>")
    if not charts:
        return ""
    names = {"main": "translations", "nothing": "doing nothing", "real": "real against real", "best": "best checkpoint"}
    legend = "".join(f"<span>{render_swatch(style)}{name}</span>" for style, name in names.items())
    return (
        f"<h3>{distance[0].upper()}{distance[1:]} to the target domain, on held-back items (lower is better)</h3>"
        f'<div class="legend">{legend}</div><div class="charts kid">{"".join(charts)}</div>'
    )


def render_loss_curves(summary: RunSummary) -> str:
    """Each term over steps."""
    drawn = [(name, render_loss_chart(name, points)) for name, points in summary.losses.items()]
    charts = [
        f"<figure><figcaption><strong>{escape(name)}</strong></figcaption>{chart}</figure>"
        for name, chart in drawn
        if chart
    ]
    if not charts:
        return ""
    return (
        '<h3>Terms</h3><p class="soft">Before their weights; the line is smoothed, the shade behind it is the range of '
        "single steps. Adversarial terms are a game of two: whether they fall or rise says nothing about quality.</p>"
        f'<div class="charts">{"".join(charts)}</div>'
    )


def render_commands(summary: RunSummary) -> str:
    """How to go on from here."""
    run = str(summary.folder.path)
    target = summary.config.domains[1].name
    budget = summary.config.training
    budget_flags = (
        ("--steps", str(2 * budget.steps)) if budget.steps else ("--minutes", f"{2 * (budget.minutes or 1):g}")
    )
    resume = ("unpaired", "train", "--resume", run, *(budget_flags if summary.budget_fraction >= 1 else ()))
    kind = summary.config.get_medium().files_noun
    example, saved = EXAMPLES[summary.config.medium]
    translate = render_command("unpaired", "translate", run, kind.upper(), "--to", target, "--out", "DIR")
    further = "Train it further, with a larger budget" if summary.budget_fraction >= 1 else "Continue training"
    resume_html = "" if summary.config.imported_from is not None else f"<p>{further}:</p>{render_command(*resume)}"
    python = (
        "from unpaired import Translator\n"
        f'translator = Translator.load({run!r})\ntranslator("{example}", to={target!r}).save("{saved}")'
    )
    return (
        "<h2>Using it</h2>"
        f"<p>Translate {kind} or whole folders:</p>{translate}"
        f"<p>Measure it again:</p>{render_evaluate_command(summary)}{resume_html}"
        f"<p>From Python:</p><pre>{escape(python)}</pre>"
    )


def render_evaluate_command(summary: RunSummary) -> str:
    """The command that measures the run; an imported one needs data for it."""
    data = () if summary.config.imported_from is None else tuple(f"{domain.name}/" for domain in summary.config.domains)
    return render_command("unpaired", "evaluate", str(summary.folder.path), *data)


def render_command(*parts: str) -> str:
    """A command as somebody would type it."""
    return f"<pre>{escape(shlex.join(parts))}</pre>"


def render_settings(summary: RunSummary) -> str:
    """Everything that was set, folded away."""
    config = summary.config
    parts = [
        render_settings_table(section_label(name, config.method, config.get_medium()), part.model_dump(), type(part))
        for name, part in ((name, getattr(config, name)) for name in SECTIONS)
    ]
    domains = "".join(
        render_settings_table(f"domain: {d.name}", d.statistics.model_dump(), type(d.statistics))
        for d in config.domains
    )
    tables = f"{''.join(parts)}{domains}"
    return f"<h2>Settings</h2><details><summary>Everything that was set or found</summary>{tables}</details>"


def render_settings_table(title: str, values: dict[str, Any], model: type[BaseModel] | None) -> str:
    """A section's settings, with what they mean."""
    rows = []
    for name, value in values.items():
        meaning = (model.model_fields[name].description or "") if model is not None else ""
        rows.append(f"<tr><td>{escape(name)}</td><td>{escape(format_value(value))}</td><td>{escape(meaning)}</td></tr>")
    return f'<h3>{escape(title)}</h3><div class="scroll"><table class="settings">{"".join(rows)}</table></div>'


def format_value(value: Any) -> str:
    """A setting's value as one would write it."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)

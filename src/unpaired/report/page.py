"""`report.html`: one file that needs nothing else, neither network nor scripts."""

from __future__ import annotations

import shlex
from html import escape
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from unpaired.atomic import whole
from unpaired.media.suffixes import KINDS
from unpaired.methods import METHODS
from unpaired.report import recordings, words
from unpaired.report.charts import kid_chart, swatch, term_chart
from unpaired.report.facts import Facts, Sample, gather
from unpaired.report.hidden import hidden
from unpaired.report.pictures import Embedded, embed
from unpaired.report.style import STYLE
from unpaired.report.table import measures_table
from unpaired.report.voice import VOICE_STYLE
from unpaired.settings import DataSettings, NetworkSettings, TrainingSettings, VoiceSettings

SECTIONS: dict[str, type[BaseModel]] = {
    "data": DataSettings,
    "voice": VoiceSettings,
    "networks": NetworkSettings,
    "training": TrainingSettings,
}
EARLIER = 8
"""Steps in the time line of earlier samples at most."""
POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"
"""What a browser may load: nothing but what is in the page."""
EXAMPLES = {"image": ("picture.png", "translated.png"), "voice": ("recording.flac", "converted.flac")}
CAPTIONS = ("input", "translation", "reconstruction")


def write_report(run: Path) -> Path:
    """Write `report.html` into a run's folder, whole or not at all, from whatever is there by now; returns its path.

    Raises WorkError where the run's configuration cannot be read or the page cannot be written.
    """
    facts = gather(run)
    path = facts.folder.report
    with whole(path) as part:
        part.write_text(page(facts), encoding="utf-8", errors="replace")
    return path


def page(facts: Facts) -> str:
    """The whole page."""
    foot = f"unpaired {facts.config.unpaired}, run {facts.folder.path}"
    own = of_recordings(facts) if facts.config.medium == "voice" else of_pictures(facts)
    body = "\n".join([*own, curves(facts), commands(facts), settings(facts)])
    return document(words.title(facts), body, foot, VOICE_STYLE if facts.config.medium == "voice" else "")


def of_pictures(facts: Facts) -> list[str]:
    """The sections on what a run of pictures does."""
    return [opening(facts, words.verdict(facts)), pictures(facts), measures(facts), hidden(facts)]


def of_recordings(facts: Facts) -> list[str]:
    """The sections on what a run of recordings does."""
    test = recordings.read_test(facts.folder)
    if test is None:
        not_measured = [("Not measured", "whether it worked is for you to hear.")]
        return [opening(facts, not_measured), f"<h2>Measures</h2><p>To measure this run:</p>{evaluating(facts)}"]
    shown = f"<h2>Measures</h2>{recordings.measures_table(test)}"
    return [opening(facts, recordings.verdict(test)), recordings.listening(facts.folder), shown]


def document(title: str, body: str, foot: str, style: str = "") -> str:
    """A page that loads nothing, from the HTML of its body; `title` and `foot` are plain text."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head>\n<body><main>\n{body}\n"
        f"<footer>{escape(foot)}</footer>\n"
        "</main></body></html>\n"
    )


def opening(facts: Facts, judged: list[tuple[str, str]]) -> str:
    """What was trained on what, whether it worked, and what the user should know."""
    verdict = "".join(f"<p><strong>{escape(head)}</strong> {escape(text)}</p>" for head, text in judged)
    told = "".join(f"<li>{escape(text)}</li>" for text in words.notices(facts))
    return (
        f'<h1>{escape(words.title(facts))}</h1>\n<p class="soft">{escape(words.training(facts))}</p>\n'
        f'<div class="verdict">{verdict}</div>\n<p>{escape(words.checkpoints(facts))}</p>\n'
        + (f'<ul class="notices">{told}</ul>' if told else "")
    )


def pictures(facts: Facts) -> str:
    """The grids of the newest samples, and the way there."""
    steps = sorted({sample.step for sample in facts.samples})
    if not steps:
        return "<h2>Pictures</h2><p>No samples were recorded in this run.</p>"
    newest = [grid(facts, sample) for sample in latest(facts.samples, steps[-1])]
    earlier = evenly(steps[:-1], EARLIER)
    lines = [time_line(facts, route, earlier) for route in dict.fromkeys(sample.route for sample in facts.samples)]
    return f'<h2>Pictures after {steps[-1]:,} steps</h2><div class="grids">{"".join(newest)}</div>' + "".join(lines)


def latest(samples: list[Sample], step: int) -> list[Sample]:
    """The samples of a step, one per route (the newest, where a resumed run made them again)."""
    return list({sample.route: sample for sample in samples if sample.step == step}.values())


def evenly(steps: list[int], most: int) -> list[int]:
    """At most `most` of the steps, the first and the last among them."""
    if len(steps) <= most:
        return steps
    return [steps[round(i * (len(steps) - 1) / (most - 1))] for i in range(most)]


def grid(facts: Facts, sample: Sample) -> str:
    """A grid of samples with its columns named."""
    route = escape(sample.route)
    picture = embed(sample.path)
    if picture is None:
        return f"<figure><figcaption>{route}: {escape(sample.path.name)} is gone or damaged</figcaption></figure>"
    heads = "".join(f"<span>{name}</span>" for name in columns(picture, facts.config.data.size))
    return (
        f"<figure><figcaption><strong>{route}</strong></figcaption>"
        + (f'<div class="captions">{heads}</div>' if heads else "")
        + f'<img src="{picture.address}" alt="samples of {route}, a row each: {", ".join(CAPTIONS)}"></figure>'
    )


def columns(picture: Embedded, size: int) -> tuple[str, ...]:
    """The names of a grid's columns, which are `size` pixels wide (and a little between them)."""
    count = picture.width // size
    return CAPTIONS[:count] if 2 <= count <= len(CAPTIONS) else ()


def time_line(facts: Facts, route: str, steps: list[int]) -> str:
    """Small grids of earlier steps of a route, in order."""
    there = {sample.step: sample for sample in facts.samples if sample.route == route and sample.step in steps}
    small = [(step, picture) for step in steps if step in there and (picture := embed(there[step].path, small=True))]
    if not small:
        return ""
    shown = "".join(
        f'<figure><img src="{picture.address}" alt="samples at step {step}">'
        f"<figcaption>step {step:,}</figcaption></figure>"
        for step, picture in small
    )
    return f'<h3>Earlier: {escape(route)}</h3><div class="line">{shown}</div>'


def measures(facts: Facts) -> str:
    """The table of measures, each beside what to compare it with."""
    if facts.shown is None:
        return f"<h2>Measures</h2><p>This run has not been evaluated. To measure it:</p>{evaluating(facts)}"
    return f"<h2>Measures</h2>{measures_table(facts, facts.shown)}"


def curves(facts: Facts) -> str:
    """KID and the terms over steps."""
    parts = [kid_curves(facts), term_curves(facts)]
    return "<h2>Curves</h2>" + ("".join(parts) if any(parts) else "<p>Nothing has been recorded yet.</p>")


def kid_curves(facts: Facts) -> str:
    """KID of each route over steps, with its level lines."""
    charts = []
    distance = words.DISTANCES[facts.config.medium]
    best = max((e.step for e in facts.evaluations if e.best), default=None)
    for route in dict.fromkeys(r.route for e in facts.evaluations for r in e.routes):
        found = [(e, r) for e in facts.evaluations for r in e.routes if r.route == route]
        last = found[-1][1]
        name = words.arrow(route)
        points = [(e.step, r.kid) for e, r in found]
        chart = kid_chart(name, points, [("nothing", last.kid_nothing), ("real", last.kid_real)], best, distance)
        if chart:
            charts.append(f"<figure><figcaption><strong>{escape(name)}</strong></figcaption>{chart}</figure>")
    if not charts:
        return ""
    names = {"main": "translations", "nothing": "doing nothing", "real": "real against real", "best": "best checkpoint"}
    legend = "".join(f"<span>{swatch(look)}{name}</span>" for look, name in names.items())
    return (
        f"<h3>{distance[0].upper()}{distance[1:]} to the target domain, on held-back items (lower is better)</h3>"
        f'<div class="legend">{legend}</div><div class="charts kid">{"".join(charts)}</div>'
    )


def term_curves(facts: Facts) -> str:
    """Each term over steps."""
    drawn = [(name, term_chart(name, points)) for name, points in facts.terms.items()]
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


def commands(facts: Facts) -> str:
    """How to go on from here."""
    run = str(facts.folder.path)
    target = facts.config.domains[1].name
    budget = facts.config.training
    more = ("--steps", str(2 * budget.steps)) if budget.steps else ("--minutes", f"{2 * (budget.minutes or 1):g}")
    resume = ("unpaired", "train", "--resume", run, *(more if facts.share >= 1 else ()))
    kind, _ = KINDS[facts.config.medium]
    example, saved = EXAMPLES[facts.config.medium]
    translate = command("unpaired", "translate", run, kind.upper(), "--to", target, "--out", "DIR")
    further = "Train it further, with a larger budget" if facts.share >= 1 else "Continue training"
    going_on = "" if facts.config.imported is not None else f"<p>{further}:</p>{command(*resume)}"
    python = (
        "from unpaired import Translator\n"
        f'translator = Translator.load({run!r})\ntranslator("{example}", to={target!r}).save("{saved}")'
    )
    return (
        "<h2>Using it</h2>"
        f"<p>Translate {kind} or whole folders:</p>{translate}"
        f"<p>Measure it again:</p>{evaluating(facts)}{going_on}"
        f"<p>From Python:</p><pre>{escape(python)}</pre>"
    )


def evaluating(facts: Facts) -> str:
    """The command that measures the run; an imported one needs data for it."""
    data = () if facts.config.imported is None else tuple(f"{domain.name}/" for domain in facts.config.domains)
    return command("unpaired", "evaluate", str(facts.folder.path), *data)


def command(*parts: str) -> str:
    """A command as somebody would type it."""
    return f"<pre>{escape(shlex.join(parts))}</pre>"


def settings(facts: Facts) -> str:
    """Everything that was set, folded away."""
    config = facts.config
    there = {name: model for name, model in SECTIONS.items() if getattr(config, name) is not None}
    parts = [settings_table(name, getattr(config, name).model_dump(), model) for name, model in there.items()]
    row = METHODS[config.method]
    own = settings_table(f"method: {row.name}", config.method_settings, None)
    domains = "".join(
        settings_table(f"domain: {d.name}", d.model_dump(exclude={"name"}), type(d)) for d in config.domains
    )
    tables = f"{own}{''.join(parts)}{domains}"
    return f"<h2>Settings</h2><details><summary>Everything that was set or found</summary>{tables}</details>"


def settings_table(title: str, values: dict[str, Any], model: type[BaseModel] | None) -> str:
    """A section's settings, with what they mean."""
    rows = []
    for name, value in values.items():
        meaning = (model.model_fields[name].description or "") if model is not None else ""
        rows.append(f"<tr><td>{escape(name)}</td><td>{escape(shown(value))}</td><td>{escape(meaning)}</td></tr>")
    return f'<h3>{escape(title)}</h3><div class="scroll"><table class="settings">{"".join(rows)}</table></div>'


def shown(value: Any) -> str:
    """A setting's value as one would write it."""
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    return ", ".join(map(str, value)) or "none" if isinstance(value, tuple | list) else str(value)

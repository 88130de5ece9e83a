"""The table of measures: each beside what it would be without translating, and between real pictures."""

from __future__ import annotations

import math
from html import escape

from unpaired.media.image import text_table
from unpaired.media.image.measurement import RouteMeasures
from unpaired.report import run_text
from unpaired.runs.summary import EvaluationSummary, RunSummary

BETTER_LABELS = {"lower": "lower is better", "higher": "higher is better"}


def measures_table(summary: RunSummary, evaluation: EvaluationSummary) -> str:
    """The table, what it was measured on, and what its rows mean."""
    about = escape(run_text.describe_measurement(evaluation) + run_text.describe_staleness(summary, evaluation))
    groups = "".join(render_route(r) for r in evaluation.routes)
    meanings = "".join(
        f"<li>{escape(line)}</li>" for line in text_table.format_definitions(evaluation.routes).splitlines()
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("translations", "doing nothing", "real to real"))
    return (
        f'<p class="soft">{about}</p><div class="scroll"><table class="measures">'
        f"<thead><tr><td></td>{heads}</tr></thead>"
        f'{groups}</table></div><ul class="meanings">{meanings}</ul>'
    )


def render_route(r: RouteMeasures) -> str:
    """The rows of a route."""
    pairs = f", {r.pairs:,} true pairs" if r.pairs else ""
    items = f'<span class="soft">{r.sources:,} translated, {r.targets:,} real{pairs}</span>'
    head = f'<tr><th colspan="4" scope="rowgroup">{escape(run_text.format_route(r.route))} &ensp;{items}</th></tr>'
    values = r.model_dump()
    rows = (render_row(values, *field) for field in text_table.ROWS if values[field.name] is not None)
    return f"<tbody>{head}{''.join(rows)}</tbody>"


def render_row(values: dict[str, float | None], label: str, name: str, digits: int, better: str) -> str:
    """The measure `name` and its baselines."""
    value, error = values[name], values.get(f"{name}_error")
    value_text = format_number(value, digits) + (f" ± {format_number(error, digits)}" if error is not None else "")
    identity = values.get(f"{name}_baseline", text_table.IDENTITY_VALUES.get(name))
    baselines = "".join(f"<td>{format_number(x, digits)}</td>" for x in (identity, values.get(f"{name}_real")))
    hint = f'<span class="soft hint">{escape(BETTER_LABELS.get(better, better))}</span>'
    verdict_html = render_verdict(value, values.get(f"{name}_baseline"), better)
    return f'<tr><th scope="row">{escape(label)} {hint}</th><td>{verdict_html}{value_text}</td>{baselines}</tr>'


def render_verdict(value: float | None, identity: float | None, better: str) -> str:
    """A word on whether a value is better than doing nothing, where that can be said."""
    if (
        value is None
        or identity is None
        or value == identity
        or not math.isfinite(value)
        or better not in BETTER_LABELS
    ):
        return ""
    is_better = (value < identity) == (better == "lower")
    return '<span class="good">better</span> ' if is_better else '<span class="bad">worse</span> '


def format_number(value: float | None, digits: int) -> str:
    """A figure, or a dash where it was not or cannot be measured."""
    return "–" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"

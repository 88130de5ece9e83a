"""`report.html`: one self-contained file that needs neither a network connection nor scripts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel

from unpaired.atomic import atomic_write
from unpaired.config.resolve import SECTIONS, section_label
from unpaired.evaluation.audit_results import describe_verdict, read_audit, recommend
from unpaired.hub.download import locate_run
from unpaired.media.pictures import embed_image
from unpaired.metrics.route_table import build_route_tables, list_definitions
from unpaired.report import run_text
from unpaired.report.charts import LineStyle, render_loss_chart, render_metric_chart
from unpaired.report.templating import format_route, render
from unpaired.runs.summary import RunSummary, read_run_summary


def write_report(run: str | os.PathLike[str]) -> Path:
    """Write `report.html` atomically into a run's folder, from the data that exist so far; return its path.

    The report of a shared run (`hf:user/name`) is written beside its downloaded files.

    Raises WorkError if the run's configuration cannot be read or the page cannot be written.
    """
    summary = read_run_summary(locate_run(run))
    path = summary.folder.report
    with atomic_write(path) as temporary:
        temporary.write_text(render_page(summary), encoding="utf-8", errors="replace")
    return path


def render_page(summary: RunSummary) -> str:
    """Render the page as HTML."""
    medium = summary.config.get_medium()
    routes = summary.shown_routes
    legend, metric_charts = _render_metric_charts(summary)
    return render(
        "report",
        title=run_text.format_title(summary),
        footer=f"unpaired {summary.config.unpaired_version}, run {summary.folder.path}",
        training=run_text.describe_training(summary),
        verdict=run_text.describe_verdict(summary),
        checkpoints=run_text.describe_checkpoints(summary),
        notices=run_text.list_notices(summary),
        medium_sections=medium.report_sections(summary),
        tables=build_route_tables(medium, routes),
        definitions=list_definitions(medium, routes),
        measured_on=run_text.describe_measurement(summary),
        audit=_describe_audit(summary),
        metric=summary.validation_metric,
        legend=legend,
        metric_charts=metric_charts,
        loss_charts=_render_loss_charts(summary),
        settings=_list_settings(summary),
        files_noun=medium.files_noun,
        **_list_commands(summary),
    )


def _describe_audit(summary: RunSummary) -> dict[str, Any] | None:
    """Return the verdict per route, the recommendation and the figure of the last audit; None without an audit."""
    audit = read_audit(summary.folder.audit)
    if audit is None:
        return None
    stale = run_text.describe_staleness(summary, audit.checkpoint, audit.step, "audit")
    return {
        "routes": [(format_route(r.route), describe_verdict(r)) for r in audit.routes],
        "recommendation": recommend(audit),
        "about": f"Audited at the {audit.checkpoint} checkpoint, step {audit.step:,}, on {audit.set}. Hidden "
        "information is the fraction of the inputs' variance that can be read from their translations, but not after "
        f"an imperceptible perturbation ({audit.perturbation}): 0 none, 1 all.{stale}",
        "picture": embed_image(summary.folder.audit_image),
    }


def _render_metric_charts(summary: RunSummary) -> tuple[list[tuple[str, str]], list[tuple[str, Markup]]]:
    """Draw the validation metric of each route over steps with its baselines; return the legend and the charts."""
    medium = summary.config.get_medium()
    metric = summary.validation_metric
    best = max((v.step for v in summary.validations if v.is_best), default=None)
    charts: list[tuple[str, Markup]] = []
    legend: dict[str, str] = {"main": "translations"}
    for route in dict.fromkeys(r.route for v in summary.validations for r in v.routes):
        measured = [(v.step, r) for v in summary.validations for r in v.routes if r.route == route]
        last = measured[-1][1]
        lines: list[tuple[LineStyle, float | None]] = []
        for baseline in medium.baselines:
            value = last.baseline(baseline.name, metric)
            if value is not None:
                style: LineStyle = "real" if baseline.is_reference else "nothing"
                lines.append((style, value))
                legend[style] = baseline.name
        points = [(step, r.value(metric)) for step, r in measured]
        name = format_route(route)
        if chart := render_metric_chart(name, points, lines, best, metric):
            charts.append((name, chart))
    return [*legend.items(), ("best", "best checkpoint")], charts


def _render_loss_charts(summary: RunSummary) -> list[tuple[str, Markup]]:
    drawn = [(name, render_loss_chart(name, points)) for name, points in summary.losses.items()]
    return [(name, chart) for name, chart in drawn if chart]


def _list_commands(summary: RunSummary) -> dict[str, Any]:
    """Return the commands to use next: translate, evaluate and resume."""
    config, medium, run = summary.config, summary.config.get_medium(), str(summary.folder.path)
    target = config.domains[:2][-1].name
    steps, minutes = config.training.steps, config.training.minutes
    larger_budget = ("--steps", str(2 * steps)) if steps else ("--minutes", f"{2 * (minutes or 1):g}")
    if summary.is_stopped_early:
        larger_budget = ("--patience", "none")
    data = () if config.imported_from is not None else tuple(f"{domain.name}/" for domain in config.domains)
    example, saved = medium.example_files
    return {
        "translate_command": ("unpaired", "translate", run, medium.files_noun.upper(), "--to", target, "--out", "DIR"),
        "evaluate_command": ("unpaired", "evaluate", run, *data),
        "resume_command": None
        if not config.has_data
        else ("unpaired", "train", "--resume", run, *(larger_budget if summary.is_complete else ())),
        "resume_heading": "Continue training"
        if not summary.is_complete
        else "Continue training to the end of its budget"
        if summary.is_stopped_early
        else "Continue training with a larger budget",
        "python": f"from unpaired import Translator\ntranslator = Translator.load({run!r})\n"
        f'translator("{example}", to={target!r}).save("{saved}")',
    }


def _list_settings(summary: RunSummary) -> list[dict[str, Any]]:
    config = summary.config
    parts = [
        build_settings_table(section_label(name, config.method, config.get_medium()), part.model_dump(), type(part))
        for name, part in ((name, getattr(config, name)) for name in SECTIONS)
    ]
    return parts + [
        build_settings_table(f"domain: {d.name}", d.statistics.model_dump(), type(d.statistics)) for d in config.domains
    ]


def build_settings_table(title: str, values: Mapping[str, Any], model: type[BaseModel] | None) -> dict[str, Any]:
    """Return a section's settings with their help texts (empty without `model`), for the macro `settings_table`."""
    rows = [
        {
            "name": name,
            "value": value,
            "meaning": (model.model_fields[name].description or "") if model is not None else "",
        }
        for name, value in values.items()
    ]
    return {"title": title, "rows": rows}

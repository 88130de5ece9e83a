"""Sentences that describe a run in its report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from unpaired.console import format_duration
from unpaired.methods import METHODS
from unpaired.metrics import trend as trends
from unpaired.metrics.few_items import describe_few_items
from unpaired.report.templating import format_route
from unpaired.runs.progress import Budget
from unpaired.runs.summary import RunSummary

MAX_NAMED_DOMAINS = 3
"""Maximum number of domains in a title."""


def format_title(summary: RunSummary) -> str:
    """Join the domains by arrows for the directions with samples or metrics, or by "and" if there are none."""
    measured_routes = {r.route for v in summary.validations for r in v.routes}
    route_count = max(len(measured_routes), len({s.route for s in summary.samples}))
    return join_domains([d.name for d in summary.config.domains], f" {('and', '→', '↔')[min(route_count, 2)]} ")


def join_domains(domains: Sequence[str], separator: str = " and ") -> str:
    """Join domain names; for many domains, return their number and the first names."""
    if len(domains) <= MAX_NAMED_DOMAINS:
        return separator.join(domains)
    return f"{len(domains)} domains: {', '.join(domains[:MAX_NAMED_DOMAINS])} ..."


def describe_training(summary: RunSummary) -> str:
    """Describe the method, data and duration of the training, or the source of an import."""
    config, progress = summary.config, summary.progress
    row = METHODS[config.method]
    if config.imported_from is not None:
        return f"This run was not trained here: its generator was imported from {config.imported_from}."
    if not config.has_data and not progress.step:
        return f"Method {row.name} ({row.paper}), preset {config.preset}. A shared run does not contain its history."
    counts = [f"{len(s.train):,} of {s.name}" for s in summary.sets]
    trained_on = f" on {' and '.join(counts)}, unpaired," if counts else ""
    evaluation_time = f", and {format_duration(progress.evaluation_s)} of evaluations" if progress.evaluation_s else ""
    item_size = config.get_medium().describe_items(config)
    text = (
        f"Method {row.name} ({row.paper}), preset {config.preset}, trained{trained_on} {item_size} for "
        f"{progress.step:,} steps with batch size {config.training.batch_size}: {format_duration(progress.spent_s)} of "
        f"training steps{evaluation_time}."
    )
    if config.teacher is not None:
        text += f" Teacher: {Path(config.teacher.file).parent}."
    if summary.budget_fraction < 1:
        budget = Budget(config.training.steps, config.training.minutes)
        early = summary.is_stopped_early
        stopped = " Training stopped early, because the validation metric no longer improved." if early else ""
        text += f"{stopped} It has used {int(100 * summary.budget_fraction)} % of its budget of {budget}."
    return text


def describe_verdict(summary: RunSummary) -> list[tuple[str, str]]:
    """Return a heading and a verdict per route, then the trend of the training."""
    medium = summary.config.get_medium()
    if not summary.shown_routes:
        return [("Not measured", f"{medium.judge_yourself}.")]
    out = [(format_route(r.route), medium.describe_route(r)) for r in summary.shown_routes]
    if few := describe_few_items(summary.shown_routes):
        out.append(("Few items", few))
    return [*out, ("", text)] if (text := describe_trend(summary)) else out


def describe_trend(summary: RunSummary) -> str:
    """Describe the trend of the validation metric; empty if it was not measured."""
    points = summary.trend_points
    return trends.describe_trend(points, summary.validation_metric) if points else ""


def list_notices(summary: RunSummary) -> list[str]:
    """List the notices of the training without duplicates, and without the trend, which the verdict contains."""
    trend_text = describe_trend(summary)
    notices = [
        f"Step {step:,}: {message}" if step else message for step, message in summary.notices if message != trend_text
    ]
    return list(dict.fromkeys(notices))


def describe_checkpoints(summary: RunSummary) -> str:
    """Describe the existing checkpoints, and the one that `translate` uses by default."""
    best, last = summary.steps.get("best"), summary.steps.get("last")
    metric = summary.validation_metric
    if summary.config.imported_from is not None:
        return "Translating uses the imported generator."
    checkpoint, step = summary.translating_checkpoint
    if not summary.config.has_data and step is not None:
        return f"Translating uses the {checkpoint} checkpoint, step {step:,}."
    if best is not None:
        value = f" {summary.progress.best_value:.3g}" if summary.progress.best_value is not None else ""
        other = f" Use --checkpoint last for the last one, step {last:,}." if last is not None else ""
        return (
            f"Translating uses the best checkpoint: step {best:,}, with the best mean {metric.short}{value} on the "
            f"validation split.{other}"
        )
    if last is not None:
        reason = f"{metric.short} was not measured on enough validation items to choose a best checkpoint"
        return f"Translating uses the last checkpoint, step {last:,}: {reason}."
    return "No checkpoint has been saved yet."


def describe_measurement(summary: RunSummary) -> str:
    """Describe the checkpoint and the items of the shown metrics."""
    test, validation = summary.test, summary.shown_validation
    if test is not None:
        stale = describe_staleness(summary, test.checkpoint, test.step, "evaluate")
        return f"Measured at the {test.checkpoint} checkpoint, step {test.step:,}, on {test.items}.{stale}"
    return "" if validation is None else f"Measured at step {validation.step:,}, on the validation split."


def describe_staleness(summary: RunSummary, checkpoint: str, step: int, command: str) -> str:
    """Return a warning if the saved checkpoint is of another step than the metrics; else an empty string."""
    saved_step = next((saved for name, saved in summary.steps.items() if name == checkpoint), step)
    return (
        ""
        if saved_step == step
        else f" The saved checkpoint is now of step {saved_step:,}; run `unpaired {command}` again."
    )

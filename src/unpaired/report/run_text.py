"""What a run amounts to, in sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from unpaired.console import format_duration
from unpaired.media.image.measurement import RouteMeasures
from unpaired.methods import METHODS
from unpaired.metrics import trend as trends
from unpaired.metrics.features import INSTALL_HINT
from unpaired.metrics.significance import MIN_STANDARD_ERRORS, is_nearer_to_truth
from unpaired.runs.progress import Budget
from unpaired.runs.summary import EvaluationSummary, RunSummary

DISTANCE_NAMES = {"image": "KID", "voice": "distance of frames"}
"""By which checkpoints of a medium are told apart."""
MAX_NAMED_DOMAINS = 3
"""Domains that a title names."""
WORKED_FRACTION, PARTLY_FRACTION = 0.7, 0.3
"""Shares of the way from the untranslated pictures to real ones, by KID, from which a route is said to work."""


def format_title(summary: RunSummary) -> str:
    """The domains, and between which of them the run has shown that it translates."""
    routes = max(len({r.route for e in summary.evaluations for r in e.routes}), len({s.route for s in summary.samples}))
    return join_domains([d.name for d in summary.config.domains], f" {('and', '→', '↔')[min(routes, 2)]} ")


def join_domains(domains: Sequence[str], separator: str = " and ") -> str:
    """The names of a few domains, joined; of many how many they are, and the first."""
    if len(domains) <= MAX_NAMED_DOMAINS:
        return separator.join(domains)
    return f"{len(domains)} domains: {', '.join(domains[:MAX_NAMED_DOMAINS])} ..."


def describe_training(summary: RunSummary) -> str:
    """What was trained on what, and for how long; or what was imported."""
    config, progress = summary.config, summary.progress
    row = METHODS[config.method]
    if config.imported_from is not None:
        return f"Not trained here: its generator was imported from {config.imported_from}."
    counts = [f"{len(s.train):,} of {s.name}" for s in summary.sets]
    trained_on = f" on {' and '.join(counts)}, unpaired," if counts else ""
    evaluation_time = f", and {format_duration(progress.evaluation_s)} of evaluations" if progress.evaluation_s else ""
    input_size = config.get_medium().describe_items(config)
    text = (
        f"Method {row.name} ({row.paper}), preset {config.preset}, trained{trained_on} {input_size} for "
        f"{progress.step:,} steps of {config.training.batch_size}: {format_duration(progress.spent_s)} of steps{evaluation_time}."
    )
    if config.teacher is not None:
        text += f" Its teacher was {Path(config.teacher.file).parent}."
    if summary.budget_fraction < 1:
        budget = Budget(config.training.steps, config.training.minutes)
        text += f" It stopped, or still is, at {int(100 * summary.budget_fraction)} % of its budget of {budget}."
    return text


def describe_verdict(summary: RunSummary) -> list[tuple[str, str]]:
    """Whether it worked: for each route its name and what there is to say, then the training as a whole."""
    if summary.shown_evaluation is None:
        return [("Not measured", "whether it worked is for you to see in the pictures.")]
    out = [
        (format_route(r.route), f"{describe_likeness(r)}{describe_true_distance(r)}")
        for r in summary.shown_evaluation.routes
    ]
    return [*out, ("", text)] if (text := describe_trend(summary)) else out


def describe_likeness(r: RouteMeasures) -> str:
    """How near to the target a route's translations are, between doing nothing and real pictures."""
    if r.kid is None or not math.isfinite(r.kid):
        reason = (
            INSTALL_HINT if r.features is None else f"{r.sources} and {r.targets} held-back items are too few for KID"
        )
        return f"likeness to the target was not measured. {reason}."
    if r.kid_baseline is None:
        return f"KID is {r.kid:.3g}."
    real = f", real pictures {r.kid_real:.3g}" if r.kid_real is not None else ""
    caveat = f" Of {r.sources} and {r.targets} items, this is rough." if r.kid_error is None else ""
    return f"{describe_gain(r, r.kid, r.kid_baseline)} (KID {r.kid:.3g}; doing nothing {r.kid_baseline:.3g}{real}).{caveat}"


def describe_gain(r: RouteMeasures, kid: float, identity_kid: float) -> str:
    """The judgement on a route by its KID and that of doing nothing; two standard errors are within chance."""
    margin, real_kid = MIN_STANDARD_ERRORS * (r.kid_error or 0.0), r.kid_real or 0.0
    if kid > identity_kid + margin:
        return "did not work: translations are further from the target than untranslated pictures"
    if kid >= identity_kid - margin or identity_kid <= real_kid:
        return "no gain over untranslated pictures that could be told from chance"
    if kid <= real_kid + margin:
        return "worked: by KID, translations cannot be told from real pictures of the target"
    fraction = (identity_kid - kid) / (identity_kid - real_kid)
    outcome = (
        "worked"
        if fraction >= WORKED_FRACTION
        else "worked in part"
        if fraction >= PARTLY_FRACTION
        else "hardly worked"
    )
    return f"{outcome}: translations went {fraction:.0%} of the way from untranslated pictures to real ones"


def describe_true_distance(r: RouteMeasures) -> str:
    """How near a route's translations are to the true ones, where those are known."""
    if r.l1 is None or r.l1_baseline is None:
        return ""
    relation = "nearer to" if is_nearer_to_truth(r) else "hardly nearer to" if r.l1 < r.l1_baseline else "no nearer to"
    return f" They are {relation} the true translations than the input is (L1 {r.l1:.3f}; doing nothing {r.l1_baseline:.3f})."


def describe_trend(summary: RunSummary) -> str:
    """Whether training still gains; empty where no KID was measured on the way."""
    kids = [(e.step, e.mean_kid) for e in summary.evaluations if e.mean_kid is not None]
    return trends.describe_trend(kids) if kids else ""


def list_notices(summary: RunSummary) -> list[str]:
    """What was noticed on the way, each once; the newest words on the trend are in the verdict already."""
    trend_text = describe_trend(summary)
    notices_text = [
        f"Step {step:,}: {words}" if step else words for step, words in summary.notices if words != trend_text
    ]
    return list(dict.fromkeys(notices_text))


def describe_checkpoints(summary: RunSummary) -> str:
    """Which checkpoints there are, and which one translating uses."""
    best, last = summary.steps.get("best"), summary.steps.get("last")
    distance = DISTANCE_NAMES[summary.config.medium]
    if summary.config.imported_from is not None:
        return "Translating uses the imported generator."
    if best is not None:
        kid = f" {summary.progress.validation_metric:.3g}" if summary.progress.validation_metric is not None else ""
        other = f" --checkpoint last takes the last one, step {last:,}." if last is not None else ""
        return (
            f"Translating uses the best checkpoint: step {best:,}, of lowest mean {distance}{kid} on held-back items."
            f"{other}"
        )
    if last is not None:
        reason = f"no best one was chosen, as no {distance} was measured"
        return f"Translating uses the last checkpoint, step {last:,}: {reason}."
    return "No checkpoint has been saved yet."


def describe_measurement(evaluation: EvaluationSummary) -> str:
    """What an evaluation was made of."""
    if evaluation.checkpoint is None:
        return f"Measured at step {evaluation.step:,}, on the items held back to choose the best checkpoint."
    return f"Measured at the {evaluation.checkpoint} checkpoint, step {evaluation.step:,}, on {evaluation.set}."


def describe_staleness(summary: RunSummary, evaluation: EvaluationSummary) -> str:
    """A warning where the measures are of an older state than the saved one."""
    step = next((step for which, step in summary.steps.items() if which == evaluation.checkpoint), None)
    if step is None or step == evaluation.step:
        return ""
    return f" This checkpoint is of step {step:,} by now: evaluate again."


def format_route(route: str) -> str:
    """A route's words as they are shown."""
    return route.replace(" -> ", " → ")

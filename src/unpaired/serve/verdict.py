"""How good a model is, in words, for the page and the API: without paths of the server."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel, Field

from unpaired.config.run_config import remove_paths
from unpaired.errors import UnpairedError
from unpaired.report.page import render_page
from unpaired.report.run_text import describe_measurement, describe_training, describe_verdict
from unpaired.runs.summary import RunSummary, read_run_summary
from unpaired.serve.errors import RequestError, hide_paths
from unpaired.serve.models import ServedModel


class RouteVerdict(BaseModel):
    """Verdict on one route, or a remark on all."""

    heading: str
    text: str


class Verdict(BaseModel):
    """How a model was trained and how good it is."""

    training: str = Field(description="method, data and duration of the training")
    verdicts: list[RouteVerdict]
    measured_on: str = Field(description="items and checkpoint of the measures; empty if nothing was measured")


def describe_model(model: ServedModel) -> Verdict:
    """Return the verdict on a model; of an exported file, that nothing was measured."""
    if not model.is_run:
        text = f"An exported file contains no measures. {model.medium.judge_yourself.capitalize()}."
        return Verdict(training="", verdicts=[RouteVerdict(heading="Not measured", text=text)], measured_on="")
    summary = _read_summary(model)
    return Verdict(
        training=hide_paths(describe_training(summary), model.public_names),
        verdicts=[RouteVerdict(heading=heading, text=text) for heading, text in describe_verdict(summary)],
        measured_on=describe_measurement(summary),
    )


def render_report(model: ServedModel) -> str:
    """Render a run's report without paths of the server; raises RequestError for an exported file."""
    if not model.is_run:
        raise RequestError(404, f"{model.name}: is an exported file, which has no report")
    page = render_page(_read_summary(model))
    for folder, name in model.public_names.items():
        page = page.replace(folder, name)
    return page


def _read_summary(model: ServedModel) -> RunSummary:
    try:
        summary = read_run_summary(model.path)
    except UnpairedError as error:
        raise RequestError(500, hide_paths(str(error), model.public_names)) from error
    return replace(summary, config=remove_paths(summary.config))

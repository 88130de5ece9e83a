"""Summary of a run's folder; missing or damaged parts are omitted."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from unpaired.config.run_config import RunConfig, read_config
from unpaired.data.split import DomainSplits
from unpaired.errors import WorkError
from unpaired.media.base import Medium
from unpaired.metrics.base import Evaluation, Metric, RouteEvaluation, average_with_error
from unpaired.metrics.trend import TrendPoint
from unpaired.runs.files import read_file_lists
from unpaired.runs.folder import Checkpoint, RunFolder
from unpaired.runs.history import History
from unpaired.runs.progress import Budget, Progress, list_checkpoints


@dataclass(frozen=True)
class ValidationResult:
    """Metrics of all routes on the validation split at a step; `value` is the mean of the metric named `metric`."""

    step: int
    routes: tuple[RouteEvaluation, ...]
    value: float | None
    is_best: bool = False
    metric: str = ""


@dataclass(frozen=True)
class SampleGrid:
    """Sample grid: its step, its route ("a → b") and its file."""

    step: int
    route: str
    path: Path


@dataclass(frozen=True)
class RunSummary:
    """Contents of a run for its report.

    `losses` maps a loss to its (step, value) pairs; `validations` were computed during training; `test` is the result
    of the last `unpaired evaluate`. `sets` are the splits of each domain; empty if the file lists cannot be read.
    """

    folder: RunFolder
    config: RunConfig
    progress: Progress
    budget_fraction: float
    steps: dict[Checkpoint, int]
    losses: dict[str, list[tuple[float, float | None]]]
    validations: list[ValidationResult]
    test: Evaluation | None
    samples: list[SampleGrid]
    notices: list[tuple[int, str]]
    sets: tuple[DomainSplits, ...]

    @property
    def is_stopped_early(self) -> bool:
        """Whether training stopped before the end of its budget, because the validation metric no longer improved."""
        return self.budget_fraction < 1 and self.progress.is_out_of_patience(self.config.training.patience)

    @property
    def is_complete(self) -> bool:
        """Whether training reached the end of its budget or of its patience."""
        return self.budget_fraction >= 1 or self.is_stopped_early

    @property
    def default_checkpoint(self) -> Checkpoint | None:
        """Checkpoint that `translate` uses by default; None if there is none."""
        return next((checkpoint for checkpoint in ("best", "last") if checkpoint in self.steps), None)

    @property
    def translating_checkpoint(self) -> tuple[Checkpoint | None, int | None]:
        """Checkpoint that `translate` uses by default, and its step."""
        return self.default_checkpoint, None if self.default_checkpoint is None else self.steps[self.default_checkpoint]

    @property
    def shown_validation(self) -> ValidationResult | None:
        """Validation to show if `unpaired evaluate` has not run: that of the default checkpoint, else the newest."""
        if not self.validations:
            return None
        _, step = self.translating_checkpoint
        return next((v for v in reversed(self.validations) if v.step == step), self.validations[-1])

    @property
    def shown_routes(self) -> tuple[RouteEvaluation, ...]:
        """Metrics to show: of the last `unpaired evaluate`, else of `shown_validation`; may be empty."""
        if self.test is not None:
            return self.test.routes
        return () if self.shown_validation is None else self.shown_validation.routes

    @property
    def validation_metric(self) -> Metric:
        """Metric that chose the best checkpoint."""
        return find_validation_metric(self.config.get_medium(), [v.metric for v in self.validations])

    @property
    def trend_points(self) -> list[TrendPoint]:
        """Values of the validation metric over training, with their standard errors."""
        metric = self.validation_metric
        return [
            TrendPoint(v.step, v.value, average_with_error(v.routes, metric)[1])
            for v in self.validations
            if v.value is not None
        ]


def find_validation_metric(medium: Medium, names: Sequence[str]) -> Metric:
    """Return the metric of the last of the names in a run's history; the medium's default if there is none."""
    return next((m for name in reversed(names) for m in medium.metrics if m.name == name), medium.validation_metric)


def read_run_summary(path: Path) -> RunSummary:
    """Read a run's folder; raises WorkError if its configuration cannot be read."""
    folder = RunFolder(path)
    config = read_config(folder.config)
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in History(folder.history).read():
        lines[line["kind"]].append(line)
    progress = _read_progress(folder, lines)
    budget = Budget(config.training.steps, config.training.minutes)
    return RunSummary(
        folder=folder,
        config=config,
        progress=progress,
        budget_fraction=1.0 if not config.has_data else budget.spent_fraction(progress.step, progress.spent_s),
        steps=_read_model_steps(folder),
        losses=_group_losses(lines["losses"]),
        validations=[v for line in lines["evaluation"] if (v := _parse_validation(line)) is not None],
        test=_read_test(folder),
        samples=[_parse_sample(folder, config, line) for line in lines["samples"]],
        notices=[(line["step"], line["message"]) for line in lines["notice"]],
        sets=_read_sets(folder, config),
    )


def is_finished(run: RunFolder) -> bool:
    """Return whether a run has a checkpoint, and has spent its budget or its patience."""
    return run.config.is_file() and bool(list_checkpoints(run.checkpoints)) and read_run_summary(run.path).is_complete


def _read_progress(folder: RunFolder, lines: dict[str, list[dict[str, Any]]]) -> Progress:
    """Return the progress of the newest checkpoint, or of the history if there is no readable checkpoint."""
    saved = list_checkpoints(folder.checkpoints)
    if saved:
        try:
            return Progress.model_validate(
                json.loads(_read_metadata(saved[-1] / "state.safetensors")["state"])["progress"]
            )
        except (KeyError, ValueError, ValidationError):
            pass
    steps = [line["step"] for group in lines.values() for line in group]
    spent = [line["spent_s"] for line in lines["losses"]]
    return Progress(step=max(steps, default=0), spent_s=max(spent, default=0.0))


def _read_metadata(path: Path) -> dict[str, str]:
    """Read the metadata of a safetensors file without its tensors; empty if it cannot be read."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def _read_model_steps(folder: RunFolder) -> dict[Checkpoint, int]:
    """Return the step of each saved model."""
    steps: dict[Checkpoint, int] = {}
    for checkpoint in ("best", "last"):
        step = _read_metadata(folder.model_path(checkpoint)).get("step", "")
        if step.isdecimal():
            steps[checkpoint] = int(step)
    return steps


def _group_losses(lines: list[dict[str, Any]]) -> dict[str, list[tuple[float, float | None]]]:
    losses: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for line in lines:
        for name, value in line["losses"].items():
            losses[name].append((line["step"], value))
    return dict(losses)


def _parse_validation(line: dict[str, Any]) -> ValidationResult | None:
    try:
        routes = tuple(RouteEvaluation.model_validate(route) for route in line["routes"])
        return ValidationResult(
            int(line["step"]), routes, line["value"], bool(line.get("best")), line.get("metric", "")
        )
    except (KeyError, TypeError, ValueError):
        return None


def _read_test(folder: RunFolder) -> Evaluation | None:
    """Read the result of the last `unpaired evaluate`; None if there is none or it is damaged."""
    try:
        return Evaluation.model_validate_json(folder.evaluation.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _parse_sample(folder: RunFolder, config: RunConfig, line: dict[str, Any]) -> SampleGrid:
    names = [d.name for d in config.domains]
    route_names = {f"{a}-{b}": f"{a} → {b}" for a in names for b in names if a != b}
    return SampleGrid(
        line["step"], route_names.get(line["route"], line["route"]), folder.samples / Path(line["file"]).name
    )


def _read_sets(folder: RunFolder, config: RunConfig) -> tuple[DomainSplits, ...]:
    try:
        return tuple(read_file_lists(folder, config).splits)
    except WorkError:
        return ()

"""What a run's folder tells of the run, read once; what is missing or damaged is left out of the page."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from unpaired.config.run_config import RunConfig, read_config
from unpaired.data.split import DomainSplits
from unpaired.errors import WorkError
from unpaired.media.image.measurement import RouteMeasures, mean_kid
from unpaired.runs.files import read_file_lists
from unpaired.runs.folder import Checkpoint, RunFolder
from unpaired.runs.history import History
from unpaired.runs.progress import Budget, Progress, list_checkpoints


@dataclass(frozen=True)
class EvaluationSummary:
    """Measures of all routes at a step, on the items that `set` names, the run's `own` or others; of a `checkpoint` if
    made after training.
    """

    step: int
    set: str
    routes: tuple[RouteMeasures, ...]
    mean_kid: float | None
    is_best: bool = False
    checkpoint: str | None = None
    is_own_data: bool = True


@dataclass(frozen=True)
class SampleGrid:
    """A grid of samples: the words for its route, and its file."""

    step: int
    route: str
    path: Path


@dataclass(frozen=True)
class RunSummary:
    """All that the page shows. `evaluations` are those while training, `test` is the last of `unpaired evaluate`.

    `sets` are the files of each domain, none where their lists cannot be read.
    """

    folder: RunFolder
    config: RunConfig
    progress: Progress
    budget_fraction: float
    steps: dict[Checkpoint, int]
    losses: dict[str, list[tuple[float, float | None]]]
    evaluations: list[EvaluationSummary]
    test: EvaluationSummary | None
    samples: list[SampleGrid]
    notices: list[tuple[int, str]]
    sets: tuple[DomainSplits, ...]

    @property
    def default_checkpoint(self) -> Checkpoint | None:
        """The checkpoint that translating uses where none is named."""
        return next((checkpoint for checkpoint in ("best", "last") if checkpoint in self.steps), None)

    @property
    def translating_checkpoint(self) -> tuple[Checkpoint | None, int | None]:
        """That checkpoint and its step."""
        return self.default_checkpoint, None if self.default_checkpoint is None else self.steps[self.default_checkpoint]

    @property
    def shown_evaluation(self) -> EvaluationSummary | None:
        """The evaluation to judge by: of `unpaired evaluate`, else the default checkpoint's, else the newest."""
        if self.test is not None or not self.evaluations:
            return self.test
        _, step = self.translating_checkpoint
        return next((e for e in reversed(self.evaluations) if e.step == step), self.evaluations[-1])

    def get_domain_name(self, key: str) -> str:
        """The name of the domain that the method calls `key`."""
        return self.config.get_domain(key).name


def read_run_summary(path: Path) -> RunSummary:
    """Read a run's folder; raises WorkError where its configuration cannot be read."""
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
        budget_fraction=1.0
        if config.imported_from is not None
        else budget.spent_fraction(progress.step, progress.spent_s),
        steps=_read_model_steps(folder),
        losses=_group_losses(lines["losses"]),
        evaluations=[e for line in lines["evaluation"] if (e := _parse_evaluation(line)) is not None],
        test=_read_test(folder),
        samples=[_parse_sample(folder, config, line) for line in lines["samples"]],
        notices=[(line["step"], line["message"]) for line in lines["notice"]],
        sets=_read_sets(folder, config),
    )


def is_finished(run: RunFolder) -> bool:
    """Whether a run has spent its budget and saved its state."""
    return (
        run.config.is_file()
        and bool(list_checkpoints(run.checkpoints))
        and read_run_summary(run.path).budget_fraction >= 1
    )


def _read_progress(folder: RunFolder, lines: dict[str, list[dict[str, Any]]]) -> Progress:
    """The newest checkpoint's; from the history where nothing has been saved."""
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
    """The metadata of a file of tensors, without its tensors."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def _read_model_steps(folder: RunFolder) -> dict[Checkpoint, int]:
    """The step of each saved model."""
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


def _parse_evaluation(line: dict[str, Any]) -> EvaluationSummary | None:
    try:
        routes = tuple(RouteMeasures.model_validate(route) for route in line["routes"])
        return EvaluationSummary(
            int(line["step"]),
            line["set"],
            routes,
            mean_kid(routes),
            bool(line.get("best")),
            line.get("checkpoint"),
            bool(line.get("is_own_data", "checkpoint" not in line)),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _read_test(folder: RunFolder) -> EvaluationSummary | None:
    """What `unpaired evaluate` wrote last."""
    try:
        content = json.loads(folder.evaluation.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _parse_evaluation(content) if isinstance(content, dict) else None


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

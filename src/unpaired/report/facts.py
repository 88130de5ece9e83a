"""What a run's folder tells of the run, read once; what is missing or damaged is left out of the page."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from safetensors import SafetensorError, safe_open

from unpaired.data.split import Sets
from unpaired.errors import WorkError
from unpaired.evaluation.measure import RouteMeasures, mean_kid
from unpaired.runs.config import RunConfig, read_config
from unpaired.runs.files import read_lists
from unpaired.runs.folder import Checkpoint, RunFolder
from unpaired.runs.history import History
from unpaired.runs.progress import Budget, Progress, saved_steps


@dataclass(frozen=True)
class Evaluation:
    """Measures of all routes at a step, on the items that `set` names, the run's `own` or others; of a `checkpoint` if
    made after training.
    """

    step: int
    set: str
    routes: tuple[RouteMeasures, ...]
    mean_kid: float | None
    best: bool = False
    checkpoint: str | None = None
    own: bool = True


@dataclass(frozen=True)
class Sample:
    """A grid of samples: the words for its route, and its file."""

    step: int
    route: str
    path: Path


@dataclass(frozen=True)
class Facts:
    """All that the page shows. `evaluations` are those while training, `test` is the last of `unpaired evaluate`.

    `sets` are the files of each domain, none where their lists cannot be read.
    """

    folder: RunFolder
    config: RunConfig
    progress: Progress
    share: float
    steps: dict[Checkpoint, int]
    terms: dict[str, list[tuple[float, float | None]]]
    evaluations: list[Evaluation]
    test: Evaluation | None
    samples: list[Sample]
    notices: list[tuple[int, str]]
    sets: tuple[Sets, ...]

    @property
    def default(self) -> Checkpoint | None:
        """The checkpoint that translating uses where none is named."""
        return next((which for which in ("best", "last") if which in self.steps), None)

    @property
    def translating(self) -> tuple[Checkpoint | None, int | None]:
        """That checkpoint and its step."""
        return self.default, None if self.default is None else self.steps[self.default]

    @property
    def shown(self) -> Evaluation | None:
        """The evaluation to judge by: of `unpaired evaluate`, else the default checkpoint's, else the newest."""
        if self.test is not None or not self.evaluations:
            return self.test
        _, step = self.translating
        return next((e for e in reversed(self.evaluations) if e.step == step), self.evaluations[-1])

    def name(self, key: str) -> str:
        """The name of the domain that the method calls `key`."""
        return self.config.domain(key).name


def gather(path: Path) -> Facts:
    """Read a run's folder; raises WorkError where its configuration cannot be read."""
    folder = RunFolder(path)
    config = read_config(folder.config)
    lines: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in History(folder.history).read():
        lines[line["kind"]].append(line)
    progress = _progress(folder, lines)
    budget = Budget(config.training.steps, config.training.minutes)
    return Facts(
        folder=folder,
        config=config,
        progress=progress,
        share=1.0 if config.imported is not None else budget.share(progress.step, progress.spent_s),
        steps=_model_steps(folder),
        terms=_terms(lines["terms"]),
        evaluations=[e for line in lines["evaluation"] if (e := _evaluation(line)) is not None],
        test=_test(folder),
        samples=[_sample(folder, config, line) for line in lines["samples"]],
        notices=[(line["step"], line["words"]) for line in lines["notice"]],
        sets=_sets(folder, config),
    )


def finished(run: RunFolder) -> bool:
    """Whether a run has spent its budget and saved its state."""
    return run.config.is_file() and bool(saved_steps(run.checkpoints)) and gather(run.path).share >= 1


def _progress(folder: RunFolder, lines: dict[str, list[dict[str, Any]]]) -> Progress:
    """The newest checkpoint's; from the history where nothing has been saved."""
    saved = saved_steps(folder.checkpoints)
    if saved:
        try:
            return Progress.model_validate(json.loads(_header(saved[-1] / "state.safetensors")["state"])["progress"])
        except (KeyError, ValueError, ValidationError):
            pass
    steps = [line["step"] for group in lines.values() for line in group]
    spent = [line["spent_s"] for line in lines["terms"]]
    return Progress(step=max(steps, default=0), spent_s=max(spent, default=0.0))


def _header(path: Path) -> dict[str, str]:
    """The metadata of a file of tensors, without its tensors."""
    try:
        with safe_open(path, framework="pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError):
        return {}


def _model_steps(folder: RunFolder) -> dict[Checkpoint, int]:
    """The step of each saved model."""
    out: dict[Checkpoint, int] = {}
    for which in ("best", "last"):
        step = _header(folder.model(which)).get("step", "")
        if step.isdecimal():
            out[which] = int(step)
    return out


def _terms(lines: list[dict[str, Any]]) -> dict[str, list[tuple[float, float | None]]]:
    out: dict[str, list[tuple[float, float | None]]] = defaultdict(list)
    for line in lines:
        for name, value in line["terms"].items():
            out[name].append((line["step"], value))
    return dict(out)


def _evaluation(line: dict[str, Any]) -> Evaluation | None:
    try:
        routes = tuple(RouteMeasures.model_validate(route) for route in line["routes"])
        return Evaluation(
            int(line["step"]),
            line["set"],
            routes,
            mean_kid(routes),
            bool(line.get("best")),
            line.get("checkpoint"),
            bool(line.get("own", "checkpoint" not in line)),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _test(folder: RunFolder) -> Evaluation | None:
    """What `unpaired evaluate` wrote last."""
    try:
        found = json.loads(folder.evaluation.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _evaluation(found) if isinstance(found, dict) else None


def _sample(folder: RunFolder, config: RunConfig, line: dict[str, Any]) -> Sample:
    names = [d.name for d in config.domains]
    words = {f"{a}-{b}": f"{a} → {b}" for a in names for b in names if a != b}
    return Sample(line["step"], words.get(line["route"], line["route"]), folder.samples / Path(line["file"]).name)


def _sets(folder: RunFolder, config: RunConfig) -> tuple[Sets, ...]:
    try:
        return tuple(read_lists(folder, config).sets)
    except WorkError:
        return ()

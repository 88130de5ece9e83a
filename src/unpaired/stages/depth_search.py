"""`unpaired train --auto-depth`: find the shallowest sufficient generator, then train a deep one with it as teacher.

Galanti, Wolf, Benaim 2018, arXiv:1709.00074, Alg. 1. Difference: their discrepancy is the discriminator's loss; here it
is the validation metric (KID), which is comparable between depths, unlike discriminators of different generators.
Without a threshold, the depth increases while the metric improves. Each trial is measured, and used as teacher, at its
last checkpoint: the checkpoint with the lowest KID may be from the start of training and hardly change its input.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

from unpaired.config.resolve import SettingsRequest
from unpaired.config.run_config import get_item_size
from unpaired.config.settings import TrainingSettings
from unpaired.console import LogCallback, log_to_terminal
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.methods import METHODS
from unpaired.metrics.features import INSTALL_HINT
from unpaired.runs.folder import RunFolder, format_run_name, next_free_path, require_unused
from unpaired.runs.lock import LOCK_FILE, FolderLock
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.summary import is_finished, read_run_summary
from unpaired.stages.depth_plan import (
    EXTRA_DEPTH,
    PLAN_FILE,
    TRIAL_DEPTHS,
    DepthSearchPlan,
    DepthTrial,
    choose_depth,
    compute_max_depth,
    list_trial_depths,
    read_plan,
)
from unpaired.training.train import resume, train
from unpaired.training.trainer import TrainingInterrupt

DEEP_RUN = "deep"


def search_depth(
    *data: Path | str,
    method: str | None = None,
    preset: str | None = None,
    out: Path | str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    threshold: float | None = None,
    log: LogCallback = log_to_terminal,
    **settings: Any,
) -> Path:
    """Train at increasing depths until one suffices, then a deep generator with that one as teacher; return its run.

    All runs are in the folder `out`; `resume_depth_search` continues it after an interruption. `steps` or `minutes` is
    the total budget: each trial gets an eighth, the deep run the remainder. `depth` is the depth of the deep run
    (default: four layers more than the chosen depth). A depth suffices if its KID x1000 is at most `threshold`, or
    without a threshold if the next depth is not significantly better.

    Raises UsageError and WorkError as `train` does, and if KID cannot be measured; TrainingInterrupt after a signal.
    """
    request = SettingsRequest.read(method, preset, settings, config)
    training = request.early(TrainingSettings, "training", "steps", "minutes", "devices", "nodes")
    require_depth_search_support(request.method, training)
    deep_settings = read_requested_depth(request) | settings
    sources = tuple(str(Path(source).absolute()) for source in data)
    folder = choose_search_folder(out, sources)
    plan = DepthSearchPlan(
        data=sources,
        method=request.method,
        preset=preset,
        config=None if config is None else str(Path(config).absolute()),
        pairs=pairs,
        threshold=threshold,
        steps=training.steps,
        minutes=training.minutes,
        settings={name: value for name, value in deep_settings.items() if name not in ("steps", "minutes")},
    )
    folder.mkdir(parents=True, exist_ok=True)
    plan.write(folder)
    try:
        return DepthSearch(folder, plan, log).run()
    except UnpairedError:
        if {path.name for path in folder.iterdir()} <= {PLAN_FILE, LOCK_FILE}:  # nothing was trained
            shutil.rmtree(folder)
        raise


def resume_depth_search(folder: Path, log: LogCallback = log_to_terminal) -> Path:
    """Continue a depth search and return its deep run; a finished search does not change."""
    return DepthSearch(folder, read_plan(folder), log).run()


def is_depth_search(folder: Path) -> bool:
    """Return whether a folder contains a depth search."""
    return (folder / PLAN_FILE).is_file()


def require_depth_search_support(method: str, training: TrainingSettings) -> None:
    """Raise UsageError for a method or training settings that a depth search does not support."""
    supported = [name for name, row in METHODS.items() if row.cls.depth_setting is not None]
    if method not in supported:
        raise UsageError(
            f"--auto-depth: {method} has no depth setting; expected a method that has one: {', '.join(supported)}"
        )
    if training.steps is None and training.minutes is None:
        raise UsageError("--auto-depth: give the total budget of all runs with --steps or --minutes")
    if training.devices * training.nodes > 1:
        raise UsageError("--auto-depth: trains on one device; remove --devices and --nodes")


def read_requested_depth(request: SettingsRequest) -> dict[str, Any]:
    """Return the depth setting of the settings file, if any; raises UsageError if the requested depth is too small."""
    depth_setting = METHODS[request.method].cls.depth_setting
    assert depth_setting is not None, "checked before"
    file_settings = request.section("method_settings")
    depth_settings = {name: value for name, value in file_settings.items() if name == depth_setting}
    deep_depth = request.settings.get(depth_setting, depth_settings.get(depth_setting))
    if deep_depth is not None:
        list_trial_depths(0, int(deep_depth))
    return depth_settings


def choose_search_folder(out: Path | str | None, sources: tuple[str, ...]) -> Path:
    """Return the folder of the search: `out`, or one named after the data; raises UsageError if it is in use."""
    if out is None:
        return next_free_path(Path("runs") / f"{format_run_name([Path(source).name for source in sources])}-depths")
    path = Path(out)
    if is_depth_search(path):
        raise UsageError(
            f"{path}: already contains a depth search; choose another --out, or continue it with "
            f"--resume {shlex.quote(str(path))}"
        )
    require_unused(path)
    return path


class DepthSearch:
    """Execution of a depth search. The plan and the existing runs determine the next stage."""

    def __init__(self, folder: Path, plan: DepthSearchPlan, log: LogCallback) -> None:
        self.folder, self.plan, self.log = folder, plan, log
        depth_setting = METHODS[plan.method].cls.depth_setting
        assert depth_setting is not None, "checked when the plan was made"
        self.depth_setting = depth_setting

    def run(self) -> Path:
        """Find the depth, train the deep run and return its folder; raises WorkError if another process does."""
        with FolderLock(self.folder, "works on this search", "wait until it has ended, or stop it first"):
            return self._run_locked()

    def _run_locked(self) -> Path:
        try:
            chosen, trials = self._find_depth()
            self.log("; ".join(map(str, trials)))
            self.log(f"depth {chosen.depth} becomes the teacher")
            shallow_path, deep_path = self._get_stage_path(chosen.depth), self.folder / DEEP_RUN
            settings: dict[str, Any] = {
                self.depth_setting: self._choose_deep_depth(chosen.depth, shallow_path),
                **self.plan.settings,
            }
            self._train_stage(
                deep_path,
                len(trials),
                RunFolder(shallow_path).model_path("last"),
                {self.depth_setting: settings[self.depth_setting]},
            )
        except TrainingInterrupt as interrupt:
            raise TrainingInterrupt(
                interrupt.signal, interrupt.summary, f"unpaired train --resume {shlex.quote(str(self.folder))}"
            ) from interrupt
        return deep_path

    def _find_depth(self) -> tuple[DepthTrial, list[DepthTrial]]:
        trials: list[DepthTrial] = []
        trial_depths = list(TRIAL_DEPTHS)
        while True:
            depth = trial_depths[len(trials)]
            self._train_stage(
                self._get_stage_path(depth), None, None, {self.depth_setting: depth, "evaluate_every": None}
            )
            trials.append(read_trial(self._get_stage_path(depth), depth))
            size = get_item_size(RunFolder(self._get_stage_path(depth)).load_config())
            deep_depth = self.plan.settings.get(self.depth_setting, compute_max_depth(size))
            trial_depths = list_trial_depths(size, None if deep_depth is None else int(deep_depth))
            chosen = choose_depth(trials, self.plan.threshold, len(trials) == len(trial_depths))
            if chosen is not None:
                return chosen, trials

    def _get_stage_path(self, depth: int) -> Path:
        return self.folder / f"depth-{depth:02d}"

    def _choose_deep_depth(self, shallow_depth: int, shallow_path: Path) -> int:
        return min(shallow_depth + EXTRA_DEPTH, compute_max_depth(get_item_size(RunFolder(shallow_path).load_config())))

    def _train_stage(self, path: Path, trial_count: int | None, teacher: Path | None, settings: dict[str, Any]) -> None:
        """Train one stage to the end of its budget; resume it if it has a checkpoint."""
        run_folder, plan = RunFolder(path), self.plan
        if is_finished(run_folder):
            return
        self.log(f"\n=== {path.name} ===")
        if list_checkpoints(run_folder.checkpoints):
            resume(path, log=self.log)
            return
        shutil.rmtree(path, ignore_errors=True)  # interrupted before its first checkpoint
        train(
            *plan.data,
            method=plan.method,
            preset=plan.preset,
            out=path,
            config=None if plan.config is None else Path(plan.config),
            pairs=plan.pairs,
            teacher=teacher,
            log=self.log,
            **plan.settings | plan.get_stage_budget(trial_count) | settings,
        )


def read_trial(path: Path, depth: int) -> DepthTrial:
    """Read the last validation of a trial; raises WorkError if the validation metric was not measured."""
    summary = read_run_summary(path)
    medium, metric = summary.config.get_medium(), summary.validation_metric
    route = next((v.routes[0] for v in reversed(summary.validations) if v.routes), None)
    value, error = (None, None) if route is None else (route.value(metric), route.error(metric))
    if route is None or value is None or error is None:
        raise WorkError(
            f"{path}: {metric.short} was not measured, so no depth can be chosen: too few validation items, or "
            f"evaluation is off. {INSTALL_HINT}; or choose a depth yourself: --depth N"
        )
    references = (route.baseline(b.name, metric) for b in medium.baselines if b.is_reference)
    return DepthTrial(depth, metric, value, error, next((r for r in references if r is not None), 0.0))

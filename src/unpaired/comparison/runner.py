"""`unpaired.compare`: train the runs (methods, with each seed) one after the other, and update the page after each."""

from __future__ import annotations

import gc
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unpaired.comparison.advice import join_names
from unpaired.comparison.folder import (
    ComparisonFolder,
    ComparisonManifest,
    lock_folder,
    open_folder,
    remove_run,
    require_unchanged_data,
)
from unpaired.comparison.measurement import ComparisonEvaluator
from unpaired.comparison.page import write_page
from unpaired.comparison.plan import ALL, ComparisonPlan, MethodOverrides, PlannedRun, make_plan
from unpaired.comparison.recommendations import list_excluded
from unpaired.comparison.result import Comparison
from unpaired.comparison.seeds import format_seeds, parse_seeds
from unpaired.config.resolve import SettingsRequest, read_settings
from unpaired.console import LogCallback, format_duration, log_to_terminal
from unpaired.errors import DivergenceError, UnpairedError, UsageError, WorkError
from unpaired.evaluation.run import parse_evaluate_options
from unpaired.media import MEDIA
from unpaired.media.interface import EvaluateOptions
from unpaired.runs.folder import RunFolder, format_run_name
from unpaired.runs.progress import Budget, list_checkpoints
from unpaired.runs.summary import is_finished
from unpaired.training.train import resume, train
from unpaired.training.trainer import TrainingInterrupt


def compare(
    *data: Path | str,
    methods: str | Sequence[str] = ALL,
    out: Path | str | None = None,
    preset: str | None = None,
    config: Path | None = None,
    pairs: bool = False,
    overrides: MethodOverrides | None = None,
    audit: bool = False,
    seeds: str | Sequence[int] | None = None,
    log: LogCallback = log_to_terminal,
    **settings: Any,
) -> Comparison:
    """Train `methods` on `data` with equal budgets; write `compare.html` and `compare.json`.

    `methods` are names, or "all" for all methods that support the data. `settings`, `preset` and `config` are as in
    `unpaired.train` and apply to all methods; `overrides` contains settings of single methods, for example
    {"METHOD": {"cycle_weight": 5}}. `minutes` or `steps` is the budget of each method. `audit` also measures hidden
    information (takes minutes per method). With `seeds`, every method is trained once with each of them, on the same
    splits, and methods are ranked by their mean and spread. `settings` may contain options of `unpaired.evaluate`:
    `fid`; `judges`; `texts`, which must have the text of every held-out recording. Every method is an ordinary run in
    `out`/METHOD, and in `out`/METHOD-seed-N for further seeds.

    Call it again with the same arguments to continue: finished runs are kept, interrupted runs are resumed,
    failed runs are retried (diverged runs only with other settings). Methods and seeds can be added. `results` of the
    returned comparison has for each method its `state` and `routes`, which are those of `unpaired.evaluate`.

    Raises UsageError for invalid settings or paths, or if `out` contains something else; WorkError for unusable or
    changed data; TrainingInterrupt after a signal, when the state is saved. An error of one run does not stop the
    others; it is stored in the result.
    """
    option_names = {name for medium in MEDIA.values() for name in medium.evaluate_options_model.model_fields}
    given_options = {name: settings.pop(name) for name in option_names & settings.keys()}
    sources = [Path(d) for d in data]
    first_seed, *more_seeds = (None,) if seeds is None else parse_seeds(seeds)
    if first_seed is not None:
        if "seed" in settings:
            raise UsageError("both --seed and --seeds are given; give only --seeds")
        settings["seed"] = first_seed
    path = Path(config) if config else None
    file_settings = read_settings(path) if path else {}
    preset = preset or file_settings.get("preset")
    request = SettingsRequest(None, preset, settings, path, file_settings)  # type: ignore[arg-type]
    plan = make_plan(sources, methods, request, overrides or {}, pairs, more_seeds)
    names = [domain.name for domain in plan.config.domains]
    medium = plan.config.get_medium()
    options = parse_evaluate_options(medium, {**medium.comparison_evaluate_options, **given_options})
    medium.check_evaluate_options(options, plan.files.splits)
    if audit and (reason := medium.explain_audit_refusal()):
        raise UsageError(f"--audit: {reason}; leave it out")
    path = Path("runs") / f"compare-{format_run_name(names)}" if out is None else Path(out)
    with lock_folder(path):  # opening can remove runs, which another process may train
        folder, manifest = open_folder(path, plan, pairs)
        return ComparisonRunner(folder, manifest, plan, sources, request, audit, options, log).run()


class ComparisonRunner:
    """Execution of a comparison; the manifest in its folder is updated after each run."""

    def __init__(
        self,
        folder: ComparisonFolder,
        manifest: ComparisonManifest,
        plan: ComparisonPlan,
        sources: list[Path],
        request: SettingsRequest,
        run_audits: bool,
        options: EvaluateOptions,
        log: LogCallback,
    ) -> None:
        self.folder, self.manifest, self.plan, self.sources = folder, manifest, plan, sources
        self.request, self.log = request, log
        self.evaluator = ComparisonEvaluator(folder, plan, manifest.pairs, run_audits, options, log)

    def run(self) -> Comparison:
        """Train and measure every run of the plan; other runs in the folder are included in the page."""
        self._log_plan()
        entries = self.plan.entries
        for number, (name, planned) in enumerate(entries.items(), 1):
            record = self.manifest.runs[name]
            if record.state == "diverged":
                self.log(f"{name}: {record.reason}; to train it again, change its settings (--set)")
                continue
            self.log(f"\n=== {self.plan.describe_run(name)} ({number} of {len(entries)}) ===")
            self._process_run(name, planned)
            self._write_page()
            gc.collect()
        comparison = self._write_page()
        self.log(f"comparison: {self.folder.page_file}")
        return comparison

    def _log_plan(self) -> None:
        self.log(describe_plan(self.plan, self.folder.path))
        for line in list_excluded(self.plan.excluded):
            self.log(line)

    def _process_run(self, name: str, planned: PlannedRun) -> None:
        """Train and measure one run, and store its state in the manifest."""
        record = self.manifest.runs[name].model_copy(update={"state": "done", "reason": ""})
        label = self.plan.describe_run(name)
        if not is_finished(self.folder.get_run(name)):
            require_unchanged_data(self.folder, self.plan.config)
        try:
            self._train_run(name, planned)
            self.evaluator.evaluate_run(name, record)
        except TrainingInterrupt as interrupt:
            done = f"{label} {interrupt.summary}" if interrupt.summary else ""
            raise TrainingInterrupt(interrupt.signal, done, "the same comparison") from interrupt
        except DivergenceError as error:
            record = record.model_copy(update={"state": "diverged", "reason": str(error)})
        except UnpairedError as error:
            record = record.model_copy(update={"state": "failed", "reason": str(error)})
        except Exception as error:
            record = record.model_copy(update={"state": "failed", "reason": self._write_error_log(name, error)})
        if record.reason:
            self.log(f"{label} {record.state}: {record.reason}")
        self.manifest = self.manifest.with_run(name, record)
        self.folder.write(self.manifest)

    def _train_run(self, name: str, planned: PlannedRun) -> None:
        run = self.folder.get_run(name)
        if is_finished(run):
            self.log(f"{self.plan.describe_run(name)} is trained: {run.path}")
            require_same_budget(run, planned)
        elif list_checkpoints(run.checkpoints):
            resume(run.path, log=self.log)
        else:
            remove_run(run)
            train(
                *self.sources,
                method=planned.method,
                preset=self.request.preset,
                out=run.path,
                config=self.request.file,
                pairs=self.manifest.pairs,
                log=self.log,
                **planned.train_settings,
            )

    def _write_error_log(self, name: str, error: Exception) -> str:
        """Write the traceback of an unexpected error to a file; return the error as one line."""
        path = self.folder.error_log(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(traceback.format_exc(), encoding="utf-8")
        first = (str(error).splitlines() or [""])[0]
        return f"{type(error).__name__}: {first} (details in {path})"

    def _write_page(self) -> Comparison:
        comparison = self.evaluator.build_comparison(self.manifest)
        write_page(self.folder, comparison)
        return comparison


def describe_plan(plan: ComparisonPlan, path: Path) -> str:
    """Describe the methods, the seeds, the number of trainings and their total budget."""
    training = next(iter(plan.entries.values())).settings.training
    count, seeds = len(plan.entries), plan.seeds
    repetitions = f", with {format_seeds(seeds)} ({count} trainings)" if len(seeds) > 1 else ""
    budget = f", {Budget(training.steps, training.minutes)} each" if training.steps or training.minutes else ""
    total = ""
    if training.minutes:
        total = f": {format_duration(60 * training.minutes * count)} of steps in total, plus evaluations"
    elif training.steps and count > 1:
        total = f": {training.steps * count:,} steps in total, plus evaluations"
    return f"comparing {join_names(plan.methods)}{repetitions}{budget}{total}, in {path}"


def require_same_budget(run: RunFolder, planned: PlannedRun) -> None:
    """Raise WorkError if the budget of a finished run differs from that of the comparison."""
    planned_training, run_training = planned.settings.training, run.load_config().training
    planned_budget = Budget(planned_training.steps, planned_training.minutes)
    run_budget = Budget(run_training.steps, run_training.minutes)
    if (planned_training.steps or planned_training.minutes) and planned_budget != run_budget:
        raise WorkError(
            f"{run.path} was trained for {run_budget} instead of {planned_budget}, so it cannot be compared with the "
            "others; move it away and run the command again"
        )

"""`unpaired.compare`: train the methods one after the other, and update the page after each."""

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
    MethodRecord,
    open_folder,
    remove_run,
    require_unchanged_data,
)
from unpaired.comparison.measurement import ComparisonEvaluator
from unpaired.comparison.page import write_page
from unpaired.comparison.plan import ALL, ComparisonPlan, MethodOverrides, PlannedMethod, make_plan
from unpaired.comparison.recommendations import list_excluded
from unpaired.comparison.result import Comparison
from unpaired.config.resolve import SettingsRequest, read_settings
from unpaired.console import LogCallback, format_duration, log_to_terminal
from unpaired.errors import DivergenceError, UnpairedError, UsageError, WorkError
from unpaired.evaluation.run import parse_evaluate_options
from unpaired.media import MEDIA
from unpaired.media.base import EvaluateOptions
from unpaired.runs.folder import RunFolder, format_run_name
from unpaired.runs.lock import FolderLock
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
    log: LogCallback = log_to_terminal,
    **settings: Any,
) -> Comparison:
    """Train `methods` on `data` with equal budgets; write `compare.html` and `compare.json`.

    `methods` are names, or "all" for all methods that support the data. `settings`, `preset` and `config` are as in
    `unpaired.train` and apply to all methods; `overrides` contains settings of single methods, for example
    {"METHOD": {"cycle_weight": 5}}. `minutes` or `steps` is the budget of each method. `audit` also measures hidden
    information (takes minutes per method). `settings` may contain options of `unpaired.evaluate`: `fid`; `judges`;
    `texts`, which must have the text of every held-out recording. Every method is an ordinary run in `out`/METHOD.

    Call it again with the same arguments to continue: finished methods are kept, interrupted methods are resumed,
    failed methods are retried (diverged methods only with other settings).

    Raises UsageError for invalid settings or paths, or if `out` contains something else; WorkError for unusable or
    changed data; TrainingInterrupt after a signal, when the state is saved. An error of one method does not stop the
    others; it is stored in that method's result.
    """
    option_names = {name for medium in MEDIA.values() for name in medium.evaluate_options_model.model_fields}
    given_options = {name: settings.pop(name) for name in option_names & settings.keys()}
    sources = [Path(d) for d in data]
    path = Path(config) if config else None
    file_settings = read_settings(path) if path else {}
    preset = preset or file_settings.get("preset")
    request = SettingsRequest(None, preset, settings, path, file_settings)  # type: ignore[arg-type]
    plan = make_plan(sources, methods, request, overrides or {}, pairs)
    names = [domain.name for domain in plan.config.domains]
    medium = plan.config.get_medium()
    options = parse_evaluate_options(medium, given_options)
    medium.check_evaluate_options(options, plan.files.splits)
    if audit and (reason := medium.explain_audit_refusal()):
        raise UsageError(f"--audit: {reason}; leave it out")
    path = Path("runs") / f"compare-{format_run_name(names)}" if out is None else Path(out)
    folder, manifest = open_folder(path, plan, pairs)
    with FolderLock(path, "works on this comparison", "wait until it has ended, or stop it first"):
        return ComparisonRunner(folder, manifest, plan, sources, request, audit, options, log).run()


class ComparisonRunner:
    """Execution of a comparison; the manifest in its folder is updated after each method."""

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
        """Train and measure every method of the plan; other methods in the folder are included in the page."""
        self._log_plan()
        entries = self.plan.entries
        for number, (name, planned) in enumerate(entries.items(), 1):
            method_record = self.manifest.methods[name]
            if method_record.state == "diverged":
                self.log(f"{name}: {method_record.reason}; to train it again, change its settings (--set)")
                continue
            self.log(f"\n=== {name} ({number} of {len(entries)}) ===")
            self._process_method(name, planned)
            self._write_page()
            gc.collect()
        comparison = self._write_page()
        self.log(f"comparison: {self.folder.page_file}")
        return comparison

    def _log_plan(self) -> None:
        training = next(iter(self.plan.entries.values())).settings.training
        budget = f", {Budget(training.steps, training.minutes)} each" if training.steps or training.minutes else ""
        count = len(self.plan.entries)
        total_text = (
            f": {format_duration(60 * training.minutes * count)} of steps, plus evaluations" if training.minutes else ""
        )
        self.log(f"comparing {join_names(list(self.plan.entries))}{budget}{total_text}, in {self.folder.path}")
        for line in list_excluded(self.plan.excluded):
            self.log(line)

    def _process_method(self, name: str, planned: PlannedMethod) -> None:
        """Train and measure one method, and store its state in the manifest."""
        settings = self.manifest.methods[name].settings
        if not is_finished(self.folder.get_run(name)):
            require_unchanged_data(self.folder, self.plan.config)
        try:
            self._train_method(name, planned)
            self.evaluator.evaluate_method(name)
            method_record = MethodRecord(settings=settings, state="done")
        except TrainingInterrupt as interrupt:
            done = f"{name} {interrupt.summary}" if interrupt.summary else ""
            raise TrainingInterrupt(interrupt.signal, done, "the same comparison") from interrupt
        except DivergenceError as error:
            method_record = MethodRecord(settings=settings, state="diverged", reason=str(error))
        except UnpairedError as error:
            method_record = MethodRecord(settings=settings, state="failed", reason=str(error))
        except Exception as error:
            method_record = MethodRecord(settings=settings, state="failed", reason=self._write_error_log(name, error))
        if method_record.reason:
            self.log(f"{name} {method_record.state}: {method_record.reason}")
        self.manifest = self.manifest.with_method(name, method_record)
        self.folder.write(self.manifest)

    def _train_method(self, name: str, planned: PlannedMethod) -> None:
        run = self.folder.get_run(name)
        if is_finished(run):
            self.log(f"{name} is trained: {run.path}")
            require_same_budget(run, planned)
        elif list_checkpoints(run.checkpoints):
            resume(run.path, log=self.log)
        else:
            remove_run(run)
            train(
                *self.sources,
                method=name,
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


def require_same_budget(run: RunFolder, planned: PlannedMethod) -> None:
    """Raise WorkError if the budget of a finished run differs from that of the comparison."""
    planned_training, run_training = planned.settings.training, run.load_config().training
    planned_budget = Budget(planned_training.steps, planned_training.minutes)
    run_budget = Budget(run_training.steps, run_training.minutes)
    if (planned_training.steps or planned_training.minutes) and planned_budget != run_budget:
        raise WorkError(
            f"{run.path} was trained for {run_budget} instead of {planned_budget}, so it cannot be compared with the "
            "others; move it away and run the command again"
        )

"""Evaluation of the trained runs of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from unpaired import __version__
from unpaired.comparison.folder import ComparisonFolder, ComparisonManifest, RunRecord
from unpaired.comparison.plan import ComparisonPlan
from unpaired.comparison.result import Comparison, HiddenInformation, MethodResult, SeedResult
from unpaired.comparison.seed_means import merge_seeds
from unpaired.config.run_config import get_item_size
from unpaired.config.settings import StrictModel
from unpaired.console import LogCallback
from unpaired.data.split import choose_evaluation_split
from unpaired.errors import UnpairedError, WorkError
from unpaired.evaluation.audit import PROBE_STEPS, audit
from unpaired.evaluation.audit_results import read_audit
from unpaired.evaluation.run import evaluate
from unpaired.media.interface import EvaluateOptions
from unpaired.methods import METHODS
from unpaired.metrics import trend
from unpaired.metrics.base import Evaluation, RouteEvaluation
from unpaired.parameters import count_parameters
from unpaired.report.page import write_report
from unpaired.runs.files import read_file_lists
from unpaired.runs.progress import Budget, Progress
from unpaired.runs.summary import RunSummary, read_run_summary
from unpaired.translate import Translator


class ComparisonEvaluator:
    """Evaluator of runs on equal terms; it caches the results, so that the page can be updated after every run."""

    def __init__(
        self,
        folder: ComparisonFolder,
        plan: ComparisonPlan,
        pairs: bool,
        run_audits: bool,
        options: EvaluateOptions,
        log: LogCallback,
    ) -> None:
        self.folder, self.plan, self.run_audits, self.options, self.log = folder, plan, run_audits, options, log
        self.config = plan.config
        self.medium = plan.config.get_medium()
        self.sets = read_file_lists(folder.split_folder, self.config).splits
        self.train_counts = tuple(len(part.train) for part in self.sets)
        self.demonstrator = self.medium.create_demonstrator(folder, self.config, self.sets, pairs)
        self._evaluations: list[tuple[StrictModel, Evaluation]] = []
        self.results: dict[str, MethodResult] = {}

    def evaluate_run(self, name: str, record: RunRecord) -> MethodResult:
        """Measure a trained run, and cache the result; write and time example translations of a method's first seed.

        Raises WorkError if the run is damaged or has other splits, DivergenceError if its translations are not finite.
        """
        if name not in self.results:
            self.results[name] = self._evaluate(name, record)
        return self.results[name]

    def _evaluate(self, name: str, record: RunRecord) -> MethodResult:
        run = self.folder.get_run(name)
        summary = read_run_summary(run.path)
        own, expected = read_contents(run.files), read_contents(self.folder.split_folder.files)
        if different := sorted(name for name in own | expected if own.get(name) != expected.get(name)):
            raise WorkError(
                f"{run.files / different[0]}: the split differs from that of the comparison; move {run.path} away and "
                "run the command again"
            )
        evaluation = self.measure(summary)
        translator = Translator.load(run.path, device=summary.config.training.device)
        demonstrator = self.demonstrator if name == record.method else None
        seconds = None if demonstrator is None else demonstrator.demonstrate(name, translator, run)
        result = self._build_result(record.method, summary, translator, seconds).model_copy(
            update={
                "measured_on": "" if evaluation is None else evaluation.items,
                "routes": () if evaluation is None else evaluation.routes,
                "hidden": self._audit_hidden(summary),
            }
        )
        return add_seed(result, name, record)

    def measure(self, summary: RunSummary) -> Evaluation | None:
        """Return the evaluation of a run, on as many items as for all methods; an existing evaluation is reused.

        Baselines come from evaluations of earlier runs with the same settings of the medium. None if no items are
        held out.
        """
        if choose_evaluation_split(self.sets) is None:
            return None
        evaluation = summary.test if summary.test is not None and self.is_current(summary.test, summary) else None
        if evaluation is None or not self.medium.covers_options(evaluation, self.options):
            options = self.options if evaluation is None else self.medium.extend_options(self.options, evaluation)
            evaluation = evaluate(
                summary.folder.path,
                limit=self.medium.get_comparison_limit(options),
                baselines=self._find_known_baselines(summary.config.medium_settings, options),
                device=summary.config.training.device,
                **options.model_dump(),
            )
            write_report(summary.folder.path)
        self._evaluations.append((summary.config.medium_settings, evaluation))
        return evaluation

    def is_current(self, evaluation: Evaluation, summary: RunSummary) -> bool:
        """Return whether an evaluation is of the default checkpoint, on the requested number of the run's own items.

        It compares the limits, not the numbers of measured items: items that were unusable then are still unusable.
        """
        split = choose_evaluation_split(self.sets)
        if split is None:
            return False
        available = max(len(part.get_paths(split)) for part in self.sets)
        limit = self.medium.get_comparison_limit(self.options)
        return (
            (evaluation.checkpoint, evaluation.step) == summary.translating_checkpoint
            and evaluation.is_own_data
            and evaluation.pairs == summary.config.pairs
            and min(evaluation.limit, available) == min(limit, available)
        )

    def _find_known_baselines(self, medium_settings: StrictModel, options: EvaluateOptions) -> list[RouteEvaluation]:
        """Return the routes measured with these settings and options, the latest per direction."""
        limit = self.medium.get_comparison_limit(options)
        known = {
            route.route: route
            for settings, evaluation in self._evaluations
            for route in evaluation.routes
            if settings == medium_settings
            and evaluation.limit == limit
            and self.medium.covers_options(evaluation, options)
        }
        return [*known.values()]

    def _build_result(
        self, method_name: str, summary: RunSummary, translator: Translator, seconds: float | None
    ) -> MethodResult:
        """Return the training progress and the cost of a run, without metrics."""
        method = translator.method
        checkpoint = summary.default_checkpoint or "last"
        return MethodResult(
            method=method_name,
            paper=METHODS[method_name].paper,
            state="done",
            steps=summary.progress.step,
            seconds=summary.progress.spent_s,
            precision=summary.config.training.precision,
            checkpoint=checkpoint,
            checkpoint_step=summary.steps.get(checkpoint, 0),
            parameters=count_parameters(*(method.get_submodule(role) for role in method.translation_roles)),
            total_parameters=count_parameters(method),
            translate_s=seconds,
            is_still_improving=trend.classify_trend(summary.trend_points, summary.validation_metric) == "gains",
        )

    def _audit_hidden(self, summary: RunSummary) -> dict[str, HiddenInformation]:
        """Return hidden information by direction, from an audit of the default checkpoint.

        A current audit is reused; otherwise one is made if requested. Empty without an audit.
        """
        run = summary.folder
        result = read_audit(run.audit)
        is_current = result is not None and (result.checkpoint, result.step) == summary.translating_checkpoint
        if result is None or not is_current or any(r.probe_steps != PROBE_STEPS for r in result.routes):
            if not self.run_audits:
                return {}
            self.log(f"auditing {run.path} for hidden information")
            try:
                result = audit(run.path, device=summary.config.training.device)
            except UnpairedError as error:
                self.log(f"not audited: {error}")
                return {}
            write_report(run.path)
        return {r.route: HiddenInformation(fraction=r.hidden, error=r.hidden_error) for r in result.routes}

    def build_comparison(self, manifest: ComparisonManifest) -> Comparison:
        """Return the current comparison with every method of the manifest."""
        runs: dict[str, list[MethodResult]] = {}
        settings: dict[str, dict[str, Any]] = {}
        for name, record in manifest.runs.items():
            runs.setdefault(record.method, []).append(self._get_result(name, record))
            settings.setdefault(record.method, record.settings)
        config = self.config
        training = next(iter(self.plan.entries.values())).settings.training
        has_no_budget = not (training.steps or training.minutes)
        budget = Budget(config.training.steps, None) if has_no_budget else Budget(training.steps, training.minutes)
        return Comparison(
            unpaired=__version__,
            path=str(self.folder.path),
            domains=tuple(d.name for d in config.domains),
            train_counts=self.train_counts,
            budget=str(budget),
            preset=config.preset,
            medium=config.medium,
            size=get_item_size(config),
            item_size=self.medium.describe_items(config),
            batch_size=config.training.batch_size,
            seeds=tuple(dict.fromkeys(record.seed for record in manifest.runs.values())),
            device=config.training.device,
            pairs=manifest.pairs,
            settings=settings,
            results=tuple(map(merge_seeds, runs.values())),
            excluded={name: reason for name, reason in self.plan.excluded.items() if name not in runs},
        )

    def _get_result(self, name: str, record: RunRecord) -> MethodResult:
        """Return the result of a run: with metrics if it is done, else with its progress only."""
        try:
            if record.state == "done":
                return self.evaluate_run(name, record)
            progress = read_run_summary(self.folder.get_run(name).path).progress
        except UnpairedError as error:
            progress = Progress()
            if record.state == "done":
                record = record.model_copy(update={"state": "failed", "reason": str(error)})
        result = MethodResult(
            method=record.method,
            paper=METHODS[record.method].paper if record.method in METHODS else "",
            state=record.state,
            reason=record.reason,
            steps=progress.step,
            seconds=progress.spent_s,
        )
        return add_seed(result, name, record)


def add_seed(result: MethodResult, name: str, record: RunRecord) -> MethodResult:
    """Return the result of a run with its seed, so that it can be merged with those of other seeds."""
    seed = SeedResult(
        seed=record.seed,
        run=name,
        state=result.state,
        reason=result.reason,
        steps=result.steps,
        seconds=result.seconds,
        routes=result.routes,
    )
    return result.model_copy(update={"seeds": (seed,)})


def read_contents(folder: Path) -> dict[str, bytes]:
    """Return the content of each file of a folder by name; raises WorkError if one cannot be read."""
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise WorkError(f"{folder}: cannot be read ({error})") from error

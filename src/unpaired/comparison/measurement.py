"""From a method's trained run to its part of the comparison."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from torch import nn

from unpaired import __version__
from unpaired.comparison.folder import ComparisonFolder, ComparisonManifest, MethodRecord
from unpaired.comparison.plan import ComparisonPlan
from unpaired.comparison.result import Comparison, HiddenInformation, MethodResult
from unpaired.config.run_config import get_item_size
from unpaired.config.settings import StrictModel
from unpaired.console import LogCallback
from unpaired.data.split import choose_evaluation_split
from unpaired.errors import UnpairedError, WorkError
from unpaired.evaluation.audit import PROBE_STEPS, audit
from unpaired.evaluation.audit_results import read_audit
from unpaired.evaluation.run import evaluate
from unpaired.media.base import EvaluateOptions
from unpaired.methods import METHODS
from unpaired.metrics import trend
from unpaired.metrics.base import Evaluation, RouteEvaluation
from unpaired.report.page import write_report
from unpaired.runs.files import read_file_lists
from unpaired.runs.progress import Budget, Progress
from unpaired.runs.summary import RunSummary, read_run_summary
from unpaired.translate import Translator


class ComparisonEvaluator:
    """Measures runs alike and keeps the results, so that the page can be written after every method."""

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

    def evaluate_method(self, name: str) -> MethodResult:
        """Measure a trained method, show its translations and time them (once a call).

        Raises WorkError where its run is damaged or split the files otherwise, DivergenceError where its translations
        are not finite.
        """
        if name not in self.results:
            self.results[name] = self._evaluate(name)
        return self.results[name]

    def _evaluate(self, name: str) -> MethodResult:
        run = self.folder.get_run(name)
        summary = read_run_summary(run.path)
        if read_contents(run.files) != read_contents(self.folder.split_folder.files):
            raise WorkError(f"{run.path}: the run splits the files otherwise than the comparison, so it is left out")
        evaluation = self.measure(summary)
        translator = Translator.load(run.path, device=summary.config.training.device)
        demonstrator = self.demonstrator
        seconds = None if demonstrator is None else demonstrator.demonstrate(name, translator, run)
        measures = {
            "measured_on": "" if evaluation is None else evaluation.items,
            "routes": () if evaluation is None else evaluation.routes,
            "hidden": self._audit_hidden(summary),
        }
        return self._build_result(name, summary, translator, seconds).model_copy(update=measures)

    def measure(self, summary: RunSummary) -> Evaluation | None:
        """Return a run's measures on as many items as all are measured on; nothing is measured twice.

        Baselines are taken from the evaluations of earlier methods with the same settings of the medium. None where no
        items are held out.
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
        """Whether measures are of the checkpoint that translates, on as many of the run's items as are compared.

        The limit counts, not the items that could be measured: one that cannot be used now cannot be used later either.
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
        """Return routes that were measured with these settings and options; the latest of each direction."""
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
        self, name: str, summary: RunSummary, translator: Translator, seconds: float | None
    ) -> MethodResult:
        """Describe how the training went, and what the method costs."""
        method = translator.method
        values = [(v.step, v.value) for v in summary.validations if v.value is not None]
        checkpoint = summary.default_checkpoint or "last"
        return MethodResult(
            method=name,
            paper=METHODS[name].paper,
            state="done",
            steps=summary.progress.step,
            seconds=summary.progress.spent_s,
            precision=summary.config.training.precision,
            checkpoint=checkpoint,
            checkpoint_step=summary.steps.get(checkpoint, 0),
            parameters=count_parameters(method.get_submodule(role) for role in method.translation_roles),
            total_parameters=count_parameters([method]),
            translate_s=seconds,
            is_still_improving=trend.classify_trend(values, self.medium.validation_metric) == "gains",
        )

    def _audit_hidden(self, summary: RunSummary) -> dict[str, HiddenInformation]:
        """Return hidden information by direction, of an audit of the translating checkpoint, made now if wanted."""
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
        """Return the whole comparison as it stands, with every method of the manifest."""
        results = tuple(self._get_result(name, record) for name, record in manifest.methods.items())
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
            seed=config.training.seed,
            device=config.training.device,
            pairs=manifest.pairs,
            settings={name: record.settings for name, record in manifest.methods.items()},
            results=results,
            excluded={name: reason for name, reason in self.plan.excluded.items() if name not in manifest.methods},
        )

    def _get_result(self, name: str, record: MethodRecord) -> MethodResult:
        """Return a method's result: measured where it is done, else how far it came."""
        try:
            if record.state == "done":
                return self.evaluate_method(name)
            progress = read_run_summary(self.folder.get_run(name).path).progress
        except UnpairedError as error:
            progress = Progress()
            if record.state == "done":
                record = MethodRecord(settings=record.settings, state="failed", reason=str(error))
        paper = METHODS[name].paper if name in METHODS else ""
        steps, seconds = progress.step, progress.spent_s
        return MethodResult(
            method=name, paper=paper, state=record.state, reason=record.reason, steps=steps, seconds=seconds
        )


def read_contents(folder: Path) -> dict[str, bytes]:
    """Read the files of a folder by name; raises WorkError where they cannot be read."""
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise WorkError(f"{folder}: cannot be read ({error})") from error


def count_parameters(modules: Iterable[nn.Module]) -> int:
    """Count the parameters of some modules, each once where they share layers."""
    return sum(p.numel() for p in {id(p): p for module in modules for p in module.parameters()}.values())

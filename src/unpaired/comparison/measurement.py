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
from unpaired.evaluation.test_sets import load_own_sets
from unpaired.media.image.image_rows import ImageRows
from unpaired.media.voice import comparison_measures
from unpaired.media.voice.metrics.measurement import VoiceMeasures
from unpaired.media.voice.report import VoiceTest
from unpaired.methods import METHODS
from unpaired.metrics import trend
from unpaired.report.page import write_report
from unpaired.runs.files import read_file_lists
from unpaired.runs.progress import Budget, Progress
from unpaired.runs.summary import RunSummary, read_run_summary
from unpaired.translate import Translator

MAX_ITEMS = 500
"""Items of each domain that are measured at most."""


class ComparisonEvaluator:
    """Measures runs alike and remembers what it found, so that the page can be written after every method."""

    def __init__(
        self,
        folder: ComparisonFolder,
        plan: ComparisonPlan,
        pairs: bool,
        run_audits: bool,
        judge_settings: comparison_measures.JudgeSettings,
        log: LogCallback,
    ) -> None:
        self.folder, self.plan, self.run_audits, self.judge_settings, self.log = (
            folder,
            plan,
            run_audits,
            judge_settings,
            log,
        )
        self.config = plan.config
        self.sets = read_file_lists(folder.split_folder, self.config).splits
        self.train_counts = tuple(len(part.train) for part in self.sets)
        self.image_rows = ImageRows(folder, self.config, self.sets, pairs)
        self.baselines: tuple[VoiceMeasures, ...] = ()
        self._voice_tests: list[tuple[StrictModel, VoiceTest]] = []
        self.results: dict[str, MethodResult] = {}

    def evaluate_method(self, name: str) -> MethodResult:
        """Measure a trained method, picture its translations and time them (once a call).

        Raises WorkError where its run is damaged or split the files otherwise, Diverged where its translations are not
        finite.
        """
        if name not in self.results:
            self.results[name] = self._evaluate(name)
        return self.results[name]

    def _evaluate(self, name: str) -> MethodResult:
        run = self.folder.get_run(name)
        summary = read_run_summary(run.path)
        if read_contents(run.files) != read_contents(self.folder.split_folder.files):
            raise WorkError(f"{run.path}: the run split the files otherwise than the comparison, so it was set apart")
        return (
            self._evaluate_recordings(name, summary)
            if summary.config.medium == "voice"
            else self._evaluate_images(name, measure_images(summary))
        )

    def _evaluate_images(self, name: str, summary: RunSummary) -> MethodResult:
        translator = Translator.load(summary.folder.path, device=summary.config.training.device)
        seconds, evaluation = self.image_rows.write_rows(name, translator), summary.test
        measures = {
            "measured_on": evaluation.set if evaluation is not None else "",
            "routes": evaluation.routes if evaluation is not None else (),
            "hidden": self._audit_hidden(summary),
        }
        return self._build_result(name, summary, translator, seconds).model_copy(update=measures)

    def _evaluate_recordings(self, name: str, summary: RunSummary) -> MethodResult:
        comparable_tests = [test for voice, test in self._voice_tests if voice == summary.config.medium_settings]
        test = comparison_measures.measure_recordings(summary, self.sets, self.judge_settings, comparable_tests)
        self._voice_tests.append((summary.config.medium_settings, test))
        known_routes = {m.route for m in self.baselines}
        self.baselines += tuple(m for m in comparison_measures.select_baselines(test) if m.route not in known_routes)
        translator = Translator.load(summary.folder.path, device=summary.config.training.device)
        seconds = comparison_measures.time_translation(summary.folder, translator)
        measures = {"measured_on": test.set, "voices": comparison_measures.select_converted(test)}
        return self._build_result(name, summary, translator, seconds).model_copy(update=measures)

    def _build_result(
        self, name: str, summary: RunSummary, translator: Translator, seconds: float | None
    ) -> MethodResult:
        """How the training went, and what it costs."""
        method = translator.method
        kids = [(e.step, e.mean_kid) for e in summary.evaluations if e.mean_kid is not None]
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
            is_still_improving=trend.classify_trend(kids) == "gains",
        )

    def _audit_hidden(self, summary: RunSummary) -> dict[str, HiddenInformation]:
        """Hidden information of each direction: audited before at the state that translates, or now if it is wanted."""
        run = summary.folder
        previous_audit = read_audit(run.audit)
        is_current = (
            previous_audit is not None
            and (previous_audit.checkpoint, previous_audit.step) == summary.translating_checkpoint
        )
        if previous_audit is None or not is_current or any(r.probe_steps != PROBE_STEPS for r in previous_audit.routes):
            if not self.run_audits:
                return {}
            self.log(f"auditing {run.path} for hidden information")
            try:
                previous_audit = audit(run.path, device=summary.config.training.device)
            except UnpairedError as error:
                self.log(f"not audited: {error}")
                return {}
            write_report(run.path)
        return {r.route: HiddenInformation(fraction=r.hidden, error=r.hidden_error) for r in previous_audit.routes}

    def build_comparison(self, manifest: ComparisonManifest) -> Comparison:
        """The whole as it stands, with every method of the record."""
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
            batch_size=config.training.batch_size,
            seed=config.training.seed,
            device=config.training.device,
            pairs=manifest.pairs,
            settings={name: record.settings for name, record in manifest.methods.items()},
            results=results,
            excluded={name: reason for name, reason in self.plan.excluded.items() if name not in manifest.methods},
            baselines=self.baselines,
        )

    def _get_result(self, name: str, record: MethodRecord) -> MethodResult:
        """A method's result: measured where it is done, else how far it came."""
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


def measure_images(summary: RunSummary) -> RunSummary:
    """A run's facts with measures on as many held-back items as all are measured on; nothing is measured twice."""
    sets, _ = load_own_sets(summary.config, summary.folder)
    split = choose_evaluation_split(sets)
    if split is None:
        return summary
    expected_counts = {part.name: min(MAX_ITEMS, len(part.get_paths(split))) for part in sets}
    evaluation = summary.test
    is_current = (
        evaluation is not None
        and (evaluation.checkpoint, evaluation.step) == summary.translating_checkpoint
        and evaluation.is_own_data
        and all(
            [m.sources, m.targets] == [expected_counts.get(name) for name in m.route.split(" -> ")]
            for m in evaluation.routes
        )
    )
    if is_current:
        return summary
    evaluate(summary.folder.path, limit=MAX_ITEMS, device=summary.config.training.device)
    write_report(summary.folder.path)
    return read_run_summary(summary.folder.path)


def read_contents(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name; raises WorkError where they cannot be read."""
    try:
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    except OSError as error:
        raise WorkError(f"{folder}: cannot be read ({error})") from error


def count_parameters(modules: Iterable[nn.Module]) -> int:
    """Parameters of some modules, each counted once where they share layers."""
    return sum(p.numel() for p in {id(p): p for module in modules for p in module.parameters()}.values())

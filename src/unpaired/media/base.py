"""Base class of media. A medium is one object that implements everything specific to a type of files.

Each medium has a folder in `media/` and a row in the table of `media/__init__.py`. Code outside `media/` does not
depend on the medium of a run; it calls the medium's methods. Modules that are only needed during work (torch, optional
packages) are imported in methods, so that the command line starts fast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from unpaired.config.settings import NetworkSettings, StrictModel
from unpaired.errors import UsageError
from unpaired.media.interface import (
    CheckResult,
    ConvertOptions,
    Demonstrator,
    EvaluateOptions,
    EvaluationRequest,
    FittedConverter,
    Inspection,
    MeasuredRoutes,
    NetworkInput,
    PresetValues,
    Preview,
    PreviewKind,
    TranslateOptions,
)

if TYPE_CHECKING:
    from markupsafe import Markup

    from unpaired.comparison.advice import Advisor
    from unpaired.comparison.folder import ComparisonFolder
    from unpaired.comparison.result import Comparison
    from unpaired.config.model_description import ModelDescription
    from unpaired.config.resolve import Settings
    from unpaired.config.run_config import RunConfig
    from unpaired.console import LogCallback, ProgressCallback
    from unpaired.data.batches import BatchLoader
    from unpaired.data.domain import Domain
    from unpaired.data.folders import DomainFiles
    from unpaired.data.item_transform import ItemTransform
    from unpaired.data.split import DomainSplits
    from unpaired.methods.base import Method, TranslationLoss
    from unpaired.metrics.base import Baseline, Evaluation, Metric, RouteEvaluation, SummaryColumn
    from unpaired.networks import NetworkFactory
    from unpaired.networks.blocks import Role
    from unpaired.runs.folder import RunFolder
    from unpaired.runs.summary import RunSummary
    from unpaired.training.listing import DataListing
    from unpaired.training.logging import TrainingLog
    from unpaired.training.validator import Validator
    from unpaired.translate.base import BaseTranslator
    from unpaired.translate.network import TranslationNetwork
    from unpaired.translate.pipeline import FilePipeline
    from unpaired.translate.route_request import TranslationRequest
    from unpaired.translate.translator import Translator


class Medium(ABC):
    """A type of files. Class attributes describe it; methods implement each stage of a run for it.

    `item_noun` and `files_noun` name one item and several files in messages. `suffixes` are the suffixes of its files,
    lower case, with the dot. `crop_setting` names the medium setting with the length of a training item along the
    networks' stride. `metrics` and `baselines` are in the order of tables. A comparison ranks by the first of
    `ranking_metrics` that all its methods have. `quick_evaluate_options` are the options of the evaluation after
    training, which should be fast; `quick_evaluate_note` describes what they leave out.
    """

    name: ClassVar[str]
    item_noun: ClassVar[str]
    files_noun: ClassVar[str]
    suffixes: ClassVar[frozenset[str]]
    settings_title: ClassVar[str]
    settings_model: ClassVar[type[StrictModel]]
    network_settings_model: ClassVar[type[NetworkSettings]]
    statistics_model: ClassVar[type[StrictModel]]
    metrics: ClassVar[tuple[Metric, ...]]
    baselines: ClassVar[tuple[Baseline, ...]]
    validation_metric: ClassVar[Metric]
    ranking_metrics: ClassVar[tuple[Metric, ...]]
    judge_metrics: ClassVar[tuple[Metric, ...]] = ()
    """Metrics of one kind by independent networks; a ranking by one of them must not contradict the others."""
    summary_columns: ClassVar[tuple[SummaryColumn, ...]] = ()
    """Columns of a comparison's main table in addition to the ranking metric."""
    compares_equal_settings: ClassVar[bool] = True
    """Whether the methods of a comparison must have equal settings of the medium, because metrics depend on them."""
    comparison_hint: ClassVar[str] = ""
    """Explanation of the columns of a comparison's main table."""
    evaluate_options_model: ClassVar[type[EvaluateOptions]] = EvaluateOptions
    quick_evaluate_options: ClassVar[Mapping[str, Any]] = {}
    quick_evaluate_note: ClassVar[str] = ""
    comparison_evaluate_options: ClassVar[Mapping[str, Any]] = {}
    """Options of the evaluations of a comparison that differ from the defaults of `unpaired evaluate`."""
    judge_yourself: ClassVar[str] = "judge by the translated files"
    """Advice for results that could not be measured."""
    hub_task: ClassVar[str] = "other"
    """Task of a shared run's model card, a `pipeline_tag` of the Hugging Face Hub."""
    example_files: ClassVar[tuple[str, str]]
    """Names of an input and of an output, for examples."""
    preview_kinds: ClassVar[tuple[PreviewKind, ...]] = ()
    """Kinds of the previews of files that a browser shows (see `write_preview`), the usual one first."""
    consent_question: ClassVar[str] = ""
    """Statement that a user of the web page must confirm before files are translated; empty: none."""
    translate_options_model: ClassVar[type[TranslateOptions]] = TranslateOptions
    convert_options_model: ClassVar[type[ConvertOptions]] = ConvertOptions
    presets: ClassVar[PresetValues]
    crop_setting: ClassVar[str]
    other_inputs: ClassVar[frozenset[str]] = frozenset()
    """Suffixes of files that runs translate too, but that are no training data of the medium."""
    other_inputs_noun: ClassVar[str] = ""
    """Noun of files that runs translate besides those of `files_noun`, plural."""
    conversion_hints: ClassVar[Mapping[str, str]] = {}
    """Suffix of files that are not read -> how to convert them."""
    has_demo: ClassVar[bool] = True
    """Whether `unpaired demo` offers the medium."""
    kind: ClassVar[str] = ""
    """Name of the medium whose presets methods define and whose support they state; empty: its own."""
    supports_attributes: ClassVar[bool] = False
    """Whether the values of a label table's columns can be domains (`--attributes`)."""

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as the object in the table of media, which other code compares by identity."""
        return _get_medium, (self.name,)

    @property
    def method_medium(self) -> str:
        """Name under which methods have presets for the medium, and say whether they support it."""
        return self.kind or self.name

    # Before training

    def list_items(self, files: DomainFiles, settings: StrictModel) -> DomainFiles:  # noqa: ARG002
        """Return a domain with the items that its files contain, as "stack.tif/0003"; by default a file is an item."""
        return files

    @abstractmethod
    def check(self, domains: Sequence[DomainFiles], settings: Settings, progress: ProgressCallback) -> CheckResult:
        """Read every file; report what the domains contain and what training would do with them."""

    @abstractmethod
    def inspect(self, settings: Settings, listing: DataListing, log: LogCallback) -> Inspection:
        """Read the files (or a sample of them) and decide every setting of the medium that is "auto".

        Raises UsageError if optional packages are missing, WorkError if the files cannot be used.
        """

    # Training

    @abstractmethod
    def create_transform(self, config: RunConfig) -> ItemTransform:
        """Return the transform from files to tensors; raises UsageError if optional packages are missing."""

    @abstractmethod
    def create_network_factory(self, config: RunConfig, teacher: Role | None = None) -> NetworkFactory:
        """Return the factory of a run's networks."""

    def create_translation_losses(self, config: RunConfig) -> tuple[TranslationLoss, ...]:  # noqa: ARG002 - as said
        """Return the losses of translations that the settings select, for training; most media have none.

        Raises UsageError if the method or an installation does not support one, WorkError for damaged files.
        """
        return ()

    @abstractmethod
    def create_validator(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> Validator:
        """Return the object that measures the EMA networks on the validation split during training."""

    def explain_no_validation(self, splits: Sequence[DomainSplits]) -> str:
        """Explain why the validation metric cannot choose a best checkpoint on these splits; empty if it can."""
        empty = [split.name for split in splits if not len(split.validation)]
        if not empty:
            return ""
        return f"{' and '.join(empty)} have no validation {self.files_noun}; add files or raise --holdout-fraction"

    def explain_teacher_mismatch(
        self,
        config: RunConfig,
        teacher_config: RunConfig,
        domain_pairs: Sequence[tuple[Domain, Domain]],  # noqa: ARG002
    ) -> str:
        """Explain why a run cannot learn from a teacher of the same medium; empty if it can.

        `domain_pairs` has, for each domain, the teacher's domain of the same name and the run's own.
        """
        own, other = (getattr(c.medium_settings, self.crop_setting) for c in (config, teacher_config))
        flag = f"--{self.crop_setting.replace('_', '-')}"
        return "" if own == other else f"trained with {flag} {other}, but this run has {flag} {own}; use equal values"

    # Measuring

    @abstractmethod
    def evaluate(self, request: EvaluationRequest) -> MeasuredRoutes:
        """Measure the routes of a run; raises WorkError if nothing can be measured."""

    def check_evaluate_options(  # noqa: B027 - a medium may have nothing to check
        self, options: EvaluateOptions, splits: Sequence[DomainSplits] | None = None
    ) -> None:
        """Raise UsageError for options that cannot be used, before the evaluation; `splits` is None if unknown."""

    def covers_options(self, evaluation: Evaluation, options: EvaluateOptions) -> bool:
        """Whether an evaluation measured everything that `options` request."""
        return dict(evaluation.options) == options.model_dump(mode="json")

    def extend_options(self, options: EvaluateOptions, evaluation: Evaluation) -> EvaluateOptions:  # noqa: ARG002
        """Return `options` extended by the options of an earlier evaluation, so that all its metrics are updated."""
        return options

    def describe_route(self, route: RouteEvaluation) -> str:
        """Describe the result of a route in a sentence, for the top of the report."""
        from unpaired.metrics.verdict import describe_against_baselines  # noqa: PLC0415

        return describe_against_baselines(route, self.ranking_metrics, self.baselines)

    def report_sections(self, summary: RunSummary) -> list[Markup]:  # noqa: ARG002
        """Return the medium's own sections of a report, shown above the metrics."""
        return []

    def get_comparison_limit(self, options: EvaluateOptions) -> int:  # noqa: ARG002
        """Return the number of items of each domain that a comparison measures at most."""
        return 500

    def create_demonstrator(
        self,
        folder: ComparisonFolder,  # noqa: ARG002
        config: RunConfig,  # noqa: ARG002
        splits: Sequence[DomainSplits],  # noqa: ARG002
        pairs: bool,  # noqa: ARG002
    ) -> Demonstrator | None:
        """Return the writer of a comparison's examples; None if the medium has none."""
        return None

    def create_advisor(self, comparison: Comparison) -> Advisor:
        """Return the advisor that recommends a method of a comparison."""
        from unpaired.comparison.advice import Advisor  # noqa: PLC0415

        return Advisor(comparison)

    def comparison_sections(self, folder: ComparisonFolder, comparison: Comparison) -> list[Markup]:  # noqa: ARG002
        """Return the medium's own sections of a comparison's page."""
        return []

    # Use

    @abstractmethod
    def create_pipeline(
        self, config: ModelDescription, network: TranslationNetwork, request: TranslationRequest
    ) -> FilePipeline[Any, Any]:
        """Return the pipeline that translates files; raises UsageError for unsupported requests."""

    def write_preview(self, path: Path, folder: Path) -> Preview:  # noqa: ARG002
        """Return a version of a file that browsers show: the file itself, or a new file in `folder`.

        Raises UnreadableFileError.
        """
        raise self.unsupported("preview")

    def describe_network_input(
        self,
        config: ModelDescription,  # noqa: ARG002
        source: Domain,  # noqa: ARG002
        target: Domain,  # noqa: ARG002
        stride: int,  # noqa: ARG002
    ) -> NetworkInput:
        """Describe the networks' input from `source` to `target` for `unpaired export`."""
        raise self.unsupported("export")

    def translate_stream(
        self,
        translator: BaseTranslator,  # noqa: ARG002
        request: TranslationRequest,  # noqa: ARG002
        source: BinaryIO,  # noqa: ARG002
        sink: BinaryIO,  # noqa: ARG002
        sample_rate_hz: int | None,  # noqa: ARG002
        log: LogCallback,  # noqa: ARG002
    ) -> None:
        """Translate a stream in real time."""
        raise self.unsupported("--stream")

    def sample(self, translator: Translator, count: int, out: Path, *, seed: int, overwrite: bool) -> list[Path]:  # noqa: ARG002
        """Write `count` joint samples of all domains from noise; returns the paths."""
        raise self.unsupported("sample")

    def interpolate(
        self,
        translator: Translator,  # noqa: ARG002
        ends: tuple[Path, Path],  # noqa: ARG002
        sources: tuple[str, str],  # noqa: ARG002
        out: Path,  # noqa: ARG002
        *,
        steps: int,  # noqa: ARG002
        overwrite: bool,  # noqa: ARG002
    ) -> list[Path]:
        """Write the translations of `steps` latent codes between those of two items; returns the paths."""
        raise self.unsupported("interpolate")

    def fit_converter(
        self,
        target: DomainFiles,  # noqa: ARG002
        source: DomainFiles | None,  # noqa: ARG002
        options: ConvertOptions,  # noqa: ARG002
        progress: ProgressCallback,  # noqa: ARG002
    ) -> FittedConverter:
        """Fit a converter to `target` without training, from `source` or, if it is None, from any domain."""
        raise self.unsupported("convert")

    def run_demo(self, minutes: float, out: Path | None, log: LogCallback) -> Path:  # noqa: ARG002
        """Train on data that the package contains or synthesizes, and translate; returns the run's folder."""
        raise self.unsupported("demo")

    @abstractmethod
    def describe_items(self, config: RunConfig) -> str:
        """Return the size or length of a run's training items for messages, as "at 64 px"."""

    def explain_audit_refusal(self, config: RunConfig | None = None) -> str:  # noqa: ARG002
        """Explain why steganography cannot be measured, in any run or in that of `config`; empty if it can."""
        return f"an audit is not available for {self.files_noun}"

    def create_inverse(self, config: RunConfig) -> tuple[Role, int]:  # noqa: ARG002
        """Return a small network that maps translations to inputs, and its stride.

        `unpaired audit` trains it for methods without an inverse translation.
        """
        raise self.unsupported("audit")

    # Messages

    def unsupported(self, feature: str) -> UsageError:
        """Return the error for a feature that this medium does not have."""
        return UsageError(f"{feature}: not available for {self.files_noun}")

    @property
    def inputs_noun(self) -> str:
        """Noun of files that runs of the medium translate, as "pictures or clips"."""
        return " or ".join(noun for noun in (self.files_noun, self.other_inputs_noun) if noun)

    @property
    def input_suffixes(self) -> frozenset[str]:
        """Suffixes of files that runs of the medium translate."""
        return self.suffixes | self.other_inputs

    def translates(self, name: str) -> bool:
        """Whether runs of the medium translate files with the suffix of `name`."""
        return has_suffix(name, self.input_suffixes)

    def expected_inputs(self) -> str:
        """Return the suffixes of files that runs of the medium translate, as a list for messages."""
        return ", ".join(sorted(self.input_suffixes))

    def expected_suffixes(self) -> str:
        """Return the supported suffixes as a list for messages."""
        return ", ".join(sorted(self.suffixes))


def has_suffix(name: str, suffixes: frozenset[str]) -> bool:
    """Whether a file name has one of the suffixes, which are lower case, with the dot, and may be double (.nii.gz)."""
    parts = name.lower().split(".")
    return "." + parts[-1] in suffixes or "." + ".".join(parts[-2:]) in suffixes


def _get_medium(name: str) -> Medium:
    from unpaired.media import MEDIA  # noqa: PLC0415 - the table imports this module

    return MEDIA[name]

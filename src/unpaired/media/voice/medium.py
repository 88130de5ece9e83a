"""Voice medium: recordings of speech."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from unpaired.config.settings import NetworkSettings
from unpaired.errors import UsageError
from unpaired.media.base import Medium
from unpaired.media.interface import (
    CheckResult,
    Demonstrator,
    EvaluateOptions,
    EvaluationRequest,
    Inspection,
    MeasuredRoutes,
    NetworkInput,
    Preview,
)
from unpaired.media.voice.metrics.declarations import (
    FRAME_DISTANCE,
    GV_BIAS,
    MCD,
    SIMILARITY,
    VOICE_BASELINES,
    VOICE_METRICS,
    WER,
)
from unpaired.media.voice.settings import (
    CONVERSION_HINTS,
    PRESETS,
    SUFFIXES,
    SpeakerStatistics,
    VoiceConvertOptions,
    VoiceEvaluateOptions,
    VoiceSettings,
    VoiceTranslateOptions,
    speaker_statistics,
    voice_settings,
)
from unpaired.metrics.base import SummaryColumn
from unpaired.metrics.memorization import describe_memorization

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
    from unpaired.media.interface import ConvertOptions, FittedConverter
    from unpaired.methods.base import Method, TranslationLoss
    from unpaired.metrics.base import Evaluation, RouteEvaluation
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


class VoiceMedium(Medium):
    """Sound files of speech, one speaker per domain: WAV, FLAC, OGG, MP3, AIFF, CAF, Opus and AU."""

    name = "voice"
    item_noun = "recording"
    files_noun = "recordings"
    suffixes = SUFFIXES
    conversion_hints = CONVERSION_HINTS
    settings_title = "recordings"
    settings_model = VoiceSettings
    network_settings_model = NetworkSettings
    statistics_model = SpeakerStatistics
    translate_options_model = VoiceTranslateOptions
    metrics = VOICE_METRICS
    baselines = VOICE_BASELINES
    validation_metric = FRAME_DISTANCE
    ranking_metrics = (MCD, FRAME_DISTANCE)
    compares_equal_settings = False
    summary_columns = (
        SummaryColumn("GV bias, dB", (GV_BIAS,), 1),
        SummaryColumn("similarity", (SIMILARITY,), 2),
        SummaryColumn("WER", (WER,), 2),
    )
    comparison_hint = "GV bias: below 0 is flatter than the target. Similarity: to the target. An item is a sentence."
    evaluate_options_model = VoiceEvaluateOptions
    judge_yourself = "judge by listening"
    hub_task = "audio-to-audio"
    example_files = ("recording.flac", "converted.flac")
    preview_kinds = ("sound",)
    consent_question = (
        "The person who speaks in these recordings, and the person whose voice is imitated, have agreed to this."
    )
    quick_evaluate_options: ClassVar[Mapping[str, Any]] = {"judges": "none", "nearest": False}
    quick_evaluate_note = "for speaker similarity, words, naturalness, and the distance to training recordings"
    comparison_evaluate_options: ClassVar[Mapping[str, Any]] = {"nearest": False}
    convert_options_model = VoiceConvertOptions
    presets = PRESETS
    crop_setting = "crop_frames"

    def check(self, domains: Sequence[DomainFiles], settings: Settings, progress: ProgressCallback) -> CheckResult:
        """Decode every recording."""
        require_packages()
        from unpaired.media.voice.inspection import inspect_recordings  # noqa: PLC0415

        assert isinstance(settings.medium_settings, VoiceSettings)
        report = inspect_recordings(domains, settings.medium_settings, progress)
        text = report.format_text(settings.medium_settings, settings.data.holdout_fraction)
        return CheckResult(text, not report.errors, report.unreadable)

    def inspect(self, settings: Settings, listing: DataListing, log: LogCallback) -> Inspection:
        """Analyse the recordings, compute the speakers' statistics and decide the voice activity detection."""
        require_packages()
        from unpaired.media.voice.preparation import inspect_voice_data  # noqa: PLC0415

        return inspect_voice_data(settings, listing, log)

    def create_transform(self, config: RunConfig) -> ItemTransform:
        """Return the transform to crops of feature frames."""
        require_packages()
        from unpaired.media.voice.content.synthesis import load_run_analyser  # noqa: PLC0415
        from unpaired.media.voice.transform import VoiceTransform  # noqa: PLC0415

        return VoiceTransform(voice_settings(config), content=load_run_analyser(config))

    def create_network_factory(self, config: RunConfig, teacher: Role | None = None) -> NetworkFactory:
        """Return the factory of voice networks."""
        from unpaired.data.domain import DOMAIN_KEYS  # noqa: PLC0415
        from unpaired.networks.voice_factory import VoiceNetworkFactory  # noqa: PLC0415

        settings, statistics = voice_settings(config), speaker_statistics(config.domains[0])
        return VoiceNetworkFactory(
            config.networks,
            len(statistics.mean),
            settings.crop_frames,
            settings.generator_dims,
            DOMAIN_KEYS[: len(config.domains)],
            config.labels,
            teacher,
            statistics.conditions,
        )

    def create_translation_losses(self, config: RunConfig) -> tuple[TranslationLoss, ...]:
        """Return the content consistency loss if it has a weight.

        Raises UsageError if its packages are missing, WorkError if their files are damaged.
        """
        if not voice_settings(config).content_weight:
            return ()
        from unpaired.media.voice.content.loss_builder import build_content_loss  # noqa: PLC0415

        return (build_content_loss(config),)

    def create_validator(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> Validator:
        """Return the validator of recordings."""
        from unpaired.media.voice.validation import VoiceValidator  # noqa: PLC0415

        return VoiceValidator(config, folder, method, batches, training_log)

    def evaluate(self, request: EvaluationRequest) -> MeasuredRoutes:
        """Measure converted sentences and untrained baselines; save listening samples."""
        require_packages()
        from unpaired.media.voice.evaluation import evaluate_recordings  # noqa: PLC0415

        return evaluate_recordings(request)

    def check_evaluate_options(self, options: EvaluateOptions, splits: Sequence[DomainSplits] | None = None) -> None:
        """Raise UsageError for unknown judges, transcripts without a speech recognizer, and missing transcripts."""
        require_packages()
        from unpaired.media.voice.judge_settings import JudgeSettings  # noqa: PLC0415

        settings = JudgeSettings.read(options)
        if splits is not None:
            settings.require_texts(splits)

    def covers_options(self, evaluation: Evaluation, options: EvaluateOptions) -> bool:
        """Return whether an evaluation measured what is requested, with all judges installed now and these texts."""
        from unpaired.media.voice.judge_settings import JudgeSettings  # noqa: PLC0415

        assert isinstance(options, VoiceEvaluateOptions)
        is_nearest_covered = not options.nearest or bool(evaluation.options.get("nearest"))
        return is_nearest_covered and JudgeSettings.read(options).covers(evaluation)

    def extend_options(self, options: EvaluateOptions, evaluation: Evaluation) -> EvaluateOptions:
        """Add what an earlier evaluation measured: kinds of judges, and the distance to training recordings."""
        from unpaired.media.voice.judge_settings import extend_judges  # noqa: PLC0415

        extended = extend_judges(options, evaluation)
        nearest = extended.nearest or bool(evaluation.options.get("nearest"))
        return extended.model_copy(update={"nearest": nearest})

    def get_comparison_limit(self, options: EvaluateOptions) -> int:
        """Return the number of sentences to measure, which is lower with evaluation networks."""
        from unpaired.media.voice.judge_settings import JudgeSettings  # noqa: PLC0415

        return JudgeSettings.read(options).max_utterances

    def describe_route(self, route: RouteEvaluation) -> str:
        """Compare a route with the untrained baselines and report blur."""
        from unpaired.media.voice.verdict import describe_route  # noqa: PLC0415

        return f"{describe_route(route)}{describe_memorization(route)}"

    def report_sections(self, summary: RunSummary) -> list[Markup]:
        """Return the listening samples of the last evaluation."""
        if summary.test is None:
            return []
        from unpaired.media.voice.report import render_listening  # noqa: PLC0415

        return [render_listening(summary.folder)]

    def create_demonstrator(
        self,
        folder: ComparisonFolder,  # noqa: ARG002
        config: RunConfig,  # noqa: ARG002
        splits: Sequence[DomainSplits],  # noqa: ARG002
        pairs: bool,  # noqa: ARG002
    ) -> Demonstrator:
        """Return the timer of the sentences that the evaluation saved."""
        from unpaired.media.voice.comparison import SentenceTimer  # noqa: PLC0415

        return SentenceTimer()

    def create_advisor(self, comparison: Comparison) -> Advisor:
        """Return the advisor that also considers blur and lost words."""
        from unpaired.media.voice.comparison import VoiceAdvisor  # noqa: PLC0415

        return VoiceAdvisor(comparison)

    def comparison_sections(self, folder: ComparisonFolder, comparison: Comparison) -> list[Markup]:
        """Return listening samples of the same sentences for every method."""
        from unpaired.media.voice.comparison import render_listening  # noqa: PLC0415

        return render_listening(folder, comparison)

    def create_pipeline(
        self, config: ModelDescription, network: TranslationNetwork, request: TranslationRequest
    ) -> FilePipeline[Any, Any]:
        """Return the pipeline that converts recordings."""
        require_packages()
        from unpaired.media.voice.pipeline import create_voice_pipeline  # noqa: PLC0415

        return create_voice_pipeline(config, network, request)

    def write_preview(self, path: Path, folder: Path) -> Preview:
        """Return a file that browsers play; other formats are converted to FLAC, mono."""
        from unpaired.media.voice.preview import write_preview  # noqa: PLC0415 - needs optional packages

        return Preview("sound", write_preview(path, folder))

    def describe_network_input(
        self, config: ModelDescription, source: Domain, target: Domain, stride: int
    ) -> NetworkInput:
        """Describe the normalization of features before and after the networks."""
        from unpaired.media.voice.network_input import describe_network_input  # noqa: PLC0415

        return describe_network_input(config, source, target, stride)

    def translate_stream(
        self,
        translator: BaseTranslator,
        request: TranslationRequest,
        source: BinaryIO,
        sink: BinaryIO,
        sample_rate_hz: int | None,
        log: LogCallback,
    ) -> None:
        """Convert 16-bit PCM as it arrives."""
        require_packages()
        from unpaired.media.voice.streaming import translate_stream  # noqa: PLC0415

        translate_stream(translator, request, source, sink, sample_rate_hz, log)

    def fit_converter(
        self, target: DomainFiles, source: DomainFiles | None, options: ConvertOptions, progress: ProgressCallback
    ) -> FittedConverter:
        """Fit a converter on the recordings of a target speaker, and of a source, without training."""
        require_packages()
        from unpaired.media.voice.converter_fitting import fit_converter  # noqa: PLC0415

        assert isinstance(options, VoiceConvertOptions)
        return fit_converter(target, source, options, lambda done, total, _: progress(done, total))

    def run_demo(self, minutes: float, out: Path | None, log: LogCallback) -> Path:
        """Train on recordings of two speakers from an installed speech synthesizer."""
        require_packages()
        from unpaired.media.voice.demo import run_voice_demo  # noqa: PLC0415

        return run_voice_demo(out, minutes, log)

    def describe_items(self, config: RunConfig) -> str:
        """Return the length of the training crops and the representation."""
        settings = voice_settings(config)
        return f"in crops of {settings.crop_frames} frames ({settings.representation})"


def require_packages() -> None:
    """Raise UsageError with the install command if a package of the extra `voice` is missing."""
    try:
        import pyworld  # noqa: F401, PLC0415
        import scipy  # noqa: F401, PLC0415
        import soundfile  # noqa: F401, PLC0415
        import soxr  # noqa: F401, PLC0415
    except ImportError as error:
        raise UsageError(
            f"recordings need the extra 'voice', but {error.name} is missing: pip install 'unpaired[voice]'"
        ) from error

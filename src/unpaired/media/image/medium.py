"""Pictures as a medium."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from unpaired.errors import UsageError
from unpaired.media.base import Medium
from unpaired.media.image.metrics import EDGE_SIMILARITY, FEATURE_SIMILARITY, IMAGE_BASELINES, IMAGE_METRICS, KID, KIDS
from unpaired.media.image.settings import (
    CONVERSION_HINTS,
    PRESETS,
    SUFFIXES,
    ImageEvaluateOptions,
    ImageSettings,
    ImageStatistics,
    image_settings,
    image_statistics,
)
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
from unpaired.media.video.optional_packages import require_packages
from unpaired.media.video.settings import CLIP_SUFFIXES, ClipTranslateOptions
from unpaired.metrics.base import SummaryColumn
from unpaired.metrics.memorization import describe_memorization
from unpaired.networks.image_settings import ImageNetworkSettings

if TYPE_CHECKING:
    from markupsafe import Markup

    from unpaired.comparison.advice import Advisor
    from unpaired.comparison.folder import ComparisonFolder
    from unpaired.comparison.result import Comparison
    from unpaired.config.model_description import ModelDescription
    from unpaired.config.resolve import Settings
    from unpaired.config.run_config import RunConfig
    from unpaired.config.settings import StrictModel
    from unpaired.console import LogCallback, ProgressCallback
    from unpaired.data.batches import BatchLoader
    from unpaired.data.domain import Domain
    from unpaired.data.folders import DomainFiles
    from unpaired.data.item_transform import ItemTransform
    from unpaired.data.split import DomainSplits
    from unpaired.methods.base import Method, TranslationLoss
    from unpaired.metrics.base import Evaluation, RouteEvaluation
    from unpaired.networks import NetworkFactory
    from unpaired.networks.blocks import Role
    from unpaired.runs.folder import RunFolder
    from unpaired.runs.summary import RunSummary
    from unpaired.training.listing import DataListing
    from unpaired.training.logging import TrainingLog
    from unpaired.training.validator import Validator
    from unpaired.translate.network import TranslationNetwork
    from unpaired.translate.pipeline import FilePipeline
    from unpaired.translate.route_request import TranslationRequest
    from unpaired.translate.translator import Translator


class ImageMedium(Medium):
    """Picture files of any size and mode: PNG, JPEG, WebP, BMP, TIFF, GIF, AVIF, JPEG 2000, PNM and TGA."""

    name = "image"
    item_noun = "picture"
    files_noun = "pictures"
    suffixes = SUFFIXES
    conversion_hints = CONVERSION_HINTS
    settings_title = "pictures"
    settings_model = ImageSettings
    network_settings_model = ImageNetworkSettings
    statistics_model = ImageStatistics
    metrics = IMAGE_METRICS
    baselines = IMAGE_BASELINES
    validation_metric = KID
    ranking_metrics = judge_metrics = KIDS
    summary_columns = (SummaryColumn("content kept", (FEATURE_SIMILARITY, EDGE_SIMILARITY), 2),)
    comparison_hint = (
        "KID times 1000. Content kept: 1 is all. Hidden: the fraction of the input that the "
        "translation contains as an imperceptible signal, if it was audited."
    )
    judge_yourself = "judge by the pictures"
    hub_task = "image-to-image"
    example_files = ("picture.png", "translated.png")
    preview_kinds = ("picture", "clip")
    evaluate_options_model = ImageEvaluateOptions
    quick_evaluate_options = comparison_evaluate_options = MappingProxyType({"nearest": False})
    quick_evaluate_note = "for the distance of translations to training pictures"
    translate_options_model = ClipTranslateOptions
    other_inputs = CLIP_SUFFIXES
    other_inputs_noun = "clips"
    presets = PRESETS
    crop_setting = "size"
    supports_attributes = True

    def list_items(self, files: DomainFiles, settings: StrictModel) -> DomainFiles:
        """Return a domain with the pages of stacks as items."""
        from unpaired.media.image.stacks import list_items  # noqa: PLC0415

        assert isinstance(settings, ImageSettings)
        return list_items(files, settings)

    def check(self, domains: Sequence[DomainFiles], settings: Settings, progress: ProgressCallback) -> CheckResult:
        """Decode every picture; describe the domains and how training would use them."""
        from unpaired.media.image.inspection import inspect_images  # noqa: PLC0415
        from unpaired.media.image.preparation import limit_size  # noqa: PLC0415

        assert isinstance(settings.medium_settings, ImageSettings)
        report = inspect_images(domains, None, settings=settings.medium_settings, progress=progress)
        notes: list[str] = []
        limited = settings.medium_settings
        if not report.errors:
            limited = limit_size(limited, report, "size" in settings.given, notes.append)
        text = "\n".join([report.format_text(limited, settings.data.holdout_fraction), *notes])
        return CheckResult(text, not report.errors, report.unreadable)

    def inspect(self, settings: Settings, listing: DataListing, log: LogCallback) -> Inspection:
        """Decode a sample of the pictures; decide size, resize mode, channels, augmentation and residual generators."""
        from unpaired.media.image.preparation import inspect_image_data  # noqa: PLC0415

        return inspect_image_data(settings, listing, log)

    def create_transform(self, config: RunConfig) -> ItemTransform:
        """Return the transform to square image tensors."""
        from unpaired.media.image.transform import ImageTransform  # noqa: PLC0415

        return ImageTransform(image_settings(config))

    def create_network_factory(self, config: RunConfig, teacher: Role | None = None) -> NetworkFactory:
        """Return the factory of image networks."""
        from unpaired.data.domain import DOMAIN_KEYS  # noqa: PLC0415
        from unpaired.media.image.color_alignment import create_color_alignments  # noqa: PLC0415
        from unpaired.networks.image_factory import ImageNetworkFactory  # noqa: PLC0415

        assert isinstance(config.networks, ImageNetworkSettings)
        settings = image_settings(config)
        channels = dict.fromkeys(DOMAIN_KEYS[: len(config.domains)], settings.num_channels)
        alignments = create_color_alignments(config.domains)
        return ImageNetworkFactory(config.networks, channels, settings.size, config.labels, teacher, alignments)

    def create_translation_losses(self, config: RunConfig) -> tuple[TranslationLoss, ...]:
        """Return the temporal consistency loss if it has a weight; raises UsageError if the method cannot have it."""
        weight = image_settings(config).temporal_weight
        if not weight:
            return ()
        from unpaired.methods import METHODS  # noqa: PLC0415
        from unpaired.methods.temporal import TemporalLoss  # noqa: PLC0415

        if refusal := METHODS[config.method].cls.export_refusal:
            raise UsageError(
                f"temporal_weight {weight:g}: {config.method} {refusal}, so the loss cannot train its networks; leave "
                "it out (--temporal-weight 0)"
            )
        return (TemporalLoss(weight),)

    def explain_teacher_mismatch(
        self, config: RunConfig, teacher_config: RunConfig, domain_pairs: Sequence[tuple[Domain, Domain]]
    ) -> str:
        """Explain a difference in size, channels or raw value range; empty if there is none."""
        own, other = image_settings(config), image_settings(teacher_config)
        for flag, own_value, teacher_value in (
            ("--size", own.size, other.size),
            ("--channels", own.channels, other.channels),
        ):
            if own_value != teacher_value:
                return f"trained with {flag} {teacher_value}, but this run has {flag} {own_value}; use equal values"
        for teacher_domain, domain in domain_pairs:
            a, b = image_statistics(teacher_domain), image_statistics(domain)
            if (a.low, a.high) != (b.low, b.high):
                return (
                    f"its '{domain.name}' has raw values from {a.low:g} to {a.high:g}, but that of this run from "
                    f"{b.low:g} to {b.high:g}; train the teacher on the same pictures"
                )
        return ""

    def create_validator(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> Validator:
        """Return the validator for pictures."""
        from unpaired.media.image.validation import ImageValidator  # noqa: PLC0415

        return ImageValidator(config, folder, method, batches, training_log)

    def explain_no_validation(self, splits: Sequence[DomainSplits]) -> str:
        """Explain that the feature network or validation pictures are missing; empty if KID can be measured."""
        from unpaired.media.image.validation import explain_no_validation  # noqa: PLC0415

        return explain_no_validation(splits)

    def evaluate(self, request: EvaluationRequest) -> MeasuredRoutes:
        """Measure likeness to the target, content kept, and with pairs the distance to the true translations."""
        from unpaired.media.image.evaluation import evaluate_images  # noqa: PLC0415

        return evaluate_images(request)

    def covers_options(self, evaluation: Evaluation, options: EvaluateOptions) -> bool:
        """Whether what is requested was measured, and everything by each network that is installed now."""
        from unpaired.media.image.judges import has_installed_networks  # noqa: PLC0415

        assert isinstance(options, ImageEvaluateOptions)
        requested = [name for name, is_requested in options.model_dump().items() if is_requested]
        return all(evaluation.options.get(name) for name in requested) and has_installed_networks(evaluation.routes)

    def extend_options(self, options: EvaluateOptions, evaluation: Evaluation) -> EvaluateOptions:
        """Request what the earlier evaluation measured too."""
        assert isinstance(options, ImageEvaluateOptions)
        return ImageEvaluateOptions.model_validate(
            {name: value or bool(evaluation.options.get(name)) for name, value in options.model_dump().items()}
        )

    def describe_route(self, route: RouteEvaluation) -> str:
        """Describe how near a route is to the target, to the truth, to the color transfer and to the input."""
        from unpaired.media.image.verdict import describe_route  # noqa: PLC0415

        return f"{describe_route(route)}{describe_memorization(route)}"

    def report_sections(self, summary: RunSummary) -> list[Markup]:
        """Return the sections with sample grids, and with the training pictures nearest to translations."""
        from unpaired.media.image.nearest_images import render_nearest  # noqa: PLC0415
        from unpaired.media.image.report import render_samples  # noqa: PLC0415

        return [render_samples(summary), *render_nearest(summary.folder)]

    def create_demonstrator(
        self, folder: ComparisonFolder, config: RunConfig, splits: Sequence[DomainSplits], pairs: bool
    ) -> Demonstrator:
        """Return the writer of rows of pictures."""
        from unpaired.media.image.image_rows import ImageRows  # noqa: PLC0415

        return ImageRows(folder, config, splits, pairs)

    def create_advisor(self, comparison: Comparison) -> Advisor:
        """Return the advisor that also considers content kept and the distance to the true translations."""
        from unpaired.media.image.advice import ImageAdvisor  # noqa: PLC0415

        return ImageAdvisor(comparison)

    def comparison_sections(self, folder: ComparisonFolder, comparison: Comparison) -> list[Markup]:
        """Return sections with the translations of the same pictures by every method."""
        from unpaired.media.image.image_rows import render_rows  # noqa: PLC0415

        return render_rows(folder, comparison)

    def create_pipeline(
        self, config: ModelDescription, network: TranslationNetwork, request: TranslationRequest
    ) -> FilePipeline[Any, Any]:
        """Return the translation pipeline for pictures and clips."""
        from unpaired.media.image.pipeline import ImagePipeline  # noqa: PLC0415
        from unpaired.media.video.pipeline import ClipPipeline  # noqa: PLC0415

        return ClipPipeline(ImagePipeline(config, network, request))

    def write_preview(self, path: Path, folder: Path) -> Preview:
        """Write a PNG file of at most 1024 px with 8 bits, or of a clip the first seconds as MP4."""
        from unpaired.media.image.preview import write_preview  # noqa: PLC0415
        from unpaired.media.video.pipeline import is_clip  # noqa: PLC0415

        if is_clip(str(path)):
            require_packages()
            from unpaired.media.video.preview import write_clip_preview  # noqa: PLC0415

            return Preview("clip", write_clip_preview(path, folder))
        return Preview("picture", write_preview(path, folder))

    def describe_network_input(
        self, config: ModelDescription, source: Domain, target: Domain, stride: int
    ) -> NetworkInput:
        """Describe scale, value ranges and colors of pictures before and after the networks."""
        from unpaired.media.image.network_input import describe_network_input  # noqa: PLC0415

        return describe_network_input(config, source, target, stride)

    def sample(self, translator: Translator, count: int, out: Path, *, seed: int, overwrite: bool) -> list[Path]:
        """Write joint samples of all domains from noise."""
        from unpaired.media.image.generation import sample_files  # noqa: PLC0415

        return sample_files(translator, count, out, seed=seed, overwrite=overwrite)

    def interpolate(
        self,
        translator: Translator,
        ends: tuple[Path, Path],
        sources: tuple[str, str],
        out: Path,
        *,
        steps: int,
        overwrite: bool,
    ) -> list[Path]:
        """Write pictures decoded from latent codes between those of two pictures."""
        from unpaired.media.image.generation import interpolate_files  # noqa: PLC0415

        return interpolate_files(translator, ends, sources, out, steps=steps, overwrite=overwrite)

    def run_demo(self, minutes: float, out: Path | None, log: LogCallback) -> Path:
        """Train on the avatars in the package, from black hair to blond hair and from blond to black."""
        from unpaired.media.image.demo import run_image_demo  # noqa: PLC0415

        return run_image_demo(out, minutes, log)

    def describe_items(self, config: RunConfig) -> str:
        """Return the size of the training images, as "at 64 px"."""
        return f"at {image_settings(config).size} px"

    def explain_audit_refusal(self, config: RunConfig | None = None) -> str:
        """Explain that the perturbations and the figure need gray or RGB pictures; empty for these."""
        channels = 3 if config is None else image_settings(config).num_channels
        return "" if channels in (1, 3) else f"an audit needs pictures of 1 or 3 channels; this run has {channels}"

    def create_inverse(self, config: RunConfig) -> tuple[Role, int]:
        """Return a small generator of kind "light", the same for every method, and its stride."""
        from unpaired.networks.image_factory import ImageNetworkFactory  # noqa: PLC0415

        settings = ImageNetworkSettings(generator="light", width=32, blocks=2, norm="group", residual=True)
        own = image_settings(config)
        factory = ImageNetworkFactory(settings, dict.fromkeys(("X", "Y"), own.num_channels), own.size)
        return factory.generator("X", "Y"), factory.stride

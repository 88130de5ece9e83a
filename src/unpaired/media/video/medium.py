"""Clips as a medium, alone or mixed with pictures. To networks and methods, a frame is a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from unpaired.media.image.medium import ImageMedium
from unpaired.media.image.settings import SUFFIXES
from unpaired.media.interface import CheckResult, EvaluationRequest, Inspection, MeasuredRoutes
from unpaired.media.video.metrics import VIDEO_METRICS
from unpaired.media.video.optional_packages import require_packages
from unpaired.media.video.settings import CLIP_SUFFIXES, CONVERSION_HINTS, VideoSettings
from unpaired.packages import import_package

if TYPE_CHECKING:
    from markupsafe import Markup

    from unpaired.config.resolve import Settings
    from unpaired.config.run_config import RunConfig
    from unpaired.config.settings import StrictModel
    from unpaired.console import LogCallback, ProgressCallback
    from unpaired.data.folders import DomainFiles
    from unpaired.data.item_transform import ItemTransform
    from unpaired.runs.summary import RunSummary
    from unpaired.training.listing import DataListing


class VideoMedium(ImageMedium):
    """Clips (MP4, MOV, MKV, WebM, AVI, animated GIF, WebP and PNG), and pictures beside them.

    Frames at even times are the training items.
    """

    name = "video"
    kind = "image"
    item_noun = "frame"
    files_noun = "clips"
    suffixes = CLIP_SUFFIXES | SUFFIXES
    other_inputs = frozenset[str]()
    other_inputs_noun = "pictures"
    conversion_hints = CONVERSION_HINTS
    settings_title = "clips"
    settings_model = VideoSettings
    metrics = VIDEO_METRICS
    example_files = ("clip.mp4", "clip.mp4")
    judge_yourself = "judge by the clips"
    has_demo = False

    def list_items(self, files: DomainFiles, settings: StrictModel) -> DomainFiles:
        """Return a domain with the frames of clips as items."""
        require_packages()
        from unpaired.media.video.clip_items import list_clip_items  # noqa: PLC0415

        assert isinstance(settings, VideoSettings)
        return super().list_items(list_clip_items(files, settings.frames_per_second), settings)

    def check(self, domains: Sequence[DomainFiles], settings: Settings, progress: ProgressCallback) -> CheckResult:
        """Index every clip, decode a few of its frames and every picture; describe what training would do."""
        require_packages()
        from unpaired.media.image.preparation import limit_size  # noqa: PLC0415
        from unpaired.media.video.inspection import describe_clips, inspect_videos  # noqa: PLC0415

        own = settings.medium_settings
        assert isinstance(own, VideoSettings)
        report = inspect_videos(domains, None, settings=own, progress=progress)
        notes: list[str] = []
        limited = own if report.errors else limit_size(own, report, "size" in settings.given, notes.append)
        clips = [line for files in domains for line in describe_clips(files, own.frames_per_second)]
        text = report.format_text(limited, settings.data.holdout_fraction)
        heading = ["", "clips"] if clips else []
        return CheckResult("\n".join([text, *heading, *clips, *notes]), not report.errors, report.unreadable)

    def inspect(self, settings: Settings, listing: DataListing, log: LogCallback) -> Inspection:
        """Index the clips, decode a sample of frames and pictures, and decide the settings of pictures."""
        require_packages()
        from unpaired.media.image.preparation import inspect_image_data  # noqa: PLC0415
        from unpaired.media.video.inspection import describe_clips, inspect_videos  # noqa: PLC0415
        from unpaired.media.video.transform import VideoTransform  # noqa: PLC0415

        own = settings.medium_settings
        assert isinstance(own, VideoSettings)
        for files in listing.files:
            for line in describe_clips(files, own.frames_per_second)[:1]:
                log(line.strip())

        return inspect_image_data(settings, listing, log, inspect_videos, VideoTransform)

    def create_transform(self, config: RunConfig) -> ItemTransform:
        """Return the transform to square image tensors."""
        require_packages()
        from unpaired.media.image.settings import image_settings  # noqa: PLC0415
        from unpaired.media.video.transform import VideoTransform  # noqa: PLC0415

        settings = image_settings(config)
        if settings.temporal_weight:
            import_package("cv2", "--temporal-weight with clips", "video")
        return VideoTransform(settings)

    def evaluate(self, request: EvaluationRequest) -> MeasuredRoutes:
        """Measure frames as pictures, and the flicker of translated test clips."""
        require_packages()
        from unpaired.media.video.evaluation import evaluate_videos  # noqa: PLC0415

        return evaluate_videos(request)

    def report_sections(self, summary: RunSummary) -> list[Markup]:
        """Return the sections of pictures, and test clips beside their translations."""
        from unpaired.media.video.report_clips import render_clips  # noqa: PLC0415

        return [*render_clips(summary.folder), *super().report_sections(summary)]

    def run_demo(self, minutes: float, out: Path | None, log: LogCallback) -> Path:  # noqa: ARG002
        """Raise UsageError: the package has no clips."""
        raise self.unsupported("demo")

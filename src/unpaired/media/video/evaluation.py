"""Evaluation of a run of clips: metrics of pictures on frames, and the flicker of translated test clips."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unpaired.data.counter_rng import generate_permutation
from unpaired.data.domain import DOMAIN_KEYS
from unpaired.data.paths import Paths, get_file_name
from unpaired.devices import isolate_rng
from unpaired.errors import UnreadableFileError
from unpaired.media.image import crops
from unpaired.media.image.evaluation import evaluate_images
from unpaired.media.image.settings import ImageSettings, image_settings
from unpaired.media.interface import EvaluationRequest, MeasuredRoutes
from unpaired.media.video.clip_index import load_clip_index
from unpaired.media.video.clip_opening import open_clip
from unpaired.media.video.metrics import WARPING_ERROR
from unpaired.media.video.pipeline import is_clip
from unpaired.media.video.report_clips import Frames, write_report_clips
from unpaired.metrics.base import RouteEvaluation
from unpaired.routes import Route

MAX_CLIPS, MAX_FRAMES = 4, 24
"""Maximum numbers of test clips of a domain, and of frames of each, from its middle, whose flicker is measured."""
BATCH_SIZE = 8
NO_OPENCV = "The warping error is missing: pip install 'unpaired[video]' adds OpenCV."


def evaluate_videos(request: EvaluationRequest) -> MeasuredRoutes:
    """Measure every route of a run of clips."""
    measured = evaluate_images(request)
    routes = {request.model.config.format_route(route): route for route in request.model.method.routes}
    clips: list[tuple[str, str, Frames, Frames]] = []
    evaluations = tuple(_add_flicker(request, routes[r.route], r, clips) for r in measured.routes)
    write_report_clips(request.folder, clips)
    return MeasuredRoutes(evaluations, measured.limit, measured.options)


def _add_flicker(
    request: EvaluationRequest,
    route: Route,
    evaluation: RouteEvaluation,
    clips: list[tuple[str, str, Frames, Frames]],
) -> RouteEvaluation:
    """Add the mean warping error of the translated test clips, relative to that of the clips.

    The first clip with its translation is added to `clips`, for the report.
    """
    if find_spec("cv2") is None:
        return evaluation.model_copy(update={"notes": (*evaluation.notes, NO_OPENCV)})
    from unpaired.media.video.warping_error import measure_warping_error  # noqa: PLC0415 - needs OpenCV

    ratios = []
    for number, (name, inputs) in enumerate(_iterate_clips(request, route.source)):
        frames, translations = _to_levels(inputs), _to_levels(_translate(request, route, inputs))
        if not number:
            clips.append((evaluation.route, name, frames, translations))
        try:
            ratio = measure_warping_error(frames, translations).ratio
        except ValueError:  # no two frames of one shot
            continue
        ratios += [] if ratio is None else [ratio]
    if not ratios:
        return evaluation
    return evaluation.model_copy(update={"values": evaluation.values | {WARPING_ERROR.name: float(np.mean(ratios))}})


def _iterate_clips(request: EvaluationRequest, key: str) -> Iterator[tuple[str, Tensor]]:
    """Yield the names of some clips of a domain, selected by the run's seed, and neighboring frames (N, C, H, W)."""
    config, index = request.model.config, DOMAIN_KEYS.index(key)
    clips = _list_clips(request.splits[index].get_paths(request.split))
    selected = [clips[i] for i in generate_permutation(len(clips), config.split_seed)[:MAX_CLIPS].tolist()]
    for path in selected:
        try:
            examples = list(_read_examples(path, request, index, image_settings(config)))
        except UnreadableFileError:  # the metrics of frames leave it out too
            continue
        if len(examples) > 1:
            yield path.name, crops.convert_crops_to_tensor(np.stack(examples))


def _list_clips(paths: Paths) -> list[Path]:
    names = dict.fromkeys(map(get_file_name, paths))
    return [paths.root / name for name in names if is_clip(str(paths.root / name))]


def _read_examples(
    path: Path, request: EvaluationRequest, index: int, settings: ImageSettings
) -> Iterator[npt.NDArray[np.generic]]:
    """Yield center crops of neighboring frames from the middle of a clip."""
    domain, clip = request.model.config.domains[index], load_clip_index(path)
    start = max(0, (len(clip) - MAX_FRAMES) // 2)
    after = int(clip.times[start - 1]) if start and clip.has_times else None
    with open_clip(path) as reader:
        for frame in islice(reader.iterate_frames(after), MAX_FRAMES):
            image = reader.decode(frame.frame)
            shrink = settings.resize_mode == "scale"
            scaled = crops.scale_image(image, domain, settings.num_channels, settings.size, shrink)
            yield crops.crop(scaled, settings.size)


def _translate(request: EvaluationRequest, route: Route, frames: Tensor) -> Tensor:
    method = request.model.method
    with torch.no_grad(), isolate_rng():
        parts = [method.translate(x.to(request.device), route.source, route.target) for x in frames.split(BATCH_SIZE)]
    return torch.cat([part.float().cpu() for part in parts])


def _to_levels(frames: Tensor) -> Frames:
    """Convert (N, C, H, W) in [-1, 1] to frames (H, W, 3) in levels of 255."""
    levels = ((frames.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    return list(levels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy())

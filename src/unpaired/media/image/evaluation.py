"""Evaluation of a run of pictures on a held-out split."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.config.run_config import RunConfig
from unpaired.data.batches import BatchLoader
from unpaired.data.split import DomainSplits
from unpaired.media.image.color_baseline import ColorTransferFitter
from unpaired.media.image.judges import load_judges
from unpaired.media.image.nearest_images import compare_with_training
from unpaired.media.image.route_evaluation import MethodEvaluator
from unpaired.media.image.settings import ImageEvaluateOptions
from unpaired.media.interface import EvaluationRequest, MeasuredRoutes
from unpaired.metrics.route_selection import select_evenly
from unpaired.runs.files import build_item_transform

MAX_ITEMS = 500
"""Default limit of items per domain for two routes; it is lower for more routes, to limit the total time."""


def evaluate_images(request: EvaluationRequest) -> MeasuredRoutes:
    """Measure every route of a run of pictures."""
    assert isinstance(request.options, ImageEvaluateOptions)
    config, method = request.model.config, request.model.method.to(request.device)
    limit = request.limit or min(MAX_ITEMS, 2 * MAX_ITEMS // len(select_evenly(method.routes)))
    training = request.load_training_splits()
    evaluator = MethodEvaluator(
        config,
        method,
        _create_loader(config, request.splits),
        request.split,
        limit=limit,
        device=request.device,
        judges=load_judges(config.pretrained, request.device, request.pairs),
        transfers=ColorTransferFitter(None if training is None else _create_loader(config, training)),
        pairs=limit if request.pairs else 0,
        with_fid=request.options.fid,
        known_baselines=request.known_baselines,
    )
    routes = compare_with_training(request, evaluator.measure(request.progress), evaluator)
    return MeasuredRoutes(routes, limit, request.options.model_dump(mode="json"))


def _create_loader(config: RunConfig, splits: Sequence[DomainSplits]) -> BatchLoader:
    return BatchLoader(config.domains, splits, build_item_transform(config), config.split_seed, workers=0)

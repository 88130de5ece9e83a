"""Evaluation of a run of pictures on a held-out split."""

from __future__ import annotations

from unpaired.data.batches import BatchLoader
from unpaired.media.base import EvaluationRequest, MeasuredRoutes
from unpaired.media.image.nearest_images import compare_with_training
from unpaired.media.image.route_evaluation import MethodEvaluator
from unpaired.media.image.settings import ImageEvaluateOptions
from unpaired.metrics.route_selection import select_evenly
from unpaired.runs.files import build_item_transform

MAX_ITEMS = 500
"""Default limit of items per domain for two routes; it is lower for more routes, to limit the total time."""


def evaluate_images(request: EvaluationRequest) -> MeasuredRoutes:
    """Measure every route of a run of pictures."""
    assert isinstance(request.options, ImageEvaluateOptions)
    config, method = request.model.config, request.model.method.to(request.device)
    batches = BatchLoader(config.domains, request.splits, build_item_transform(config), config.split_seed, workers=0)
    limit = request.limit or min(MAX_ITEMS, 2 * MAX_ITEMS // len(select_evenly(method.routes)))
    evaluator = MethodEvaluator(
        config,
        method,
        batches,
        request.split,
        limit=limit,
        device=request.device,
        pairs=limit if request.pairs else 0,
        with_fid=request.options.fid,
    )
    routes = compare_with_training(request, evaluator.measure(request.progress), request.options.nearest)
    return MeasuredRoutes(routes, limit, request.options.model_dump(mode="json"))

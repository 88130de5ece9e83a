"""Measures of a run of recordings on its validation split while it trains, and grids of feature samples."""

from __future__ import annotations

from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.data.batches import BatchLoader
from unpaired.media.voice.metrics.declarations import AFFINE, FRAME_DISTANCE
from unpaired.media.voice.settings import voice_settings
from unpaired.methods.base import Method, Route
from unpaired.metrics import frame_distance
from unpaired.metrics.base import RouteEvaluation, average_routes, keep_finite
from unpaired.metrics.route_selection import select_evenly
from unpaired.runs.folder import RunFolder
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog
from unpaired.training.sample_grids import make_sample_grid, select_sample_items

MAX_RECORDINGS = 30
"""Validation recordings of a domain that are measured."""
MIN_WINDOWS = 500
"""Windows of validation recordings below which their distance is too rough to choose the best checkpoint by."""


class VoiceValidator:
    """The first rank's measures of the averaged networks; it changes no weight.

    The frame distance is of the run's own scaled features, without a vocoder; the affine baseline is then the source's
    features as they are.
    """

    def __init__(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> None:
        self.config, self.folder, self.method = config, folder, method
        self.batches, self.training_log = batches, training_log
        self.device = next(method.parameters()).device
        self.validation_items = {
            key: [item.tensor for item in batches.iterate_items(key, "validation", MAX_RECORDINGS)]
            for key in batches.keys
        }
        self.can_choose_best = all(
            items and len(frame_distance.context_windows(items)) >= MIN_WINDOWS
            for items in self.validation_items.values()
        )
        if not self.can_choose_best:
            training_log.log_notice(
                0, "too few validation recordings of a domain to choose a best checkpoint; the last is used"
            )

    def evaluate(self, step: int, spent_s: float, best_value: float | None) -> float | None:
        """Measure on the validation split and log it; returns the mean frame distance, where it can choose the best."""
        self.method.eval()
        routes = [self._measure_route(route) for route in select_evenly(self.method.routes) if self._has_items(route)]
        value = average_routes(FRAME_DISTANCE, routes) if self.can_choose_best else None
        is_best = self.training_log.log_evaluation(step, spent_s, routes, FRAME_DISTANCE, value, best_value)
        self.training_log.log_metrics(step, routes)
        if routes:
            text = "; ".join(map(format_route, routes))
            self.training_log.log(f"step {step}: {text}{' (best so far)' if is_best else ''}")
        return value

    def _has_items(self, route: Route) -> bool:
        return bool(self.validation_items[route.source] and self.validation_items[route.target])

    def _measure_route(self, route: Route) -> RouteEvaluation:
        sources, targets = self.validation_items[route.source], self.validation_items[route.target]
        translations = [self._translate(x, route) for x in sources]
        distances = (frame_distance.frame_distance(targets, items) for items in (translations, sources))
        value, affine = (keep_finite({FRAME_DISTANCE.name: distance}) for distance in distances)
        return RouteEvaluation(
            route=self.config.format_route(route),
            sources=len(sources),
            targets=len(targets),
            values=value,
            baselines={AFFINE: affine},
        )

    def _translate(self, x: Tensor, route: Route) -> Tensor:
        return self.method.translate(x[None].to(self.device), route.source, route.target)[0].float().cpu()

    def log_samples(self, step: int) -> None:
        """Log a grid per route, low coefficients at the bottom: the first validation items, or training items."""
        self.method.eval()
        for route in select_evenly(self.method.routes):
            crop_frames = voice_settings(self.config).crop_frames
            items = [item[..., :crop_frames] for item in select_sample_items(self.batches, route.source)]
            sample_grid = make_sample_grid(self.method, route, items, scale=1 / 3)
            self.training_log.log_samples(step, self.config.format_route(route, "-"), sample_grid)

    def finish(self, step: int) -> None:
        """Evaluate on the test split and log how to go on."""
        finish_training(self.config, self.folder, self.training_log, step, self.device, ".wav")


def format_route(route: RouteEvaluation) -> str:
    """Format one route's distance with that of the affine baseline."""
    value, affine = route.value(FRAME_DISTANCE), route.baseline(AFFINE, FRAME_DISTANCE)
    figures = (FRAME_DISTANCE.format(value), FRAME_DISTANCE.format(affine))
    return f"{route.route}: {FRAME_DISTANCE.label} {figures[0]} ({AFFINE} {figures[1]})"

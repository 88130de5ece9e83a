"""Validation of a voice run during training, and sample grids of features."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.data.batches import BatchLoader
from unpaired.media.voice.metrics.declarations import AFFINE, FRAME_DISTANCE
from unpaired.media.voice.settings import speaker_statistics, voice_settings
from unpaired.methods.base import Method
from unpaired.metrics import frame_distance
from unpaired.metrics.base import RouteEvaluation, average_routes, keep_finite
from unpaired.metrics.route_selection import select_evenly
from unpaired.routes import Route
from unpaired.runs.folder import RunFolder
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog
from unpaired.training.sample_grids import make_sample_grid, select_sample_items

MAX_RECORDINGS = 30
"""Maximum number of validation recordings of a domain that are measured."""
MIN_WINDOWS = 500
"""Minimum number of validation windows per domain for choosing the best checkpoint; with fewer it is too noisy."""


class VoiceValidator:
    """Validator of the EMA networks on the first rank; it does not change weights.

    The frame distance compares the run's normalized features, without a vocoder. On normalized features, the affine
    baseline is the identity.
    """

    def __init__(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> None:
        self.config, self.folder, self.method = config, folder, method
        self.batches, self.training_log = batches, training_log
        self._num_conditions = speaker_statistics(config.domains[0]).conditions
        self.device = next(method.parameters()).device
        self.validation_items = {
            key: [item.tensor for item in batches.iterate_items(key, "validation", MAX_RECORDINGS)]
            for key in batches.keys
        }
        self.can_choose_best = all(
            items and len(frame_distance.context_windows(self._take_values(items))) >= MIN_WINDOWS
            for items in self.validation_items.values()
        )
        if not self.can_choose_best:
            training_log.log_notice(
                0, "too few validation recordings of a domain to choose a best checkpoint; the last is used"
            )

    def evaluate(self, step: int, spent_s: float, best_value: float | None) -> float | None:
        """Measure the validation split and log the result.

        Returns the mean frame distance over routes; None if there are too few windows to choose the best checkpoint.
        """
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
        targets, *compared = map(self._take_values, (targets, translations, sources))
        distances = (frame_distance.frame_distance(targets, items) for items in compared)
        value, affine = (keep_finite({FRAME_DISTANCE.name: distance}) for distance in distances)
        return RouteEvaluation(
            route=self.config.format_route(route),
            sources=len(sources),
            targets=len(targets),
            values=value,
            baselines={AFFINE: affine},
        )

    def _take_values(self, items: Sequence[Tensor]) -> list[Tensor]:
        """Return items (1, rows, T) without their conditions."""
        return [item[:, : item.shape[1] - self._num_conditions] for item in items]

    def _translate(self, x: Tensor, route: Route) -> Tensor:
        return self.method.translate(x[None].to(self.device), route.source, route.target)[0].float().cpu()

    def log_samples(self, step: int) -> None:
        """Log a sample grid per route, of the first validation items or, without these, training items.

        Low coefficients are at the bottom.
        """
        self.method.eval()
        for route in select_evenly(self.method.routes):
            crop_frames = voice_settings(self.config).crop_frames
            items = [item[..., :crop_frames] for item in select_sample_items(self.batches, route.source)]
            sample_grid = make_sample_grid(self.method, route, items, scale=1 / 3)
            self.training_log.log_samples(step, self.config.format_route(route, "-"), sample_grid)

    def finish(self, step: int) -> None:
        """Evaluate on the test split and log the next commands."""
        finish_training(self.config, self.folder, self.training_log, step, self.device, ".wav")


def format_route(route: RouteEvaluation) -> str:
    """Format one route's distance with that of the affine baseline."""
    value, affine = route.value(FRAME_DISTANCE), route.baseline(AFFINE, FRAME_DISTANCE)
    figures = (FRAME_DISTANCE.format(value), FRAME_DISTANCE.format(affine))
    return f"{route.route}: {FRAME_DISTANCE.label} {figures[0]} ({AFFINE} {figures[1]})"

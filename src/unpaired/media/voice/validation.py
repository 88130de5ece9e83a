"""What looks at a run on recordings while it trains: how far translations are from the target, and pictures of them."""

from __future__ import annotations

from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.data.batches import BatchLoader
from unpaired.media.image.measurement import RouteMeasures
from unpaired.media.image.route_evaluation import select_evenly
from unpaired.media.voice.settings import voice_settings
from unpaired.methods.base import Method, Route
from unpaired.metrics import frame_distance
from unpaired.runs.folder import RunFolder
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog
from unpaired.training.sample_grids import make_sample_grid, select_sample_items

MAX_RECORDINGS = 30
"""Held-back recordings of a domain that are looked at."""
MIN_FRAMES = 500
"""Places of held-back recordings below which their distance is too rough to choose the best checkpoint by."""


class VoiceValidator:
    """The first rank's judge of the averaged networks; it changes no weight.

    Measures stand where KID does, since they are its formula on frames: see `evaluation.frames`.
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
            items and len(frame_distance.context_windows(items)) >= MIN_FRAMES
            for items in self.validation_items.values()
        )
        if not self.can_choose_best:
            reason = "too little is held back of a domain to choose a best checkpoint by; the last is used"
            training_log.log_notice(0, reason)

    def evaluate(self, step: int, spent_s: float, validation_metric: float | None) -> float | None:
        """Measure on held-back recordings and record it; returns the mean distance, where it is fit to choose by."""
        self.method.eval()
        metrics = [self._measure_route(route) for route in select_evenly(self.method.routes) if self._has_items(route)]
        distances = [m.kid for m in metrics if m.kid is not None]
        metric = sum(distances) / len(distances) if distances and self.can_choose_best else None
        is_best = self.training_log.log_evaluation(step, spent_s, metrics, metric, validation_metric)
        for m in metrics:
            self.training_log.log_metrics(step, {f"frames/{m.route}": m.kid or 0.0})
        if metrics:
            self.training_log.log(
                f"step {step}: {'; '.join(map(format_distance, metrics))}{' (best so far)' if is_best else ''}"
            )
        return metric

    def _has_items(self, route: Route) -> bool:
        return bool(self.validation_items[route.source] and self.validation_items[route.target])

    def _measure_route(self, route: Route) -> RouteMeasures:
        sources, targets = self.validation_items[route.source], self.validation_items[route.target]
        translations = [self._translate(x, route) for x in sources]
        return RouteMeasures(
            route=self.config.format_route(route),
            features=frame_distance.NAME,
            sources=len(sources),
            targets=len(targets),
            kid=frame_distance.frame_distance(targets, translations),
            kid_baseline=frame_distance.frame_distance(targets, sources),
        )

    def _translate(self, x: Tensor, route: Route) -> Tensor:
        return self.method.translate(x[None].to(self.device), route.source, route.target)[0].float().cpu()

    def log_samples(self, step: int) -> None:
        """Record a grid per route, coefficients from below: the first held-back items, or training items."""
        self.method.eval()
        for route in select_evenly(self.method.routes):
            crop_frames = voice_settings(self.config).crop_frames
            items = [item[..., :crop_frames] for item in select_sample_items(self.batches, route.source)]
            sample_grid = make_sample_grid(self.method, route, items, scale=1 / 3)
            self.training_log.log_samples(step, self.config.format_route(route, "-"), sample_grid)

    def finish(self, step: int) -> None:
        """What is to be said after the last step."""
        finish_training(
            self.config, self.folder, self.training_log, step, self.device, "the distance of frames", ".wav"
        )


def format_distance(m: RouteMeasures) -> str:
    """One route's distance, beside what scaling alone comes to."""
    assert m.kid is not None and m.kid_baseline is not None
    return f"{m.route}: distance of frames {m.kid:.1f} (the affine baseline {m.kid_baseline:.1f})"

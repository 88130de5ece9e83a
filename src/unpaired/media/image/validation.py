"""What looks at a run while it trains: measures on held-back items, and grids of samples."""

from __future__ import annotations

from unpaired.config.run_config import RunConfig
from unpaired.data.batches import BatchLoader
from unpaired.media.image.measurement import RouteMeasures, mean_kid
from unpaired.media.image.route_evaluation import TRAINING_PAIRS, MethodEvaluator, select_evenly
from unpaired.methods.base import Method
from unpaired.metrics import features
from unpaired.runs.folder import RunFolder
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog
from unpaired.training.sample_grids import make_sample_grid, select_sample_items

MAX_VALIDATION_ITEMS, MAX_ITEMS_PER_ROUTE, MIN_ITEMS_PER_ROUTE = 200, 100, 20
"""Held-back items that are translated at each evaluation: over all routes, of each at most and at least."""
MIN_ITEMS_FOR_BEST = 10
"""Held-back items of a domain below which KID is too rough to choose the best checkpoint by."""


class ImageValidator:
    """The first rank's judge of the averaged networks; it changes no weight."""

    def __init__(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> None:
        self.config, self.folder, self.method = config, folder, method
        self.batches, self.training_log = batches, training_log
        self.device = next(method.parameters()).device
        self.evaluator: MethodEvaluator | None = None
        if not features.is_available():
            training_log.log_notice(
                0, "no KID and no best checkpoint: pip install 'unpaired[features]' adds the feature network"
            )
        elif any(
            len(list(batches.iterate_items(key, "validation", MIN_ITEMS_FOR_BEST))) < MIN_ITEMS_FOR_BEST
            for key in batches.keys
        ):
            reason = f"fewer than {MIN_ITEMS_FOR_BEST} items of a domain are held back, too few to choose a best checkpoint by"
            training_log.log_notice(0, f"{reason}; the last is used")

    def evaluate(self, step: int, spent_s: float, validation_metric: float | None) -> float | None:
        """Measure on held-back items and record it; returns the mean KID over the routes, where there is one."""
        if self.evaluator is None:
            limit = min(
                MAX_ITEMS_PER_ROUTE,
                max(MIN_ITEMS_PER_ROUTE, MAX_VALIDATION_ITEMS // len(select_evenly(self.method.routes))),
            )
            pairs = TRAINING_PAIRS if self.config.pairs else 0
            self.evaluator = MethodEvaluator(
                self.config, self.method, self.batches, "validation", limit=limit, device=self.device, pairs=pairs
            )
        metrics = self.evaluator.measure()
        metric = mean_kid(metrics) if all(m.sources >= MIN_ITEMS_FOR_BEST for m in metrics) else None
        is_best = self.training_log.log_evaluation(step, spent_s, metrics, metric, validation_metric)
        for m in metrics:
            scalars = {name: value for name, value in m.model_dump().items() if isinstance(value, float)}
            self.training_log.log_metrics(step, {f"{name}/{m.route}": value for name, value in scalars.items()})
        if metrics:
            self.training_log.log(
                f"step {step}: {'; '.join(map(format_metrics, metrics))}{' (best so far)' if is_best else ''}"
            )
        return metric

    def log_samples(self, step: int) -> None:
        """Record a grid per route: the first held-back items, or training items where none are held back."""
        self.method.eval()
        for route in select_evenly(self.method.routes):
            self.training_log.log_samples(
                step,
                self.config.format_route(route, "-"),
                make_sample_grid(self.method, route, select_sample_items(self.batches, route.source)),
            )

    def finish(self, step: int) -> None:
        """What is to be said after the last step."""
        finish_training(self.config, self.folder, self.training_log, step, self.device, "KID x1000", "")


def format_metrics(m: RouteMeasures) -> str:
    """One route's measures, short."""
    parts = []
    if m.kid is not None:
        baseline = "" if m.kid_baseline is None else f" (doing nothing {m.kid_baseline:.0f})"
        parts.append(f"KID {m.kid:.0f}{baseline}")
    if m.l1 is not None:
        parts.append(f"L1 {m.l1:.3f}")
    if m.ssim is not None:
        parts.append(f"SSIM {m.ssim:.2f}")
    if m.edge_similarity is not None:
        parts.append(f"edges kept {m.edge_similarity:.2f}")
    return f"{m.route}: {', '.join(parts)}"

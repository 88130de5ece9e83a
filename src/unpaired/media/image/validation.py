"""Validation of a run of pictures during training, and grids of samples."""

from __future__ import annotations

from collections.abc import Sequence

from unpaired.config.run_config import RunConfig
from unpaired.data.batches import BatchLoader
from unpaired.data.split import DomainSplits
from unpaired.media.image.color_baseline import ColorTransferFitter
from unpaired.media.image.judges import (
    choose_validation_metric,
    describe_biased_validation,
    explain_missing,
    load_validation_judges,
)
from unpaired.media.image.metrics import EDGE_SIMILARITY, KIDS, L1, SSIM
from unpaired.media.image.route_evaluation import TRAINING_PAIRS, MethodEvaluator
from unpaired.media.image.verdict import describe_near_input
from unpaired.methods.base import Method
from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation, average_routes
from unpaired.metrics.route_selection import select_evenly
from unpaired.runs.folder import RunFolder
from unpaired.runs.summary import find_validation_metric
from unpaired.training.finish import finish_training
from unpaired.training.logging import TrainingLog
from unpaired.training.sample_grids import make_sample_grid, select_sample_items

MAX_VALIDATION_ITEMS, MAX_ITEMS_PER_ROUTE, MIN_ITEMS_PER_ROUTE = 200, 100, 20
"""Validation items per evaluation: maximum over all routes, maximum and minimum per route."""
MIN_ITEMS_FOR_BEST = 10
"""Number of validation items per domain below which KID is too inaccurate to select the best checkpoint."""


class ImageValidator:
    """Validator of the EMA networks in the process of rank 0; it does not change weights."""

    def __init__(
        self, config: RunConfig, folder: RunFolder, method: Method, batches: BatchLoader, training_log: TrainingLog
    ) -> None:
        self.config, self.folder, self.method = config, folder, method
        self.batches, self.training_log = batches, training_log
        self.device = next(method.parameters()).device
        self.evaluator: MethodEvaluator | None = None
        measured_by = [line["metric"] for line in training_log.history.read("evaluation")]
        metric = choose_validation_metric(config.pretrained)
        # A resumed run keeps its metric: values of two networks cannot be compared.
        self.metric = find_validation_metric(config.get_medium(), measured_by) if measured_by else metric
        self.is_nearly_input = False
        if notice := describe_biased_validation(self.metric, config.pretrained):
            training_log.log_notice(0, notice)
        if missing := explain_missing(self.metric):
            training_log.log_notice(0, missing)
        elif any(
            len(list(batches.iterate_items(key, "validation", MIN_ITEMS_FOR_BEST))) < MIN_ITEMS_FOR_BEST
            for key in batches.keys
        ):
            training_log.log_notice(
                0,
                f"fewer than {MIN_ITEMS_FOR_BEST} validation pictures of a domain, too few to choose a best "
                "checkpoint; the last is used",
            )

    def evaluate(self, step: int, spent_s: float, best_value: float | None) -> float | None:
        """Measure on the validation split and log the results; returns the mean of `metric` over routes, if any."""
        if self.evaluator is None:
            self.evaluator = self._create_evaluator()
        routes = self.evaluator.measure()
        value = average_routes(self.metric, routes) if all(r.sources >= MIN_ITEMS_FOR_BEST for r in routes) else None
        is_best = self.training_log.log_evaluation(step, spent_s, routes, self.metric, value, best_value)
        self.training_log.log_metrics(step, routes)
        if routes:
            text = "; ".join(map(format_route, routes))
            self.training_log.log(f"step {step}: {text}{' (best so far)' if is_best else ''}")
        self._log_near_input(routes)
        return value

    def _log_near_input(self, routes: Sequence[RouteEvaluation]) -> None:
        """Say in words when translations become nearly their inputs."""
        near = [f"{r.route}: {text}" for r in routes if (text := describe_near_input(r))]
        if near and not self.is_nearly_input:
            self.training_log.log("; ".join(near))
        self.is_nearly_input = bool(near)

    def _create_evaluator(self) -> MethodEvaluator:
        count = len(select_evenly(self.method.routes))
        limit = min(MAX_ITEMS_PER_ROUTE, max(MIN_ITEMS_PER_ROUTE, MAX_VALIDATION_ITEMS // count))
        pairs = TRAINING_PAIRS if self.config.pairs else 0
        return MethodEvaluator(
            self.config,
            self.method,
            self.batches,
            "validation",
            limit=limit,
            device=self.device,
            judges=load_validation_judges(self.metric, self.device),
            transfers=ColorTransferFitter(None),
            is_brief=True,
            pairs=pairs,
        )

    def log_samples(self, step: int) -> None:
        """Log a grid per route: the first validation pictures, or training pictures if there are none."""
        self.method.eval()
        for route in select_evenly(self.method.routes):
            self.training_log.log_samples(
                step,
                self.config.format_route(route, "-"),
                make_sample_grid(self.method, route, select_sample_items(self.batches, route.source)),
            )

    def finish(self, step: int) -> None:
        """Evaluate on the test split and log the next commands."""
        finish_training(self.config, self.folder, self.training_log, step, self.device)


def explain_no_validation(splits: Sequence[DomainSplits]) -> str:
    """Explain why KID cannot choose a best checkpoint on these splits; empty if it can."""
    if missing := explain_missing(choose_validation_metric(())):
        return missing
    few = [
        f"{split.name} has {len(split.validation)}" for split in splits if len(split.validation) < MIN_ITEMS_FOR_BEST
    ]
    if not few:
        return ""
    return (
        f"KID needs {MIN_ITEMS_FOR_BEST} validation pictures of each domain: {', '.join(few)}; add pictures or raise "
        "--holdout-fraction"
    )


def format_route(route: RouteEvaluation) -> str:
    """Format a route's main metrics in one line."""
    parts = []
    for metric, label, digits in (
        *((kid, kid.short, 0) for kid in KIDS),
        (L1, "L1", 3),
        (SSIM, "SSIM", 2),
        (EDGE_SIMILARITY, "edges kept", 2),
    ):
        value = route.value(metric)
        if value is not None:
            nothing = route.baseline(DOING_NOTHING, metric) if metric in KIDS else None
            baseline = "" if nothing is None else f" ({DOING_NOTHING} {nothing:.0f})"
            parts.append(f"{label} {value:.{digits}f}{baseline}")
    return f"{route.route}: {', '.join(parts)}"

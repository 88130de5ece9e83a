"""Evaluation of all routes of a method for pictures; the items are read once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from unpaired.config.run_config import RunConfig
from unpaired.console import ProgressCallback, ignore_progress
from unpaired.data.batches import BatchLoader, EvaluationItem
from unpaired.data.split import SplitName
from unpaired.media.image.color_baseline import ColorTransferFitter
from unpaired.media.image.feature_distance import FeatureExtractor
from unpaired.media.image.judges import ImageJudges
from unpaired.media.image.measurement import RouteEvaluator, RouteFeatures
from unpaired.media.image.metrics import LINEAR
from unpaired.methods.base import Method
from unpaired.metrics.base import RouteEvaluation
from unpaired.metrics.route_selection import select_evenly
from unpaired.routes import Route

CHUNK_SIZE = 16
"""Batch size of translations."""
MIN_REFERENCES = 300
"""Minimum number of real target images for validation during training; training items complete the validation items."""
TRAINING_PAIRS = 100
"""Maximum number of true pairs for validation during training."""


class EvaluationItems:
    """Evaluation items in batches, read once for each domain."""

    def __init__(self, batches: BatchLoader, split: SplitName, limit: int) -> None:
        self.batches, self.split, self.limit = batches, split, limit
        self._sources: dict[str, list[Tensor]] = {}
        self._targets: dict[str, list[Tensor]] = {}
        self._names: dict[str, list[str]] = {}

    def sources(self, key: str) -> list[Tensor]:
        """Return the batches of a domain to translate, at most `limit` items."""
        if key not in self._sources:
            items = list(self.batches.iterate_items(key, self.split, self.limit))
            self._sources[key] = stack_batches([item.tensor for item in items])
            self._names[key] = [item.name for item in items]
        return self._sources[key]

    def get_source(self, key: str, index: int) -> EvaluationItem:
        """Return one of the items of `sources`."""
        batches = self.sources(key)
        return EvaluationItem(self._names[key][index], batches[index // CHUNK_SIZE][index % CHUNK_SIZE])

    def targets(self, key: str) -> list[Tensor]:
        """Return the real batches of a target domain; validation adds training items up to `MIN_REFERENCES`."""
        if key not in self._targets:
            missing = MIN_REFERENCES - sum(map(len, self.sources(key))) if self.split == "validation" else 0
            extra = [item.tensor for item in self.batches.iterate_items(key, "train", missing)] if missing > 0 else []
            self._targets[key] = self.sources(key) + stack_batches(extra)
        return self._targets[key]


class CachedFeatures:
    """A feature network with a cache by batch, because the items of a domain belong to several routes."""

    def __init__(self, net: FeatureExtractor) -> None:
        self.name, self.dimensions, self.digest = net.name, net.dimensions, net.digest
        self._net = net
        self._cache: dict[int, tuple[Tensor, Tensor]] | None = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Return features (B, dimensions) of images (B, C, H, W) in [-1, 1]."""
        if self._cache is None:
            return self._net(x)
        if id(x) not in self._cache:
            self._cache[id(x)] = x, self._net(x)
        return self._cache[id(x)][1]

    def disable_cache(self) -> None:
        """Delete the cache and do not use it again: later batches are translations, which do not repeat."""
        self._cache = None


class MethodEvaluator:
    """Evaluator of the routes of a method. Baselines are computed once, so each measurement only translates.

    `pairs` is the maximum number of true pairs per route; they are from the test split. `transfers` fits the baseline
    of a linear color transfer; with `is_brief`, only its change is measured. Baselines of that transfer in
    `known_baselines` (routes measured before) are not measured again.
    """

    def __init__(
        self,
        config: RunConfig,
        method: Method,
        batches: BatchLoader,
        split: SplitName,
        *,
        limit: int,
        device: torch.device,
        judges: ImageJudges,
        transfers: ColorTransferFitter,
        is_brief: bool = False,
        pairs: int = 0,
        with_fid: bool = False,
        known_baselines: Sequence[RouteEvaluation] = (),
    ) -> None:
        self.method = method
        self.device = device
        features, second = (None if net is None else CachedFeatures(net) for net in (judges.first, judges.second))
        known = {r.route: r.baselines[LINEAR] for r in known_baselines if LINEAR in r.baselines}
        self.evaluators: list[tuple[Route, RouteEvaluator]] = []
        self.features: dict[str, RouteFeatures] = {}
        """Features by the first network of the last measurement, by route; the targets are items of the split alone."""
        self.pairs = 0
        self.items = items = EvaluationItems(batches, split, limit)
        for route in select_evenly(
            [r for r in method.routes if all(batches.count_files(key, split) for key in (r.source, r.target))]
        ):
            sources, targets = items.sources(route.source), items.targets(route.target)
            truths = load_pairs(batches, route, pairs)
            if not sources or not targets:
                continue
            self.pairs += sum(len(x) for x, _ in truths)
            name = config.format_route(route)
            transfer, note = transfers.fit(route, sources, targets)
            evaluator = RouteEvaluator(
                sources,
                targets,
                truths,
                features,
                second_features=second,
                perceptual=judges.perceptual,
                transfer=transfer,
                known_linear=known.get(name),
                is_brief=is_brief,
                route=name,
                with_fid=with_fid,
                available=batches.count_files(route.source, split),
                notes=(*judges.notes, *([] if is_brief else [note])),
            )
            self.evaluators.append((route, evaluator))
        for net in (features, second):
            if net is not None:
                net.disable_cache()

    def measure(self, progress: ProgressCallback = ignore_progress) -> tuple[RouteEvaluation, ...]:
        """Measure every route with the current weights; sets the method to evaluation mode."""
        self.method.eval()
        total = sum(evaluator.batch_count for _, evaluator in self.evaluators)
        done = iter(range(1, total + 1))
        return tuple(
            self._measure(route, evaluator, lambda: progress(next(done), total)) for route, evaluator in self.evaluators
        )

    def _measure(self, route: Route, evaluator: RouteEvaluator, on_batch: Callable[[], None]) -> RouteEvaluation:
        has_reverse = self.method.is_cycle_consistent and self.method.route(route.target, route.source) is not None

        def translate(x: Tensor) -> Tensor:
            on_batch()
            return self.method.translate(x.to(self.device), route.source, route.target).float().cpu()

        def translate_back(y: Tensor) -> Tensor:
            return self.method.translate(y.to(self.device), route.target, route.source).float().cpu()

        evaluation, features = evaluator.measure_with_features(translate, translate_back if has_reverse else None)
        if features is not None:
            count = sum(map(len, self.items.sources(route.target)))
            self.features[evaluation.route] = replace(features, targets=features.targets[:count])
        return evaluation


def load_pairs(batches: BatchLoader, route: Route, limit: int) -> list[tuple[Tensor, Tensor]]:
    """Return batches of sources and of their true translations, at most `limit` items of the test split."""
    loaded = [(x, y) for _, x, y in batches.iterate_pairs(route.source, route.target, limit=limit)] if limit else []
    sources, truths = (stack_batches([pair[i] for pair in loaded]) for i in (0, 1))
    return list(zip(sources, truths, strict=True))


def stack_batches(items: Sequence[Tensor]) -> list[Tensor]:
    """Stack items (C, H, W) into batches."""
    return [torch.stack(list(items[i : i + CHUNK_SIZE])) for i in range(0, len(items), CHUNK_SIZE)]

"""Measurement of a route on held-out pictures: likeness to the target, content kept, and distance to the truth.

A route is a function from images to images, independent of methods, files and runs. The metrics and the baselines are
declared in `media.image.metrics`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from unpaired.devices import isolate_rng
from unpaired.errors import DivergenceError
from unpaired.media.image.metrics import REAL
from unpaired.metrics import kid as kid_metrics
from unpaired.metrics import paired as pair_metrics
from unpaired.metrics.base import DO_NOTHING, RouteEvaluation, keep_finite

Translate = Callable[[Tensor], Tensor]
"""Function from images (B, 1 or 3, H, W) in [-1, 1] to translations (B, 1 or 3, H, W) in [-1, 1]."""
NO_FEATURES = "KID and content kept by features are missing: pip install 'unpaired[features]' adds the feature network."


class FeatureExtractor(Protocol):
    """A frozen feature network, as `features.EfficientNetFeatures`."""

    @property
    def name(self) -> str:
        """Name of the network for reports."""

    @property
    def dimensions(self) -> int:
        """Number of features D."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Return features (B, D) of images (B, 1 or 3, H, W) in [-1, 1]."""


class RouteEvaluator:
    """Evaluator of one route. It computes features of real images and baselines once, for any number of measurements.

    `sources` and `targets` are batches (B, 1 or 3, H, W) in [-1, 1], `pairs` batches of sources and their true
    translations. Batch and image sizes may differ between batches. Each measurement iterates over them, so they must
    not be generators (TypeError). Without `features` there is no KID, FID or feature similarity. `available` is the
    number of items in the split, of which `sources` are some or all.
    """

    def __init__(
        self,
        sources: Iterable[Tensor],
        targets: Iterable[Tensor],
        pairs: Iterable[tuple[Tensor, Tensor]] | None = None,
        features: FeatureExtractor | None = None,
        *,
        route: str = "source -> target",
        with_fid: bool = False,
        available: int = 0,
    ) -> None:
        for name, batches in (("sources", sources), ("targets", targets), ("pairs", pairs)):
            if isinstance(batches, Iterator):
                raise TypeError(f"{name} is a generator, used up after one pass; expected a list or the like")
        self.route = route
        self._sources, self._pairs, self._features, self._with_fid = sources, pairs or (), features, with_fid
        self._real_features = self._source_features = torch.empty(0, 0)
        if features is not None:
            self._real_features = _extract_features(features, targets)
            self._source_features = _extract_features(features, sources)
        nothing, real = self._measure_feature_baselines() if features is not None else ({}, {})
        nothing |= self._measure_pair_baselines()
        self._baselines = RouteEvaluation(
            route=route,
            sources=sum(map(len, sources)),
            targets=sum(map(len, targets)),
            available=available,
            pairs=sum(len(x) for x, _ in self._pairs),
            baselines={name: values for name, values in ((DO_NOTHING, nothing), (REAL, real)) if values},
            networks={} if features is None else {"features": features.name},
            notes=self._list_notes(),
        )

    @property
    def batch_count(self) -> int:
        """Number of batches that `measure` translates."""
        return sum(1 for _ in self._sources) + sum(1 for _ in self._pairs)

    @torch.no_grad()
    def measure(self, translate: Translate, translate_back: Translate | None = None) -> RouteEvaluation:
        """Measure `translate`, and with `translate_back` the reconstruction of the input.

        Gradients are not recorded and networks keep their mode. Random numbers come from a fixed seed and the global
        generators are restored, so equal weights give equal results. Raises DivergenceError if a translation has
        values that are not finite.
        """
        start = time.perf_counter()
        means = _Means()
        outputs = []
        with isolate_rng():
            for x in self._sources:
                y = self._require_finite(translate(x))
                a, b = _to_common_range(x, y)
                means.add("change", pair_metrics.l1(a, b))
                means.add("edge_similarity", pair_metrics.edge_correlation(a, b))
                if translate_back is not None:
                    means.add("cycle", pair_metrics.l1(*_to_common_range(x, self._require_finite(translate_back(y)))))
                if self._features is not None:
                    outputs.append(self._features(y))
            for x, truth in self._pairs:
                means.compare(self._require_finite(translate(x)), truth)
        values, errors = self._measure_features(torch.cat(outputs)) if outputs else ({}, {})
        return self._baselines.model_copy(
            update={
                "values": keep_finite(means.means() | values),
                "errors": keep_finite(errors),
                "seconds": time.perf_counter() - start,
            }
        )

    def _require_finite(self, y: Tensor) -> Tensor:
        if not torch.isfinite(y).all():
            raise DivergenceError(f"{self.route}: the translation has values that are not finite")
        return y.float()

    def _measure_features(self, outputs: Tensor) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """Measure the features of translations `outputs` (N, D); returns values and standard errors."""
        values: dict[str, float | None] = {"feature_similarity": _centered_cosine(self._source_features, outputs)}
        errors: dict[str, float | None] = {}
        if min(len(outputs), len(self._real_features)) >= 2:
            value, error = kid_metrics.kid_estimate(self._real_features, outputs)
            values["kid"], errors["kid"] = 1000 * value, 1000 * error
            if self._with_fid:
                values["fid"] = kid_metrics.fid(self._real_features, outputs)
        return values, errors

    def _measure_feature_baselines(self) -> tuple[dict[str, float], dict[str, float]]:
        """Measure untranslated inputs against real targets, and one half of the real targets against the other."""
        real, inputs = self._real_features, self._source_features
        nothing: dict[str, float] = {}
        halves: dict[str, float] = {}
        if min(len(real), len(inputs)) >= 2:
            nothing["kid"] = 1000 * kid_metrics.kid_estimate(real, inputs).value
        if len(real) >= 4:
            halves["kid"] = 1000 * kid_metrics.kid_of_real_halves(real)
        if self._with_fid and min(len(real), len(inputs)) >= 2:
            nothing["fid"] = kid_metrics.fid(real, inputs)
            if len(real) >= 4:
                order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
                halves["fid"] = kid_metrics.fid(real[order[::2]], real[order[1::2]])
        return nothing, halves

    def _measure_pair_baselines(self) -> dict[str, float]:
        means = _Means()
        for x, truth in self._pairs:
            means.compare(x, truth)
        return means.means()

    def _list_notes(self) -> tuple[str, ...]:
        if self._features is None:
            return (NO_FEATURES,)
        has_fid = self._with_fid and min(len(self._real_features), len(self._source_features)) >= 2
        bias = kid_metrics.explain_fid_bias(self._real_features, self._source_features) if has_fid else None
        return () if bias is None else (bias,)


class _Means:
    """Values per image of each metric, accumulated over batches, and their means."""

    def __init__(self) -> None:
        self._values: dict[str, list[Tensor]] = {}

    def add(self, name: str, values: Tensor) -> None:
        self._values.setdefault(name, []).append(values.cpu())

    def compare(self, image: Tensor, truth: Tensor) -> None:
        """Add the metrics of images against true translations, both (B, C, H, W) in [-1, 1]."""
        a, b = _to_common_range(image, truth)
        self.add("l1", pair_metrics.l1(a, b))
        self.add("psnr", pair_metrics.psnr(a, b))
        if min(a.shape[-2:]) >= pair_metrics.SSIM_WINDOW:
            self.add("ssim", pair_metrics.ssim(a, b))
        if min(a.shape[-2:]) >= pair_metrics.GAUSSIAN_SSIM_WINDOW:
            self.add("gaussian_ssim", pair_metrics.gaussian_ssim(a, b))

    def means(self) -> dict[str, float]:
        return {name: torch.cat(values).mean().item() for name, values in self._values.items()}


def _to_common_range(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Map two batches from [-1, 1] to [0, 1], on the device of `y`; gray is repeated if the other has color."""
    channels = max(x.shape[1], y.shape[1])
    a, b = ((t.float().clamp(-1, 1) + 1) / 2 for t in (x.to(y.device), y))
    return a.expand(-1, channels, -1, -1), b.expand(-1, channels, -1, -1)


def _extract_features(features: FeatureExtractor, batches: Iterable[Tensor]) -> Tensor:
    extracted = [features(batch) for batch in batches]
    return torch.cat(extracted) if extracted else torch.empty(0, features.dimensions)


def _centered_cosine(inputs: Tensor, outputs: Tensor) -> float | None:
    """Return the mean cosine similarity of features (N, D) of inputs and translations, each centered by its own mean.

    Centering removes properties that all items of a domain have (for example brightness). Untranslated inputs give 1,
    translations of other items about 0. Returns None for fewer than two items.
    """
    if len(inputs) < 2:
        return None
    return functional.cosine_similarity(inputs - inputs.mean(0), outputs - outputs.mean(0)).mean().item()

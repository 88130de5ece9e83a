"""Measurement of a route on held-out pictures: likeness to the target, content kept, and distance to the truth.

A route is a function from images to images, independent of methods, files and runs. The metrics and the baselines are
declared in `media.image.metrics`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from unpaired.devices import isolate_rng
from unpaired.errors import DivergenceError
from unpaired.media.image.feature_distance import FeatureDistance, FeatureExtractor, Values
from unpaired.media.image.metrics import CHANGE, KID, KID_ALEXNET, LINEAR, REAL, ST_LPIPS
from unpaired.metrics import paired as pair_metrics
from unpaired.metrics.base import DOING_NOTHING, RouteEvaluation, keep_finite
from unpaired.networks.rgb import describe_rgb

Translate = Callable[[Tensor], Tensor]
"""Function from images (B, C, H, W) in [-1, 1] to translations (B, C, H, W) in [-1, 1]."""
NO_FEATURES = "KID and content kept by features are missing: pip install 'unpaired[features]' adds the feature network."


@dataclass(frozen=True, eq=False)
class RouteFeatures:
    """Features (N, D) by one network of the inputs, of the real targets and of the translations of a route."""

    sources: Tensor
    targets: Tensor
    translations: Tensor


class PairedDistance(Protocol):
    """A perceptual distance of image pairs, as `features.PerceptualMetric`."""

    @property
    def name(self) -> str:
        """Name of the network for reports."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights file; empty if there is none."""

    def __call__(self, x: Tensor, y: Tensor, /) -> Tensor:
        """Return the distance (B,) of images (B, C, H, W) in [-1, 1]."""


class RouteEvaluator:
    """Evaluator of one route. It computes features of real images and baselines once, for any number of measurements.

    `sources` and `targets` are batches (B, C, H, W) in [-1, 1], `pairs` batches of sources and their true
    translations. Batch and image sizes may differ between batches. Each measurement iterates over them, so they must
    not be generators (TypeError). Without `features` there is no KID, FID or feature similarity; `second_features`
    gives the second KID, `perceptual` the perceptual distance of pairs. `available` is the number of items in the
    split, of which `sources` are some or all.

    `transfer` is the baseline of a linear color transfer; `known_linear` are its values if they were measured before.
    With `is_brief`, only its change is measured, which takes no network.
    """

    def __init__(
        self,
        sources: Iterable[Tensor],
        targets: Iterable[Tensor],
        pairs: Iterable[tuple[Tensor, Tensor]] | None = None,
        features: FeatureExtractor | None = None,
        *,
        second_features: FeatureExtractor | None = None,
        perceptual: PairedDistance | None = None,
        transfer: Translate | None = None,
        known_linear: Mapping[str, float] | None = None,
        is_brief: bool = False,
        route: str = "source -> target",
        with_fid: bool = False,
        available: int = 0,
        notes: Sequence[str] = (),
    ) -> None:
        for name, batches in (("sources", sources), ("targets", targets), ("pairs", pairs)):
            if isinstance(batches, Iterator):
                raise TypeError(f"{name} is a generator, used up after one pass; expected a list or the like")
        self.route = route
        self._sources, self._pairs, self._perceptual = sources, pairs or (), perceptual
        self._distances = [
            FeatureDistance(metric, network, sources, targets, with_fid and metric is KID)
            for metric, network in ((KID, features), (KID_ALEXNET, second_features))
            if network is not None
        ]
        networks = {"features": features, "second features": second_features, "ST-LPIPS": perceptual}
        used = {what: network for what, network in networks.items() if network is not None}
        self._baselines = RouteEvaluation(
            route=route,
            sources=sum(map(len, sources)),
            targets=sum(map(len, targets)),
            available=available,
            pairs=sum(len(x) for x, _ in self._pairs),
            networks={what: network.name for what, network in used.items()},
            digests={what: network.digest for what, network in used.items() if network.digest},
            notes=(*self._list_notes(), *notes),
        )
        baselines = self._measure_baselines()
        if known_linear is not None:
            baselines[LINEAR] = dict(known_linear)
        elif transfer is not None:
            baselines[LINEAR] = self._measure_transfer(transfer, is_brief)
        self._baselines.baselines.update({name: values for name, values in baselines.items() if values})

    @property
    def batch_count(self) -> int:
        """Number of batches that `measure` translates."""
        return sum(1 for _ in self._sources) + sum(1 for _ in self._pairs)

    def measure(self, translate: Translate, translate_back: Translate | None = None) -> RouteEvaluation:
        """Measure `translate`, and with `translate_back` the reconstruction of the input.

        Gradients are not recorded and networks keep their mode. Random numbers come from a fixed seed and the global
        generators are restored, so equal weights give equal results. Raises DivergenceError if a translation has
        values that are not finite.
        """
        return self.measure_with_features(translate, translate_back)[0]

    @torch.no_grad()
    def measure_with_features(
        self, translate: Translate, translate_back: Translate | None = None
    ) -> tuple[RouteEvaluation, RouteFeatures | None]:
        """Measure as `measure` does; also returns the features by the first network, None without it."""
        start = time.perf_counter()
        values, errors, outputs = self._measure(translate, translate_back)
        evaluation = self._baselines.model_copy(
            update={
                "values": keep_finite(values),
                "errors": keep_finite(errors),
                "seconds": time.perf_counter() - start,
            }
        )
        first = next((d for d in self._distances if d.metric is KID and KID.name in outputs), None)
        features = None if first is None else RouteFeatures(first.sources, first.real, outputs[KID.name])
        return evaluation, features

    def _measure(
        self, translate: Translate, translate_back: Translate | None = None
    ) -> tuple[Values, Values, dict[str, Tensor]]:
        """Return the values of all metrics, the standard errors of some, and features of translations by KID."""
        means = _Means(self._perceptual)
        outputs: list[list[Tensor]] = [[] for _ in self._distances]
        with isolate_rng():
            for x in self._sources:
                y = self._require_finite(translate(x))
                a, b = _to_common_range(x, y)
                means.add(CHANGE.name, pair_metrics.l1(a, b))
                means.add("edge_similarity", pair_metrics.edge_correlation(a, b))
                if translate_back is not None:
                    means.add("cycle", pair_metrics.l1(*_to_common_range(x, self._require_finite(translate_back(y)))))
                for distance, parts in zip(self._distances, outputs, strict=True):
                    parts.append(distance.network(y))
            for x, truth in self._pairs:
                means.compare(self._require_finite(translate(x)), truth)
        values: Values = dict(means.means())
        errors: Values = {}
        features = {d.metric.name: torch.cat(parts) for d, parts in zip(self._distances, outputs, strict=True) if parts}
        for distance in self._distances:
            if distance.metric.name in features:
                found, found_errors = distance.measure(features[distance.metric.name])
                values |= found
                errors |= found_errors
                if distance.metric is KID:
                    values["feature_similarity"] = distance.measure_similarity(features[KID.name])
        return values, errors, features

    def _require_finite(self, y: Tensor) -> Tensor:
        if not torch.isfinite(y).all():
            raise DivergenceError(f"{self.route}: the translation has values that are not finite")
        return y.float()

    def _measure_baselines(self) -> dict[str, dict[str, float]]:
        """Measure doing nothing, and the real targets against each other."""
        means = _Means(self._perceptual)
        for x, truth in self._pairs:
            means.compare(x, truth)
        nothing: dict[str, float] = {}
        real: dict[str, float] = {}
        for distance in self._distances:
            found, found_real = distance.measure_baselines()
            nothing |= found
            real |= found_real
        return {DOING_NOTHING: nothing | means.means(), REAL: real}

    @torch.no_grad()
    def _measure_transfer(self, transfer: Translate, is_brief: bool) -> dict[str, float]:
        if not is_brief:
            return keep_finite(self._measure(transfer)[0])
        means = _Means()
        for x in self._sources:
            means.add(CHANGE.name, pair_metrics.l1(*_to_common_range(x, transfer(x))))
        return means.means()

    def _list_notes(self) -> tuple[str, ...]:
        channels = next((len(batch[0]) for batch in self._sources if len(batch)), 3)
        shown = describe_rgb(channels)
        selection = (
            f"KID, FID, ST-LPIPS and content kept by features see {shown}; other metrics all {channels} channels"
        )
        return (*self._list_feature_notes(), *([selection] if shown else []))

    def _list_feature_notes(self) -> tuple[str, ...]:
        if not any(distance.metric is KID for distance in self._distances):
            return (NO_FEATURES,)
        biases = (distance.explain_bias() for distance in self._distances)
        return tuple(bias for bias in biases if bias is not None)


class _Means:
    """Values per image of each metric, accumulated over batches, and their means."""

    def __init__(self, perceptual: PairedDistance | None = None) -> None:
        self._values: dict[str, list[Tensor]] = {}
        self._perceptual = perceptual

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
        if self._perceptual is not None:
            self.add(ST_LPIPS.name, self._perceptual(2 * a - 1, 2 * b - 1))

    def means(self) -> dict[str, float]:
        return {name: torch.cat(values).mean().item() for name, values in self._values.items()}


def _to_common_range(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Map two batches from [-1, 1] to [0, 1], on the device of `y`; gray is repeated if the other has color."""
    channels = max(x.shape[1], y.shape[1])
    a, b = ((t.float().clamp(-1, 1) + 1) / 2 for t in (x.to(y.device), y))
    return a.expand(-1, channels, -1, -1), b.expand(-1, channels, -1, -1)

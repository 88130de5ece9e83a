"""Distances of translations to their nearest training items."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

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

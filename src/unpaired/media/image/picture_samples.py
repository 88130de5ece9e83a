"""Samples of training pictures: what decides settings from the data, and the distance of the domains' intensities."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from unpaired.data.batches import iterate_items
from unpaired.data.domain import Domain
from unpaired.data.split import DomainSplits
from unpaired.media.image.transform import ImageTransform
from unpaired.metrics.color_transfer import fit_color_transfer, measure_colors

MAX_ITEMS = 200
"""Maximum number of training pictures per domain."""
MAX_SIDE = 64
"""Maximum number of rows and columns of a picture; of larger pictures, every k-th is taken."""
NUM_CELLS = 16
"""Rows and columns of the grid of cells."""


class PictureSample(NamedTuple):
    """Training pictures of a domain: `pixels` (N, C, H, W) for their colors, `cells` for their composition.

    `pixels` are every k-th row and column. `cells` (N, C, NUM_CELLS, NUM_CELLS) are means over a grid that is
    symmetric for pictures of any size. Both are in [-1, 1].
    """

    pixels: Tensor
    cells: Tensor


def sample_pictures(
    domains: Sequence[Domain], splits: Sequence[DomainSplits], transform: ImageTransform
) -> list[PictureSample]:
    """Return samples of the first training pictures of each domain."""
    samples = []
    for domain, split in zip(domains, splits, strict=True):
        indices = range(min(MAX_ITEMS, len(split.train)))
        pictures = (item.tensor for item in iterate_items(split.train, domain, transform, indices))
        reduced = [(_thin_out(picture), F.adaptive_avg_pool2d(picture, NUM_CELLS)) for picture in pictures]
        samples.append(PictureSample(*(torch.stack(tensors) for tensors in zip(*reduced, strict=True))))
    return samples


def _thin_out(picture: Tensor) -> Tensor:
    step = -(-max(picture.shape[1:]) // MAX_SIDE)
    return picture[:, ::step, ::step].clone()


def measure_distance(samples: Sequence[PictureSample], *, after_transfer: bool) -> float:
    """Return the Wasserstein distance of the domains' intensity histograms, as a fraction of the range.

    It is the mean over channels; of all pairs of domains in both directions, the largest. With `after_transfer`, it is
    what remains after a linear color transfer.
    """
    colors = [measure_colors([sample.pixels]) for sample in samples] if after_transfer else None
    quantiles = [_measure_quantiles(sample.pixels) for sample in samples]
    distances = []
    for source, target in itertools.permutations(range(len(samples)), 2):
        moved = quantiles[source]
        if colors:
            moved = _measure_quantiles(fit_color_transfer(colors[source], colors[target])(samples[source].pixels))
        distances.append(float(np.abs(moved - quantiles[target]).mean()) / 2)
    return max(distances)


def _measure_quantiles(pixels: Tensor) -> NDArray[np.float64]:
    """(N, C, H, W) -> quantiles (100, C) from 0.5 to 99.5 % of each channel's values."""
    values = pixels.transpose(0, 1).flatten(1).numpy()
    return np.asarray(np.quantile(values, np.linspace(0.005, 0.995, 100), axis=1))

"""Whether to mirror training pictures: letters, faces lit from one side and aligned scans have a preferred side."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_P_VALUE = 0.001
"""A domain has a preferred side if chance gives as much asymmetry at most this often."""
FEW_PICTURES, MIN_NOVELTY = 400, 0.9
"""Below this number of pictures, mirror images prevent overfitting, if they are about as new as other pictures."""
NUM_DRAWS = 9999


def find_sided_domains(samples: Sequence[Tensor], smallest_count: int) -> list[int]:
    """Return the indices of the domains for whose sake no picture should be mirrored.

    `samples` has pictures (N, C, H, W) of each domain, reduced to a grid of means, since both measures concern
    composition, not texture. The smallest domain has `smallest_count` training pictures.
    """
    if smallest_count < FEW_PICTURES and all(measure_novelty(sample) >= MIN_NOVELTY for sample in samples):
        return []
    return [i for i, sample in enumerate(samples) if compute_mirror_p_value(sample) <= MAX_P_VALUE]


def measure_novelty(pictures: Tensor) -> float:
    """Return E|x - mirrored x|^2 / E|x - y|^2 for pictures x and y of a sample (N, C, H, W); N is at least 2.

    It is 0 if all pictures are symmetric, and 1 if a picture differs from its mirror image as from another picture.
    """
    spread = 2 * pictures.var(0).mean()
    return float((pictures - pictures.flip(3)).square().mean() / spread) if spread else 0.0


def compute_mirror_p_value(pictures: Tensor, seed: int = 0) -> float:
    """Return the p-value (0 to 1) of the hypothesis that the mirror images of pictures (N, C, H, W) are as likely.

    A randomization test, exact for any N: mirroring a picture negates the difference d from its mirror image, so under
    the hypothesis all signs s of the N differences are equally likely. The statistic is |sum_i s_i d_i / |d_i||^2.
    """
    differences = F.normalize((pictures - pictures.flip(3)).flatten(1), dim=1)
    products = differences @ differences.T
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (NUM_DRAWS, len(pictures)), generator=generator).float() * 2 - 1
    drawn = (signs @ products * signs).sum(1)
    # A sum of rounded products: equal statistics, as those of symmetric pictures, may differ in the last digits.
    as_large = drawn >= products.sum() - 1e-5 * len(pictures)
    return float((1 + as_large.sum()) / (1 + NUM_DRAWS))

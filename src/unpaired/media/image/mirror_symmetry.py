"""Test whether a domain's pictures have a preferred side: letters, faces lit from one side, aligned scans."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_P_VALUE = 0.001
"""A domain has a preferred side if chance gives as much asymmetry at most this often."""
GRID = 16
"""Rows and columns that a picture is reduced to: the test concerns its composition, not its texture."""
NUM_DRAWS = 9999


def has_preferred_side(sample: Tensor) -> bool:
    """Whether pictures (N, C, H, W) differ from their mirror images by more than chance."""
    return compute_mirror_p_value(sample) <= MAX_P_VALUE


def compute_mirror_p_value(sample: Tensor, seed: int = 0) -> float:
    """Return the p-value (0 to 1) of the hypothesis that the mirror images of pictures (N, C, H, W) are as likely.

    A randomization test, exact for any N: mirroring a picture negates the difference d from its mirror image, so under
    the hypothesis all signs s of the N differences are equally likely. The statistic is |sum_i s_i d_i / |d_i||^2.
    """
    pictures = F.adaptive_avg_pool2d(sample.float(), GRID)
    differences = F.normalize((pictures - pictures.flip(3))[..., : GRID // 2].flatten(1), dim=1)
    products = differences @ differences.T
    generator = torch.Generator().manual_seed(seed)
    signs = torch.randint(0, 2, (NUM_DRAWS, len(sample)), generator=generator).float() * 2 - 1
    drawn = (signs @ products * signs).sum(1)
    # A sum of rounded products: equal statistics, as those of symmetric pictures, may differ in the last digits.
    as_large = drawn >= products.sum() - 1e-5 * len(sample)
    return float((1 + as_large.sum()) / (1 + NUM_DRAWS))

"""Smoothness terms: how much an image changes from pixel to pixel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def total_variation(x: Tensor) -> Tensor:
    """`mean(sqrt(r^2 + d^2))` of the differences r to the pixel right and d to the one below, of (B, C, H, W).

    L_TV of Taigman et al. 2017, sec. 4, with B = 1, as a mean. Pixels at the right and lower border have one of them.
    """
    x = upcast(x)
    right = F.pad(x[..., :, 1:] - x[..., :, :-1], (0, 1, 0, 0))
    down = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    # Unlike the root of a sum of squares, the norm has a gradient at zero.
    gradient_norm: Tensor = torch.linalg.vector_norm(torch.stack((right, down)), dim=0)
    return gradient_norm.mean()

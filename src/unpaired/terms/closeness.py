"""Closeness terms: how far two images are apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.terms.adversarial import wide


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of two tensors of one shape."""
    return (wide(x) - wide(y)).abs().mean()


def squared(x: Tensor, y: Tensor) -> Tensor:
    """`mean((x - y)^2)` of two tensors of one shape."""
    return (wide(x) - wide(y)).square().mean()


def smooth_l1(x: Tensor, y: Tensor) -> Tensor:
    """`mean(d^2 / 2 where |d| < 1, else |d| - 1/2)` of the differences d (Girshick 2015, eq. 3)."""
    return F.smooth_l1_loss(wide(x), wide(y))


def matched(some: Sequence[Tensor], others: Sequence[Tensor]) -> Tensor:
    """Squared distance of the mean features of two batches: the sum over layers of `mean((mean_B f - mean_B g)^2)`.

    Each layer is (B, ...) of one shape in both (Salimans et al. 2016, sec. 3.1, as DiscoGAN's authors have it).
    """
    pairs = zip(some, others, strict=True)
    return torch.stack([(wide(f).mean(0) - wide(g).mean(0)).square().mean() for f, g in pairs]).sum()

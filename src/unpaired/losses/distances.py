"""Closeness terms: how far two images are apart."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Mean absolute difference of two tensors of one shape."""
    return (upcast(x) - upcast(y)).abs().mean()


def mse(x: Tensor, y: Tensor) -> Tensor:
    """`mean((x - y)^2)` of two tensors of one shape."""
    return (upcast(x) - upcast(y)).square().mean()


def smooth_l1(x: Tensor, y: Tensor) -> Tensor:
    """`mean(d^2 / 2 where |d| < 1, else |d| - 1/2)` of the differences d (Girshick 2015, eq. 3)."""
    return F.smooth_l1_loss(upcast(x), upcast(y))


def feature_matching(features_a: Sequence[Tensor], features_b: Sequence[Tensor]) -> Tensor:
    """Squared distance of the mean features of two batches: the sum over layers of `mean((mean_B f - mean_B g)^2)`.

    Each layer is (B, ...) of one shape in both (Salimans et al. 2016, sec. 3.1, as DiscoGAN's authors have it).
    """
    pairs = zip(features_a, features_b, strict=True)
    return torch.stack([(upcast(f).mean(0) - upcast(g).mean(0)).square().mean() for f, g in pairs]).sum()

"""Distances between tensors: L1, squared, smooth L1, and feature matching."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def l1(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean absolute difference of two tensors of the same shape."""
    return (upcast(x) - upcast(y)).abs().mean()


def mse(x: Tensor, y: Tensor) -> Tensor:
    """Return `mean((x - y)^2)` of two tensors of the same shape."""
    return (upcast(x) - upcast(y)).square().mean()


def smooth_l1(x: Tensor, y: Tensor) -> Tensor:
    """Return the mean of `d^2 / 2 if |d| < 1 else |d| - 1/2` over the differences d (Girshick 2015, eq. 3)."""
    return F.smooth_l1_loss(upcast(x), upcast(y))


def feature_matching(features_a: Sequence[Tensor], features_b: Sequence[Tensor]) -> Tensor:
    """Return the squared distance of batch-mean features: the sum over layers of `mean((mean_B f - mean_B g)^2)`.

    The features of a layer are (B, ...), of the same shape in both batches (Salimans et al. 2016, sec. 3.1, in the form
    of DiscoGAN's authors).
    """
    pairs = zip(features_a, features_b, strict=True)
    return torch.stack([(upcast(f).mean(0) - upcast(g).mean(0)).square().mean() for f, g in pairs]).sum()

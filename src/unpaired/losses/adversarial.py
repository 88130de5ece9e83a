"""Adversarial losses of generators and discriminators, on discriminator scores."""

from __future__ import annotations

from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

AdversarialLoss = Literal["lsgan", "bce", "hinge"]
AnyAdversarialLoss = Literal[AdversarialLoss, "wgan"]


def upcast(x: Tensor) -> Tensor:
    """Convert half precision to float32; half precision loses small differences between scores."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def generator_loss(scores: Tensor, kind: AnyAdversarialLoss = "lsgan") -> Tensor:
    """Return the generator's loss: the discriminator's `scores` (any shape) of generated items should be "real".

    lsgan: `mean((D - 1)^2)` (Mao et al. 2017, eq. 9 with a = 0, b = c = 1; without the factor 1/2, as in CycleGAN);
    bce: `-mean(log sigmoid(D))`, non-saturating (Goodfellow et al. 2014, sec. 3); hinge: `-mean(D)` (Lim and Ye 2017);
    wgan: `-mean(D)` of an unbounded discriminator (Arjovsky et al. 2017, arXiv:1701.07875).
    """
    scores = upcast(scores)
    if kind == "lsgan":
        return (scores - 1).square().mean()
    if kind == "bce":
        return F.softplus(-scores).mean()
    return -scores.mean()


def discriminator_loss(real: Tensor, fake: Tensor, kind: AnyAdversarialLoss = "lsgan") -> Tensor:
    """Return the discriminator's loss from its scores of `real` and `fake` items (any shapes).

    lsgan: `mean((D_r - 1)^2) + mean(D_f^2)`; bce: `-mean(log sigmoid(D_r)) - mean(log(1 - sigmoid(D_f)))`;
    hinge: `mean(max(0, 1 - D_r)) + mean(max(0, 1 + D_f))`; wgan: `mean(D_f) - mean(D_r)`, which needs a Lipschitz
    constraint on the discriminator (`Player.weight_clip`, or `gradient_penalty`).
    """
    real, fake = upcast(real), upcast(fake)
    if kind == "lsgan":
        return (real - 1).square().mean() + fake.square().mean()
    if kind == "bce":
        return F.softplus(-real).mean() + F.softplus(fake).mean()
    if kind == "wgan":
        return fake.mean() - real.mean()
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()

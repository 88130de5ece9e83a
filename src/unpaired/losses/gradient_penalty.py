"""Gradient penalty: the Lipschitz constraint of Wasserstein discriminators."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unpaired.losses.adversarial import upcast


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Return `mean((|grad D(x)| - 1)^2)` at random points x between real and fake items (Gulrajani et al. 2017, eq. 3).

    `real` and `fake` are (B, ...) of the same shape. `discriminator` returns scores (B, ...), whose sum per item is D,
    as in the authors' code of the methods that use it with patch discriminators; to constrain the mean, pass a function
    that returns the mean. The penalty is computed on a detached copy in float32 or wider, since second derivatives are
    inaccurate in half precision, and in eager mode, since compiled networks have no second derivatives.
    """
    real, fake = upcast(real.detach()), upcast(fake.detach())
    alpha = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_()
    with torch.autocast(real.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
        (gradient,) = torch.autograd.grad(discriminator(interpolates).sum(), interpolates, create_graph=True)
    gradient_norm: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (gradient_norm - 1).square().mean()

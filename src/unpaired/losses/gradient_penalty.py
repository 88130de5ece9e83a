"""Penalties on a critic's slope: what keeps a Wasserstein critic a fair judge of distance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unpaired.losses.adversarial import upcast


def gradient_penalty(discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """`mean((|grad D(x)| - 1)^2)` at points x drawn between each real and its fake (Gulrajani et al. 2017, eq. 3).

    `real` and `fake` are (B, ...) of one shape; `critic` gives scores (B, ...), whose sum per item is D, as in the
    authors' code of the methods that use it with patches. Where the mean is to be bounded, pass a critic that takes it.
    Everything is computed in float32 or wider, on a detached copy, and by plain layers also where the critic is
    compiled: a second derivative is lost in half precision, and compiled code has none.
    """
    real, fake = upcast(real.detach()), upcast(fake.detach())
    alpha = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
    interpolates = (alpha * real + (1 - alpha) * fake).requires_grad_()
    with torch.autocast(real.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
        (gradient,) = torch.autograd.grad(discriminator(interpolates).sum(), interpolates, create_graph=True)
    gradient_norm: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return (gradient_norm - 1).square().mean()

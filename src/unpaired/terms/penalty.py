"""Penalties on a critic's slope: what keeps a Wasserstein critic a fair judge of distance."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from unpaired.terms.adversarial import wide


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """`mean((|grad D(x)| - 1)^2)` at points x drawn between each real and its fake (Gulrajani et al. 2017, eq. 3).

    `real` and `fake` are (B, ...) of one shape; `critic` gives scores (B, ...), whose sum per item is D, as in the
    authors' code of the methods that use it with patches. Where the mean is to be bounded, pass a critic that takes it.
    Everything is computed in float32 or wider, on a detached copy, and by plain layers also where the critic is
    compiled: a second derivative is lost in half precision, and compiled code has none.
    """
    real, fake = wide(real.detach()), wide(fake.detach())
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=real.dtype)
    between = (share * real + (1 - share) * fake).requires_grad_()
    with torch.autocast(real.device.type, enabled=False), torch.compiler.set_stance("force_eager"):
        (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    steepness: Tensor = torch.linalg.vector_norm(slope.flatten(1), dim=1)
    return (steepness - 1).square().mean()

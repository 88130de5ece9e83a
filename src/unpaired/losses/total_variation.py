"""Total variation loss."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast


def total_variation(x: Tensor) -> Tensor:
    """Return `mean(sqrt(r^2 + d^2))`, r and d being the differences to the right and lower neighbors in (B, C, H, W).

    This is L_TV of Taigman et al. 2017, sec. 4, with B = 1, as a mean. Differences across the border count as 0.
    """
    x = upcast(x)
    right = F.pad(x[..., :, 1:] - x[..., :, :-1], (0, 1, 0, 0))
    down = F.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))
    # Unlike sqrt(r^2 + d^2), vector_norm has a finite gradient at zero.
    gradient_norm: Tensor = torch.linalg.vector_norm(torch.stack((right, down)), dim=0)
    return gradient_norm.mean()

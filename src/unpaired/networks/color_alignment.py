"""A fixed map of colors in front of a generator."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class ColorAlignment(nn.Module):
    """Fixed affine map of the channels of each pixel, clamped to [-1, 1]: a linear color transfer in float32.

    It has no parameters, and no entry in the state dict: it is built from the configuration.

    Args:
        matrix: (C, C).
        offset: (C).
    """

    matrix: Tensor
    offset: Tensor

    def __init__(self, matrix: Tensor, offset: Tensor) -> None:
        super().__init__()
        self.register_buffer("matrix", matrix.float()[:, :, None, None], persistent=False)
        self.register_buffer("offset", offset.float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> float32 of the same shape, in [-1, 1]."""
        # bfloat16 would round colors to about 1/256 of the range.
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x.float(), self.matrix, self.offset).clamp(-1, 1)

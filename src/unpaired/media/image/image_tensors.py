"""Conversion of tensors of pictures to raw values, for grids, reports and samples."""

from __future__ import annotations

from torch import Tensor

from unpaired.media.image.image_io import FloatArray, from_network_values


def from_tensor(tensor: Tensor, low: float, high: float, is_color: bool) -> FloatArray:
    """Convert (C, H, W) in [-1, 1] to raw values (H, W, 3 if `is_color` else 1) in `low`..`high`, clamped."""
    return from_network_values(tensor.detach().float().cpu().numpy(), low, high, is_color)

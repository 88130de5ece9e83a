"""Conversion of tensors of pictures to gray or RGB values, for grids and reports."""

from __future__ import annotations

from torch import Tensor

from unpaired.media.image.image_io import FloatArray, from_network_values
from unpaired.networks.rgb import to_rgb


def from_tensor(tensor: Tensor, low: float, high: float, is_color: bool) -> FloatArray:
    """Convert (C, H, W) in [-1, 1] to raw values (H, W, 3 if `is_color` else 1) in `low`..`high`, clamped.

    Tensors of neither 1 nor 3 channels become RGB by `to_rgb`.
    """
    if tensor.shape[0] not in (1, 3):
        tensor, is_color = to_rgb(tensor[None])[0], True
    return from_network_values(tensor.detach().float().cpu().numpy(), low, high, is_color)

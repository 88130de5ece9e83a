"""Temporal consistency of translations, from single images: the translation of a moved image should move likewise."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from unpaired.losses.adversarial import upcast

MAX_SHIFT = 4.0
"""Largest shift of a random motion, in pixels: it covers every phase of networks that halve the image twice."""
MAX_ROTATION = math.radians(2)
MAX_ZOOM = 0.03
"""Largest rotation in radians and largest relative change of size of a random motion."""


def sample_motions(count: int, height: int, width: int) -> Tensor:
    """Draw small random shifts, rotations and zooms from the global CPU generator.

    Returns affine maps (count, 2, 3) from positions (x, y, 1) of the moved image to positions (x, y) of the image; both
    range from -1 to 1, the outer edges of the first and the last pixel.
    """
    shift_x, shift_y, rotation, zoom = (2 * torch.rand(4, count, dtype=torch.float64) - 1).unbind()
    cosine = (1 + MAX_ZOOM * zoom) * (MAX_ROTATION * rotation).cos()
    sine = (1 + MAX_ZOOM * zoom) * (MAX_ROTATION * rotation).sin()
    across = torch.stack((cosine, -sine * height / width, 2 * MAX_SHIFT * shift_x / width), dim=1)
    down = torch.stack((sine * width / height, cosine, 2 * MAX_SHIFT * shift_y / height), dim=1)
    return torch.stack((across, down), dim=1)


def find_inside(grid: Tensor) -> Tensor:
    """Return a mask (B, 1, H, W) that is 1 where the positions (B, H, W, 2) are inside the image, else 0."""
    return (grid.abs() <= 1).all(dim=3)[:, None].to(grid)


def compute_grid(motions: Tensor, height: int, width: int) -> Tensor:
    """Return the positions (B, H, W, 2) in an image that the pixels of the moved image show.

    `F.affine_grid` computes the same, but with a matrix product, which autocast would round to half precision.
    """
    across = (2 * torch.arange(width, dtype=motions.dtype) + 1) / width - 1
    down = (2 * torch.arange(height, dtype=motions.dtype) + 1) / height - 1
    for_x, for_y, offset = motions[:, None, None].unbind(dim=-1)
    return for_x * across[:, None] + for_y * down[:, None, None] + offset


def compute_flow_grid(flow: Tensor) -> Tensor:
    """Return the positions (B, H, W, 2) from -1 to 1 that a flow (B, 2, H, W), in pixels along x and y, leads to."""
    height, width = flow.shape[2:]
    across = torch.arange(width, dtype=flow.dtype, device=flow.device) + flow[:, 0]
    down = torch.arange(height, dtype=flow.dtype, device=flow.device)[:, None] + flow[:, 1]
    return torch.stack(((2 * across + 1) / width - 1, (2 * down + 1) / height - 1), dim=3)


def warp_images(x: Tensor, grid: Tensor) -> Tensor:
    """Return the values of images (B, C, H, W) at positions (B, H, W, 2), with bicubic interpolation.

    Outside, an image is mirrored at its border.
    """
    x = upcast(x)
    return F.grid_sample(x, grid.to(x), mode="bicubic", padding_mode="reflection", align_corners=False)


def temporal_consistency(x: Tensor, y: Tensor, mask: Tensor) -> Tensor:
    """Return the mean absolute difference of `x` and `y` (B, C, H, W) where `mask` (B, 1, H, W) is 1.

    With x = T(f(z)) and y = f(T(z)) for a translation f and a motion T, it is the transform invariance of Eilertsen et
    al. 2019, arXiv:1902.10424, with an absolute difference.
    """
    total = ((upcast(x) - upcast(y)).abs() * mask).sum()
    return total / (x.shape[1] * mask.sum()).clamp(min=1)

"""Differentiable augmentation of the discriminator's input (Zhao et al. 2020, arXiv:2006.10738)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.networks.image_settings import AugmentPolicy


def random_color(x: Tensor) -> Tensor:
    """Change brightness (+- 0.5), saturation (factor 0..2) and contrast (factor 0.5..1.5), drawn per item.

    (B, C, H, W) -> the same shape. Saturation does not change gray images. A discriminator that sees only augmented
    images cannot judge brightness or contrast.
    """
    uniform = torch.rand(3, len(x), 1, 1, 1, device=x.device, dtype=x.dtype)
    x = x + (uniform[0] - 0.5)
    gray = x.mean(1, keepdim=True)
    x = gray + (x - gray) * (uniform[1] * 2)
    mean = x.mean((1, 2, 3), keepdim=True)
    return mean + (x - mean) * (uniform[2] + 0.5)


def random_translation(x: Tensor, ratio: float = 0.125) -> Tensor:
    """Shift each item of (B, C, H, W) by up to `ratio` of its size in each direction; fill the border with zeros."""
    b, _, h, w = x.shape
    dh, dw = int(h * ratio + 0.5), int(w * ratio + 0.5)
    down = torch.randint(-dh, dh + 1, (b, 1), device=x.device)
    right = torch.randint(-dw, dw + 1, (b, 1), device=x.device)
    rows = (torch.arange(h, device=x.device) + down + 1).clamp(0, h + 1)
    columns = (torch.arange(w, device=x.device) + right + 1).clamp(0, w + 1)
    padded = F.pad(x, (1, 1, 1, 1))
    items = torch.arange(b, device=x.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[items, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def random_cutout(x: Tensor, ratio: float = 0.5) -> Tensor:
    """Set a rectangle of `ratio` of the height and width to zero in each item; its center is anywhere in the image."""
    b, _, h, w = x.shape
    ch, cw = int(h * ratio + 0.5), int(w * ratio + 0.5)
    top = torch.randint(0, h + (1 - ch % 2), (b, 1), device=x.device) - ch // 2
    left = torch.randint(0, w + (1 - cw % 2), (b, 1), device=x.device) - cw // 2
    rows, columns = torch.arange(h, device=x.device), torch.arange(w, device=x.device)
    in_rows = (rows >= top) & (rows < top + ch)
    in_columns = (columns >= left) & (columns < left + cw)
    hole = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    return x.masked_fill(hole, 0.0)


POLICIES = {"color": random_color, "translation": random_translation, "cutout": random_cutout}


class Augment(nn.Module):
    """Apply the policies in training mode, with a new random draw per item and call; return the input in eval mode."""

    def __init__(self, policies: Sequence[AugmentPolicy]) -> None:
        super().__init__()
        self.policies = tuple(policies)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] -> the same shape."""
        if self.training:
            for policy in self.policies:
                x = POLICIES[policy](x)
        return x

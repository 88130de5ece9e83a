"""Masking of spans of frames in voice features, and generators that fill them in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unpaired.networks.blocks import FeatureCollector, FeatureModule, forward_collecting


class MaskedInfilling(FeatureModule):
    """Pass voice features and their mask to a network; without a mask, all frames count as visible."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, 1, Q, T), or with a mask from `mask_frames` (B, 2, Q, T) -> the network's output for (B, 2, Q, T)."""
        return forward_collecting(self.net, torch.cat((x, torch.ones_like(x)), 1) if x.shape[1] == 1 else x, collector)


def mask_frames(x: Tensor, max_fraction: float) -> Tensor:
    """Set one span of frames to zero in each item (B, 1, Q, T), and concatenate the mask: (B, 2, Q, T).

    The mask is 0 in the span and 1 elsewhere. The length of a span is uniform between 0 and `max_fraction` of the
    frames, and its position is uniform. If `max_fraction` is 0, `x` is returned unchanged, without a mask.
    """
    if not max_fraction:
        return x
    count, rows, frames = len(x), *x.shape[2:]
    length = torch.randint(round(max_fraction * frames) + 1, (count, 1), device=x.device)
    start = (torch.rand(count, 1, device=x.device) * (frames - length + 1)).long()
    positions = torch.arange(frames, device=x.device)
    mask = ((positions < start) | (positions >= start + length)).to(x)[:, None, None].expand(-1, 1, rows, -1)
    return torch.cat((x * mask, mask), 1)

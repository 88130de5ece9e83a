"""Voices of which a span is hidden, and networks that fill it in."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from unpaired.networks.blocks import FeatureCollector, FeatureModule, forward_collecting


class MaskedInfilling(FeatureModule):
    """A network of voices that is told which frames it sees: all of them, unless it is given what `hide` gives."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, 1, Q, T), or that joined with its mask (B, 2, Q, T) -> what the network gives for (B, 2, Q, T)."""
        return forward_collecting(self.net, torch.cat((x, torch.ones_like(x)), 1) if x.shape[1] == 1 else x, collector)


def mask_frames(x: Tensor, max_fraction: float) -> Tensor:
    """Zero one span of frames of each voice (B, 1, Q, T), and join the mask, 0 there and else 1: (B, 2, Q, T).

    A span is of 0 to `most` of the frames, each length and each place of it alike. With `most` 0 voices stay (B, 1, Q,
    T), as they are.
    """
    if not max_fraction:
        return x
    count, rows, frames = len(x), *x.shape[2:]
    length = torch.randint(round(max_fraction * frames) + 1, (count, 1), device=x.device)
    start = (torch.rand(count, 1, device=x.device) * (frames - length + 1)).long()
    positions = torch.arange(frames, device=x.device)
    mask = ((positions < start) | (positions >= start + length)).to(x)[:, None, None].expand(-1, 1, rows, -1)
    return torch.cat((x * mask, mask), 1)

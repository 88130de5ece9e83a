"""Encoders and decoders that begin at the identity, so that no budget is spent on learning to reconstruct."""

from __future__ import annotations

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.networks.blocks import Kept, ResidualBlock, Role, Traced, affine, conv, norm, nothing_yet, trace
from unpaired.networks.generator import Blur, light_down, light_up
from unpaired.networks.labelled import joined
from unpaired.settings import Norm, Padding

BLOCK = 4
"""A code has a place for so many pixels squared: a quarter of the resolution."""


def cosines(channels: int, most: int) -> Tensor:
    """The first `most` functions of the cosine transform of a block, slow ones first: (K, channels, 4, 4).

    JPEG's type-II transform of 4 x 4 pixels, orthonormal, of each channel by itself; K = min(most, 16 channels). Where
    that is all of them, a convolution of stride 4 by them keeps everything, and its transpose is the way back.
    """
    count = torch.arange(BLOCK, dtype=torch.float64)
    waves = F.normalize(torch.cos(torch.outer(count, count + 0.5) * math.pi / BLOCK), dim=1)
    order = sorted(((u, v) for u in range(BLOCK) for v in range(BLOCK)), key=lambda uv: (sum(uv), uv))
    found = torch.zeros(len(order), channels, channels, BLOCK, BLOCK)
    for i, (u, v) in enumerate(order):
        for c in range(channels):
            found[i, c, c] = torch.outer(waves[u], waves[v])
    return found.flatten(0, 1)[:most]


class PictureCode(Traced):
    """An encoder: the picture's cosines as the first channels, plus what `net` adds, which at the start is nothing."""

    taps: Tensor

    def __init__(self, net: nn.Module, channels: int, code: int) -> None:
        super().__init__()
        self.net, self.code = net, code
        self.last = nothing_yet(nn.Conv2d(code, code, 1))
        self.register_buffer("taps", cosines(channels, code), persistent=False)

    def trace(self, x: Tensor, kept: Kept | None) -> Tensor:
        """(B, channels, H, W) in [-1, 1] -> (B, code, H/4, W/4)."""
        picture = F.conv2d(x, self.taps, stride=BLOCK)
        change: Tensor = self.last(trace(self.net, x, kept))
        return F.pad(picture, (0, 0, 0, 0, 0, self.code - len(self.taps))) + change


class LightDecoder(Traced):
    """`light_up` after residual blocks; with `labels`, each layer is told them anew (Lample et al. 2017, sec. 4).

    `pictured`: the code's first channels are the cosines of a picture, as `PictureCode` gives them. What is learned is
    added to that picture, and at the start is nothing; its layers at a half of the resolution see the picture too, as
    those of `LightGenerator` see the stem's features. The change is doubled and clamped as `Residual`'s.
    """

    taps: Tensor

    def __init__(
        self, channels: int, width: int, blocks: int, kind: Norm, padding: Padding, labels: int = 0, *, pictured: bool
    ) -> None:
        super().__init__()
        self.code, self.labels, self.pictured = 2 * width, labels, pictured
        enter = [conv(self.code + labels, self.code, 3, padding), norm(kind, self.code), nn.ReLU(inplace=True)]
        self.enter = nn.Sequential(*enter if labels else ())
        self.blocks = nn.Sequential(*(ResidualBlock(self.code, kind, padding) for _ in range(blocks)))
        up = light_up(channels, width, padding, labels)
        self.up, self.head = nn.Sequential(*up[:3]), nn.Sequential(*up[3:-1], *[Blur()] * pictured, up[-1])
        if pictured:
            self.stem = nn.Sequential(*light_down(channels, width, kind, padding)[:3])
            self.join = nn.Sequential(conv(2 * width + labels, width, 3, padding), nn.ReLU(inplace=True))
            self.register_buffer("taps", cosines(channels, self.code), persistent=False)

    def trace(self, x: Tensor, kept: Kept | None) -> Tensor:
        """(B, 2 width + labels, h, w), labels as even maps -> (B, channels, 4 h, 4 w) in [-1, 1]."""
        label = x[:, self.code :, 0, 0]
        deep = trace(self.blocks, trace(self.enter, x, kept), kept)
        deep = trace(self.up, self._told(deep, label), kept)
        if not self.pictured:
            return trace(self.head, self._told(deep, label), kept)
        picture = F.conv_transpose2d(x[:, : len(self.taps)], self.taps, stride=BLOCK)
        deep = torch.cat((trace(self.stem, picture, kept), deep), dim=1)
        deep = trace(self.join, self._told(deep, label), kept)
        y = picture + 2 * trace(self.head, self._told(deep, label), kept)
        return y if self.training else y.clamp(-1, 1)

    def _told(self, x: Tensor, label: Tensor) -> Tensor:
        return joined(x, label) if self.labels else x

    def start(self) -> Self:
        """Make what is added to the picture nothing."""
        if self.pictured:
            nothing_yet(self.head[0])
        return self


def quiet_block(channels: int, kind: Norm, padding: Padding) -> Role:
    """A residual block that at the start adds nothing: its last norm's weights are zero (Goyal et al. 2017, sec. 5.1).

    So an instance norm is affine here; where there is no norm the last convolution's weights are.
    """
    block = ResidualBlock(channels, affine(kind), padding)
    *_, before, last = block.body
    nothing_yet(before if kind == "none" else last)
    return Role(block)

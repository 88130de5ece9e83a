"""Encoders and decoders that begin at the identity, so that no budget is spent on learning to reconstruct."""

from __future__ import annotations

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm, Padding
from unpaired.networks.blocks import (
    FeatureCollector,
    FeatureModule,
    ResidualBlock,
    Role,
    as_affine,
    conv,
    forward_collecting,
    norm,
    zero_init,
)
from unpaired.networks.conditional import concat_label
from unpaired.networks.generator import Blur, light_down, light_up

BLOCK_SIZE = 4
"""A code has a place for so many pixels squared: a quarter of the resolution."""


def dct_kernels(channels: int, limit: int) -> Tensor:
    """The first `most` functions of the cosine transform of a block, slow ones first: (K, channels, 4, 4).

    JPEG's type-II transform of 4 x 4 pixels, orthonormal, of each channel by itself; K = min(most, 16 channels). Where
    that is all of them, a convolution of stride 4 by them keeps everything, and its transpose is the way back.
    """
    indices = torch.arange(BLOCK_SIZE, dtype=torch.float64)
    basis = F.normalize(torch.cos(torch.outer(indices, indices + 0.5) * math.pi / BLOCK_SIZE), dim=1)
    frequencies = sorted(((u, v) for u in range(BLOCK_SIZE) for v in range(BLOCK_SIZE)), key=lambda uv: (sum(uv), uv))
    kernels = torch.zeros(len(frequencies), channels, channels, BLOCK_SIZE, BLOCK_SIZE)
    for i, (u, v) in enumerate(frequencies):
        for c in range(channels):
            kernels[i, c, c] = torch.outer(basis[u], basis[v])
    return kernels.flatten(0, 1)[:limit]


class DctEncoder(FeatureModule):
    """An encoder: the picture's cosines as the first channels, plus what `net` adds, which at the start is nothing."""

    taps: Tensor

    def __init__(self, net: nn.Module, channels: int, code_channels: int) -> None:
        super().__init__()
        self.net, self.code_channels = net, code_channels
        self.last = zero_init(nn.Conv2d(code_channels, code_channels, 1))
        self.register_buffer("taps", dct_kernels(channels, code_channels), persistent=False)

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, channels, H, W) in [-1, 1] -> (B, code, H/4, W/4)."""
        picture = F.conv2d(x, self.taps, stride=BLOCK_SIZE)
        change: Tensor = self.last(forward_collecting(self.net, x, collector))
        return F.pad(picture, (0, 0, 0, 0, 0, self.code_channels - len(self.taps))) + change


class LightDecoder(FeatureModule):
    """`light_up` after residual blocks; with `labels`, each layer is told them anew (Lample et al. 2017, sec. 4).

    `pictured`: the code's first channels are the cosines of a picture, as `PictureCode` gives them. What is learned is
    added to that picture, and at the start is nothing; its layers at a half of the resolution see the picture too, as
    those of `LightGenerator` see the stem's features. The change is doubled and clamped as `Residual`'s.
    """

    taps: Tensor

    def __init__(
        self,
        channels: int,
        width: int,
        blocks: int,
        kind: Norm,
        padding: Padding,
        num_labels: int = 0,
        *,
        has_dct_channels: bool,
    ) -> None:
        super().__init__()
        self.code_channels, self.num_labels, self.has_dct_channels = 2 * width, num_labels, has_dct_channels
        enter = [
            conv(self.code_channels + num_labels, self.code_channels, 3, padding),
            norm(kind, self.code_channels),
            nn.ReLU(inplace=True),
        ]
        self.enter = nn.Sequential(*enter if num_labels else ())
        self.blocks = nn.Sequential(*(ResidualBlock(self.code_channels, kind, padding) for _ in range(blocks)))
        up = light_up(channels, width, padding, num_labels)
        self.up, self.head = nn.Sequential(*up[:3]), nn.Sequential(*up[3:-1], *[Blur()] * has_dct_channels, up[-1])
        if has_dct_channels:
            self.stem = nn.Sequential(*light_down(channels, width, kind, padding)[:3])
            self.join = nn.Sequential(conv(2 * width + num_labels, width, 3, padding), nn.ReLU(inplace=True))
            self.register_buffer("taps", dct_kernels(channels, self.code_channels), persistent=False)

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, 2 width + labels, h, w), labels as even maps -> (B, channels, 4 h, 4 w) in [-1, 1]."""
        label = x[:, self.code_channels :, 0, 0]
        deep = forward_collecting(self.blocks, forward_collecting(self.enter, x, collector), collector)
        deep = forward_collecting(self.up, self._concat_label(deep, label), collector)
        if not self.has_dct_channels:
            return forward_collecting(self.head, self._concat_label(deep, label), collector)
        picture = F.conv_transpose2d(x[:, : len(self.taps)], self.taps, stride=BLOCK_SIZE)
        deep = torch.cat((forward_collecting(self.stem, picture, collector), deep), dim=1)
        deep = forward_collecting(self.join, self._concat_label(deep, label), collector)
        y = picture + 2 * forward_collecting(self.head, self._concat_label(deep, label), collector)
        return y if self.training else y.clamp(-1, 1)

    def _concat_label(self, x: Tensor, label: Tensor) -> Tensor:
        return concat_label(x, label) if self.num_labels else x

    def zero_init_head(self) -> Self:
        """Make what is added to the picture nothing."""
        if self.has_dct_channels:
            zero_init(self.head[0])
        return self


def zero_init_block(channels: int, kind: Norm, padding: Padding) -> Role:
    """A residual block that at the start adds nothing: its last norm's weights are zero (Goyal et al. 2017, sec. 5.1).

    So an instance norm is affine here; where there is no norm the last convolution's weights are.
    """
    block = ResidualBlock(channels, as_affine(kind), padding)
    *_, before, last = block.body
    zero_init(before if kind == "none" else last)
    return Role(block)

"""Encoders and decoders of images that start as the identity, so that no training time goes into reconstruction.

The first channels of the code are the discrete cosine transform (DCT) of the image.
"""

from __future__ import annotations

import math
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import (
    Blur,
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
from unpaired.networks.generator import light_down, light_up
from unpaired.networks.image_settings import Padding

BLOCK_SIZE = 4
"""Side, in pixels, of the image block that one position of a code represents."""


def dct_kernels(channels: int, limit: int) -> Tensor:
    """Return the first `limit` basis functions of the 4 x 4 DCT, low frequencies first: (K, channels, 4, 4).

    It is the orthonormal type-II transform, as in JPEG, of each channel separately; K = min(limit, 16 channels). With
    all 16 channels, a convolution of stride 4 with these kernels is lossless, and the transposed convolution inverts
    it.
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
    """Encode an image as its DCT coefficients, in the first channels, plus a learned residual that starts at zero."""

    taps: Tensor

    def __init__(self, net: nn.Module, channels: int, code_channels: int) -> None:
        super().__init__()
        self.net, self.code_channels = net, code_channels
        self.last = zero_init(nn.Conv2d(code_channels, code_channels, 1))
        self.register_buffer("taps", dct_kernels(channels, code_channels), persistent=False)

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, channels, H, W) in [-1, 1] -> (B, code_channels, H/4, W/4)."""
        image = F.conv2d(x, self.taps, stride=BLOCK_SIZE)
        change: Tensor = self.last(forward_collecting(self.net, x, collector))
        return F.pad(image, (0, 0, 0, 0, 0, self.code_channels - len(self.taps))) + change


class LightDecoder(FeatureModule):
    """Decode with residual blocks and `light_up`; every layer takes the label if there are labels.

    Concatenating the label at every layer follows Lample et al. 2017, sec. 4. If `has_dct_channels` is True, the first
    channels of the code are DCT coefficients from `DctEncoder`. The decoder then inverts the DCT and adds a learned
    residual, which starts at zero. Its layers at half the resolution also take features of the inverted DCT, as those
    of `LightGenerator` take features of its first layer. The residual is doubled and clamped as in `ImageResidual`.
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
        """(B, 2 width + num_labels, h, w), labels as constant maps -> (B, channels, 4 h, 4 w) in [-1, 1]."""
        label = x[:, self.code_channels :, 0, 0]
        deep = forward_collecting(self.blocks, forward_collecting(self.enter, x, collector), collector)
        deep = forward_collecting(self.up, self._concat_label(deep, label), collector)
        if not self.has_dct_channels:
            return forward_collecting(self.head, self._concat_label(deep, label), collector)
        image = F.conv_transpose2d(x[:, : len(self.taps)], self.taps, stride=BLOCK_SIZE)
        deep = torch.cat((forward_collecting(self.stem, image, collector), deep), dim=1)
        deep = forward_collecting(self.join, self._concat_label(deep, label), collector)
        y = image + 2 * forward_collecting(self.head, self._concat_label(deep, label), collector)
        return y if self.training else y.clamp(-1, 1)

    def _concat_label(self, x: Tensor, label: Tensor) -> Tensor:
        return concat_label(x, label) if self.num_labels else x

    def zero_init_head(self) -> Self:
        """Set the initial residual of the image to zero, if the code has DCT channels. Return the decoder."""
        if self.has_dct_channels:
            zero_init(self.head[0])
        return self


def zero_init_block(channels: int, kind: Norm, padding: Padding) -> Role:
    """Build a residual block that starts as the identity: its last norm has zero weights (Goyal et al. 2017, sec. 5.1).

    Instance norm is therefore affine here. Without normalization the last convolution has zero weights.
    """
    block = ResidualBlock(channels, as_affine(kind), padding)
    *_, before, last = block.body
    zero_init(before if kind == "none" else last)
    return Role(block)

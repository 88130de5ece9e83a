"""Codes that are vectors: images of one size from them, and back. Nothing in them has a place in the image."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm, Padding
from unpaired.networks.blocks import EvalClamp, conv, norm
from unpaired.networks.discriminator import MultiViewDiscriminator


def count_halvings(size: int) -> int:
    """How often `size` pixels are halved, at least once, until 4 to 7 are left."""
    return max(1, int(math.log2(size / 4)))


def widths_per_level(width: int, size: int) -> list[int]:
    """Channels at a half, a quarter, an eighth ... of `size`: `width` at a half, doubled up to 4 times."""
    return [width * min(2**i, 4) for i in range(count_halvings(size))]


def replace_instance_norm(kind: Norm) -> Norm:
    """Group norm for instance norm, which on the smallest grids would erase what a code says of a channel."""
    return "group" if kind.startswith("instance") else kind


class Resize(nn.Module):
    """Brings images of any size to `size` x `size`, unchanged where they have it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, size, size)."""
        target_size = (self.size, self.size)
        return x if x.shape[-2:] == target_size else F.interpolate(x, target_size, mode="bilinear", antialias=True)


def vector_decoder_layers(latent_dim: int, width: int, size: int, kind: Norm, padding: Padding) -> list[nn.Module]:
    """All of a generator but its last layer: codes (B, codes) -> features (B, width/2, size/2, size/2).

    A linear layer to the smallest grid; for each doubling a convolution, before it at a quarter of the cost, and
    bilinear enlargement; one more convolution at the end. Deconvolutions and nearest neighbours left a weave of dots,
    which a generator from noise takes long to lose.
    """
    level_widths, base, kind = widths_per_level(width, size), size >> count_halvings(size), replace_instance_norm(kind)
    layers: list[nn.Module] = [
        nn.Linear(latent_dim, level_widths[-1] * base * base),
        nn.Unflatten(1, (level_widths[-1], base, base)),
    ]
    layers += [norm(kind, level_widths[-1]), nn.ReLU(inplace=True)]
    before = level_widths[-1]
    for w in reversed(level_widths[:-1]):
        layers += [conv(before, w, 3, padding), upsampling_layer(), norm(kind, w), nn.ReLU(inplace=True)]
        before = w
    last = render_channels(width)
    return [*layers, conv(before, last, 3, padding), norm(kind, last), nn.ReLU(inplace=True)]


def render_channels(width: int) -> int:
    """Channels that the last layer takes, at full resolution, where each costs most."""
    return max(4, width // 2)


def upsampling_layer() -> nn.Module:
    """Twice the height and width."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


def render_layers(channels: int, width: int, padding: Padding, light: bool) -> list[nn.Module]:
    """The last layer of a generator, a 5 x 5 convolution: (B, width/2, h, w) -> (B, channels, 2 h, 2 w)."""
    return [upsampling_layer(), conv(render_channels(width), channels, 5, padding), EvalClamp() if light else nn.Tanh()]


def vector_encoder_layers(
    channels: int, outputs: int, width: int, size: int, kind: Norm, light: bool
) -> list[nn.Module]:
    """The mirror of a generator: images (B, channels, H, W) -> (B, outputs); they are brought to `size` first."""
    level_widths, base, kind = widths_per_level(width, size), size >> count_halvings(size), replace_instance_norm(kind)
    layers: list[nn.Module] = [Resize(size)]
    layers += [nn.PixelUnshuffle(2), conv(4 * channels, width, 3)] if light else [conv(channels, width, 3, stride=2)]
    layers += [nn.ReLU(inplace=True)]
    before = width
    for w in level_widths[1:]:
        layers += [conv(before, w, 3, "zeros", stride=2), norm(kind, w), nn.ReLU(inplace=True)]
        before = w
    return [*layers, nn.Flatten(), nn.Linear(before * base * base, outputs)]


def share_layers(one: nn.Sequential, other: nn.Sequential) -> None:
    """Let `other` have the layers of `one` in place of its own, except the first convolution (of each view)."""
    before_first_conv = True
    for i, (layer, other_layer) in enumerate(zip(one, other, strict=True)):
        if not before_first_conv:
            other[i] = layer
        elif isinstance(layer, MultiViewDiscriminator) and isinstance(other_layer, MultiViewDiscriminator):
            for view, other_view in zip(layer.views, other_layer.views, strict=True):
                assert isinstance(view, nn.Sequential) and isinstance(other_view, nn.Sequential)
                share_layers(view, other_view)
            before_first_conv = False
        else:
            before_first_conv = not isinstance(layer, nn.Conv2d)

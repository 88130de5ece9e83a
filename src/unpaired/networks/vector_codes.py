"""Layers of generators and encoders with vector codes, which have no spatial dimensions; images have a fixed size."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import EvalClamp, conv, norm
from unpaired.networks.discriminator import MultiViewDiscriminator
from unpaired.networks.image_settings import Padding


def count_halvings(size: int) -> int:
    """Return how often `size` pixels are halved until 4 to 7 remain, at least once."""
    return max(1, int(math.log2(size / 4)))


def widths_per_level(width: int, size: int) -> list[int]:
    """Return the channels at 1/2, 1/4, 1/8, ... of `size`: `width`, doubled per level up to 4 `width`."""
    return [width * min(2**i, 4) for i in range(count_halvings(size))]


def replace_instance_norm(kind: Norm) -> Norm:
    """Replace instance norm, which erases the channel means of a code on the smallest grids, with group norm."""
    return "group" if kind.startswith("instance") else kind


class Resize(nn.Module):
    """Resize images to `size` x `size` pixels; images of that size stay unchanged."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, size, size)."""
        target_size = (self.size, self.size)
        return x if x.shape[-2:] == target_size else F.interpolate(x, target_size, mode="bilinear", antialias=True)


def vector_decoder_layers(latent_dim: int, width: int, size: int, kind: Norm, padding: Padding) -> list[nn.Module]:
    """Return a generator without its last layer: codes (B, latent_dim) -> features (B, width/2, size/2, size/2).

    A linear layer to the smallest grid; per doubling a convolution and bilinear upsampling, in this order, which costs
    a quarter of the reverse; one more convolution at the end. Transposed convolutions and nearest-neighbor upsampling
    left a dot pattern that a generator from noise takes long to lose.
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
    """Return the number of input channels of the last layer, which is costly because of its full resolution."""
    return max(4, width // 2)


def upsampling_layer() -> nn.Module:
    """Return bilinear upsampling by 2."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


def render_layers(channels: int, width: int, padding: Padding, light: bool) -> list[nn.Module]:
    """Return the last layer of a generator, a 5 x 5 convolution: (B, width/2, h, w) -> (B, channels, 2 h, 2 w).

    It ends in an `EvalClamp` if `light` is True, else in tanh.
    """
    return [upsampling_layer(), conv(render_channels(width), channels, 5, padding), EvalClamp() if light else nn.Tanh()]


def vector_encoder_layers(
    channels: int, outputs: int, width: int, size: int, kind: Norm, light: bool
) -> list[nn.Module]:
    """Return the mirror image of the generator: images (B, channels, H, W), resized to `size` -> codes (B, outputs)."""
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
    """Replace the layers of `other` by those of `one`, except the first convolution (of each view)."""
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

"""Codes that are vectors: images of one size from them, and back. Nothing in them has a place in the image."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.networks.blocks import Bounded, conv, norm
from unpaired.networks.critic import Views
from unpaired.settings import Norm, Padding


def halvings(size: int) -> int:
    """How often `size` pixels are halved, at least once, until 4 to 7 are left."""
    return max(1, int(math.log2(size / 4)))


def widths(width: int, size: int) -> list[int]:
    """Channels at a half, a quarter, an eighth ... of `size`: `width` at a half, doubled up to 4 times."""
    return [width * min(2**i, 4) for i in range(halvings(size))]


def spatial(kind: Norm) -> Norm:
    """Group norm for instance norm, which on the smallest grids would erase what a code says of a channel."""
    return "group" if kind.startswith("instance") else kind


class Fit(nn.Module):
    """Brings images of any size to `size` x `size`, unchanged where they have it."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, size, size)."""
        wanted = (self.size, self.size)
        return x if x.shape[-2:] == wanted else F.interpolate(x, wanted, mode="bilinear", antialias=True)


def unfold(codes: int, width: int, size: int, kind: Norm, padding: Padding) -> list[nn.Module]:
    """All of a generator but its last layer: codes (B, codes) -> features (B, width/2, size/2, size/2).

    A linear layer to the smallest grid; for each doubling a convolution, before it at a quarter of the cost, and
    bilinear enlargement; one more convolution at the end. Deconvolutions and nearest neighbours left a weave of dots,
    which a generator from noise takes long to lose.
    """
    sizes, base, kind = widths(width, size), size >> halvings(size), spatial(kind)
    layers: list[nn.Module] = [nn.Linear(codes, sizes[-1] * base * base), nn.Unflatten(1, (sizes[-1], base, base))]
    layers += [norm(kind, sizes[-1]), nn.ReLU(inplace=True)]
    before = sizes[-1]
    for w in reversed(sizes[:-1]):
        layers += [conv(before, w, 3, padding), enlarged(), norm(kind, w), nn.ReLU(inplace=True)]
        before = w
    last = painted(width)
    return [*layers, conv(before, last, 3, padding), norm(kind, last), nn.ReLU(inplace=True)]


def painted(width: int) -> int:
    """Channels that the last layer takes, at full resolution, where each costs most."""
    return max(4, width // 2)


def enlarged() -> nn.Module:
    """Twice the height and width."""
    return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


def paint(channels: int, width: int, padding: Padding, light: bool) -> list[nn.Module]:
    """The last layer of a generator, a 5 x 5 convolution: (B, width/2, h, w) -> (B, channels, 2 h, 2 w)."""
    return [enlarged(), conv(painted(width), channels, 5, padding), Bounded() if light else nn.Tanh()]


def fold(channels: int, outputs: int, width: int, size: int, kind: Norm, light: bool) -> list[nn.Module]:
    """The mirror of a generator: images (B, channels, H, W) -> (B, outputs); they are brought to `size` first."""
    sizes, base, kind = widths(width, size), size >> halvings(size), spatial(kind)
    layers: list[nn.Module] = [Fit(size)]
    layers += [nn.PixelUnshuffle(2), conv(4 * channels, width, 3)] if light else [conv(channels, width, 3, stride=2)]
    layers += [nn.ReLU(inplace=True)]
    before = width
    for w in sizes[1:]:
        layers += [conv(before, w, 3, "zeros", stride=2), norm(kind, w), nn.ReLU(inplace=True)]
        before = w
    return [*layers, nn.Flatten(), nn.Linear(before * base * base, outputs)]


def couple(one: nn.Sequential, other: nn.Sequential) -> None:
    """Let `other` have the layers of `one` in place of its own, except the first convolution (of each view)."""
    first = True
    for i, (layer, own) in enumerate(zip(one, other, strict=True)):
        if not first:
            other[i] = layer
        elif isinstance(layer, Views) and isinstance(own, Views):
            for view, own_view in zip(layer.views, own.views, strict=True):
                assert isinstance(view, nn.Sequential) and isinstance(own_view, nn.Sequential)
                couple(view, own_view)
            first = False
        else:
            first = not isinstance(layer, nn.Conv2d)

"""Critics of images: scores per patch."""

from __future__ import annotations

from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from unpaired.networks.blocks import Norm, norm


def patch_critic(channels: int, width: int, layers: int, kind: Norm) -> list[nn.Module]:
    """PatchGAN (Isola et al. 2017): with `layers` 3 each score sees 70 x 70 pixels; 64-128-256-512 at width 64.

    4 x 4 convolutions, `layers` of them with stride 2, the last two with stride 1; leaky .2; no norm in the first.
    (B, channels, H, W) -> (B, 1, h, w).
    """
    net: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    before = width
    for i in range(1, layers + 1):
        w = width * min(2**i, 8)
        net += [nn.Conv2d(before, w, 4, 2 if i < layers else 1, 1), norm(kind, w), nn.LeakyReLU(0.2, inplace=True)]
        before = w
    return [*net, nn.Conv2d(before, 1, 4, 1, 1)]


def light_critic(channels: int, width: int) -> list[nn.Module]:
    """A small spectral-normed critic (Miyato et al. 2018) behind space to depth, for small budgets and small sets.

    (B, channels, H, W) -> (B, 1, H/8, W/8); each score sees 40 x 40 pixels.
    """
    leaky = nn.LeakyReLU(0.2, inplace=True)
    return [
        nn.PixelUnshuffle(2),
        spectral_norm(nn.Conv2d(4 * channels, width, 3, 1, 1)),
        leaky,
        spectral_norm(nn.Conv2d(width, 2 * width, 4, 2, 1)),
        leaky,
        spectral_norm(nn.Conv2d(2 * width, 4 * width, 4, 2, 1)),
        leaky,
        spectral_norm(nn.Conv2d(4 * width, 1, 3, 1, 1)),
    ]

"""Discriminators of images: PatchGAN, a light one for short runs, and discriminators of latent codes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import Blur, FeatureCollector, FeatureModule, forward_collecting, init_normal, norm


def patch_discriminator(
    channels: int, width: int, layers: int, kind: Norm, outputs: int = 1, *, antialias: bool = False
) -> list[nn.Module]:
    """Return the layers of a PatchGAN (Isola et al. 2017): (B, channels, H, W) -> scores (B, outputs, h, w).

    4 x 4 convolutions: `layers` of stride 2, then two of stride 1; leaky ReLU 0.2; no normalization after the first.
    With 3 `layers` each score sees 70 x 70 pixels, and the widths are 64-128-256-512 for width 64. If `antialias` is
    True, all convolutions have stride 1 and a blur after the activation halves the size (CUT, arXiv:2007.15651).
    """
    stride = 1 if antialias else 2
    net: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride, 1), nn.LeakyReLU(0.2, inplace=True)]
    net += [Blur(2)] if antialias else []
    before = width
    for i in range(1, layers + 1):
        w = width * min(2**i, 8)
        is_strided = i < layers
        net += [nn.Conv2d(before, w, 4, stride if is_strided else 1, 1), norm(kind, w), nn.LeakyReLU(0.2, inplace=True)]
        net += [Blur(2)] if antialias and is_strided else []
        before = w
    return [*net, nn.Conv2d(before, outputs, 4, 1, 1)]


class MultiViewDiscriminator(FeatureModule):
    """Combine several discriminators of the same input by concatenating their scores as channels.

    Scores are repeated to the finest grid, so that every view has the same weight in a mean over the scores.
    """

    def __init__(self, *views: nn.Module) -> None:
        super().__init__()
        self.views = nn.ModuleList(views)

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, C, H, W) -> (B, sum of the views' outputs, h, w), where h and w are those of the finest view."""
        scores = [forward_collecting(view, x, collector) for view in self.views]
        size = max(s.shape[-2] for s in scores), max(s.shape[-1] for s in scores)
        return torch.cat([F.interpolate(s, size) for s in scores], dim=1)


class FiniteDifferences(nn.Module):
    """Concatenate an image with its differences to the right and lower neighbors, as `tanh(gain * difference)`.

    Shading and faint noise change by about 1 % of the range between neighboring pixels. A small discriminator learns
    slowly to see them in pixel values alone, and a generator can hide its input there meanwhile.
    """

    def __init__(self, gain: float = 10.0) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 3 C, H, W)."""
        padded = F.pad(x, (0, 1, 0, 1), mode="replicate")
        right, down = padded[..., :-1, 1:] - x, padded[..., 1:, :-1] - x
        return torch.cat((x, torch.tanh(self.gain * right), torch.tanh(self.gain * down)), dim=1)


def light_discriminator(channels: int, width: int, outputs: int = 1) -> MultiViewDiscriminator:
    """Return three small discriminators for short runs: of texture, of global layout, and of the histogram.

    (B, channels, H, W) -> (B, 3 outputs, H/8, W/8). Texture: patches of 41 x 41 pixels and their finite differences.
    Layout: the image downsampled to 16 x 16, one score; patches cannot detect that dark and light are exchanged
    everywhere. Histogram: 1 x 1 convolutions averaged over the image, one score; it judges contrast and hue.

    There is no normalization, which would hide contrast, and no spectral norm, with which a discriminator stays at
    chance level for thousands of steps.
    """
    leaky = nn.LeakyReLU(0.2, inplace=True)
    texture = [FiniteDifferences(), nn.PixelUnshuffle(2), nn.Conv2d(12 * channels, width, 3, 1, 1), leaky]
    texture += [nn.Conv2d(width, 2 * width, 4, 2, 1), leaky, nn.Conv2d(2 * width, 4 * width, 4, 2, 1), leaky]
    texture += [nn.Conv2d(4 * width, outputs, 3, 1, 1)]
    net = MultiViewDiscriminator(nn.Sequential(*texture), *whole_image_discriminators(channels, width, outputs))
    init_kaiming_leaky(net)
    return net


def multi_discriminator(
    channels: int, width: int, layers: int, kind: Norm, outputs: int = 1, *, antialias: bool = False
) -> MultiViewDiscriminator:
    """Return a PatchGAN and, at half its width, the layout and histogram views of `light_discriminator`.

    (B, channels, H, W) -> (B, 3 outputs, h, w). Patches cannot detect that dark and light are exchanged everywhere.
    """
    layers_of_patch = patch_discriminator(channels, width, layers, kind, outputs, antialias=antialias)
    patch = init_normal(nn.Sequential(*layers_of_patch))
    views = whole_image_discriminators(channels, max(1, width // 2), outputs)
    for view in views:
        init_kaiming_leaky(view)
    return MultiViewDiscriminator(patch, *views)


def whole_image_discriminators(channels: int, width: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Return discriminators of the image downsampled to 16 x 16 and of its histogram: one position of scores each."""
    leaky = nn.LeakyReLU(0.2, inplace=True)
    layout: list[nn.Module] = [nn.AdaptiveAvgPool2d(16), nn.Conv2d(channels, width, 3, 1, 1), leaky]
    layout += [nn.Conv2d(width, 2 * width, 4, 2, 1), leaky, nn.Conv2d(2 * width, 4 * width, 4, 2, 1), leaky]
    layout += [nn.Conv2d(4 * width, outputs, 4)]
    histogram: list[nn.Module] = [nn.Conv2d(channels, width, 1), leaky, nn.Conv2d(width, width, 1), leaky]
    histogram += [nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, width, 1), leaky, nn.Conv2d(width, outputs, 1)]
    return nn.Sequential(*layout), nn.Sequential(*histogram)


def latent_discriminator(channels: int, width: int, outputs: int, dropout: float) -> list[nn.Module]:
    """Return a discriminator of latent codes (B, channels, h, w), for any h and w -> logits (B, outputs).

    Two convolutions, global average pooling, and a perceptron with `dropout`. Pooling fits the targets (a domain or
    attributes), which describe the whole image. There is no normalization, which would hide the scale of the features.
    """
    leaky = nn.LeakyReLU(0.2, inplace=True)
    net: list[nn.Module] = [nn.Conv2d(channels, width, 3, 1, 1), leaky, nn.Conv2d(width, 2 * width, 4, 2, 1), leaky]
    net += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 2 * width), leaky]
    net += [nn.Dropout(dropout)] if dropout else []
    net += [nn.Linear(2 * width, outputs)]
    init_kaiming_leaky(nn.Sequential(*net))
    return net


def init_kaiming_leaky(net: nn.Module) -> None:
    """Initialize weights from N(0, 2 / (1.04 fan_in)) (He et al. 2015, for leaky ReLU 0.2) and biases with zero."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, 0.2)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

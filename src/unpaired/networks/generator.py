"""Generators of images, and their encoder and decoder halves."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import (
    Blur,
    EvalClamp,
    FeatureCollector,
    FeatureModule,
    HalfNorm,
    ResidualBlock,
    Role,
    conv,
    forward_collecting,
    norm,
)
from unpaired.networks.image_settings import Antialias, Padding, Skips


def resnet_down(
    channels: int, width: int, kind: Norm, padding: Padding, antialias: Antialias = False, skips: Skips = "none"
) -> list[nn.Module]:
    """Return the encoder half of CycleGAN's generator: (B, channels, H, W) -> (B, 4 width, H/4, W/4).

    The layers are c7s1-width, d(2 width), d(4 width) in the paper's notation. If `antialias` is True or "down", each d
    convolves with stride 1 and a blur halves the size (CUT, arXiv:2007.15651). `skips` selects the normalization at
    full resolution (`full_resolution_norm`).
    """
    blurred = antialias in (True, "down")
    first_norm = full_resolution_norm(skips, kind, width)
    layers: list[nn.Module] = [conv(channels, width, 7, padding), *first_norm, nn.ReLU(inplace=True)]
    for w in (width, 2 * width):
        layers += [conv(w, 2 * w, 3, "zeros", 1 if blurred else 2), norm(kind, 2 * w), nn.ReLU(inplace=True)]
        layers += [Blur(2)] if blurred else []
    return layers


def resnet_up(
    channels: int, width: int, kind: Norm, padding: Padding, antialias: Antialias = False, skips: Skips = "none"
) -> list[nn.Module]:
    """Return the decoder half of CycleGAN's generator: (B, 4 width, h, w) -> (B, channels, 4 h, 4 w).

    The layers are u(2 width), u(width), c7s1-channels in the paper's notation, and tanh. If `antialias` is True or
    "up", each u upsamples bilinearly and convolves then. This equals CUT's upsampling filter 1 3 3 1 after inserting
    zeros. If `antialias` is "late", each u convolves first and upsamples then. That costs no more than the transposed
    convolution and leaves no checkerboard pattern; edges must come from skip connections. `skips` as in `resnet_down`.
    """
    layers: list[nn.Module] = []
    for w in (4 * width, 2 * width):
        normed = [norm(kind, w // 2)] if w > 2 * width else full_resolution_norm(skips, kind, width)
        double = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        if antialias == "late":
            layers += [conv(w, w // 2, 3, "zeros"), *normed, double]
        elif antialias in (True, "up"):
            layers += [double, conv(w, w // 2, 3, "zeros"), *normed]
        else:
            layers += [nn.ConvTranspose2d(w, w // 2, 3, stride=2, padding=1, output_padding=1), *normed]
        layers += [nn.ReLU(inplace=True)]
    return [*layers, conv(width, channels, 7, padding), nn.Tanh()]


def full_resolution_norm(skips: Skips, kind: Norm, width: int) -> list[nn.Module]:
    """Return the normalization of the layers at full resolution, where the outer skip connection starts and ends.

    "half" normalizes half of the channels and "raw" none. Instance normalization there removes absolute colors and
    contrast, which the skip connection could otherwise carry.
    """
    if skips == "half":
        return [HalfNorm(norm(kind, width // 2))]
    return [] if skips == "raw" else [norm(kind, width)]


def light_down(channels: int, width: int, kind: Norm, padding: Padding) -> list[nn.Module]:
    """Return the encoder half of the light generator for short runs: (B, channels, H, W) -> (B, 2 width, H/4, W/4).

    It starts with space-to-depth, so that no layer works at full resolution. The first and last layers of a ResNet
    generator take most of its time.
    """
    return [
        nn.PixelUnshuffle(2),
        conv(4 * channels, width, 3, padding),
        nn.ReLU(inplace=True),
        conv(width, 2 * width, 3, "zeros", stride=2),
        norm(kind, 2 * width),
        nn.ReLU(inplace=True),
    ]


def light_up(channels: int, width: int, padding: Padding, num_labels: int = 0) -> list[nn.Module]:
    """Return the decoder half of the light generator: (B, 2 width + num_labels, h, w) -> (B, channels, 4 h, 4 w).

    Bilinear upsampling to half the resolution, then depth-to-space to the full one. Depth-to-space twice would leave a
    dot pattern of period 4. There is no normalization: dividing by the standard deviation over the image makes a
    generator set the scale of its output with a bright spot in a corner (Karras et al. 2020, arXiv:1912.04958, sec. 2).
    Both convolutions take `num_labels` additional input channels.
    """
    return [
        nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False),
        conv(2 * width + num_labels, width, 3, padding),
        nn.ReLU(inplace=True),
        conv(width + num_labels, 4 * channels, 3, padding),
        nn.PixelShuffle(2),
        EvalClamp(),
    ]


def init_kaiming_relu(net: nn.Module) -> nn.Module:
    """Initialize convolutions directly followed by ReLU from N(0, 2 / fan_in) (He et al. 2015), to keep the scale.

    Returns `net`.
    """
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for layer, after in itertools.pairwise(module):
                if isinstance(layer, nn.Conv2d) and isinstance(after, nn.ReLU):
                    nn.init.kaiming_normal_(layer.weight)
    return net


def init_icnr(net: nn.Module) -> nn.Module:
    """Give all pixels of a depth-to-space block equal initial weights (ICNR, Aitken et al. 2017). Return `net`."""
    for module in net.modules():
        if isinstance(module, nn.Sequential):
            for layer, after in itertools.pairwise(module):
                if isinstance(layer, nn.Conv2d) and isinstance(after, nn.PixelShuffle):
                    block = after.upscale_factor**2
                    with torch.no_grad():
                        layer.weight.copy_(layer.weight[::block].repeat_interleave(block, 0))
    return net


class SkipGenerator(FeatureModule):
    """Generator of the layers of `resnet_down`, residual blocks and `resnet_up`, with two long skip connections.

    The input of each halving is added to the output of the doubling of the same size. Edges therefore bypass the
    bottleneck, which takes thousands of steps to learn to pass them. There are no additional parameters.
    """

    def __init__(self, down: Sequence[nn.Module], blocks: Sequence[nn.Module], up: Sequence[nn.Module]) -> None:
        super().__init__()
        first = 1 + next(i for i, layer in enumerate(down) if isinstance(layer, nn.ReLU))
        stage = (len(down) - first) // 2
        self.stem = nn.Sequential(*down[:first])
        self.halve = nn.Sequential(*down[first : first + stage])
        self.deep = nn.Sequential(*down[first + stage :], *blocks)
        doubled = [i for i, layer in enumerate(up) if isinstance(layer, nn.ReLU)]
        self.to_half = nn.Sequential(*up[: doubled[0] + 1])
        self.to_full = nn.Sequential(*up[doubled[0] + 1 : doubled[1] + 1])
        self.head = nn.Sequential(*up[doubled[1] + 1 :])

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, inputs, H, W) in [-1, 1] -> (B, outputs, H, W) in [-1, 1]; H and W are multiples of 4."""
        stem = forward_collecting(self.stem, x, collector)
        half = forward_collecting(self.halve, stem, collector)
        deep = forward_collecting(self.deep, half, collector)
        deep = forward_collecting(self.to_half, deep, collector) + half
        return forward_collecting(self.head, forward_collecting(self.to_full, deep, collector) + stem, collector)


class LightGenerator(FeatureModule):
    """Generator of `light_down`, residual blocks at a quarter of the resolution, `light_up`, and a skip connection.

    The skip connection concatenates the features of the first layer, at half the resolution, with those of the decoder,
    so that edges bypass the bottleneck.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: int, kind: Norm, padding: Padding) -> None:
        super().__init__()
        down, up = light_down(inputs, width, kind, padding), light_up(outputs, width, padding)
        self.stem = nn.Sequential(*down[:3])
        self.down = nn.Sequential(*down[3:])
        self.blocks = nn.Sequential(*(ResidualBlock(2 * width, kind, padding) for _ in range(blocks)))
        self.up = nn.Sequential(*up[:3])
        self.join = nn.Sequential(conv(2 * width, width, 3, padding), nn.ReLU(inplace=True))
        self.head = nn.Sequential(*up[3:])

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, inputs, H, W) in [-1, 1] -> (B, outputs, H, W) in [-1, 1]; H and W are multiples of 4."""
        stem = deep = forward_collecting(self.stem, x, collector)
        for part in (self.down, self.blocks, self.up):
            deep = forward_collecting(part, deep, collector)
        return forward_collecting(
            self.head, forward_collecting(self.join, torch.cat((stem, deep), dim=1), collector), collector
        )


def fixed_depth_generator(inputs: int, outputs: int, width: int, depth: int, kind: Norm) -> Role:
    """Build a generator of exactly `depth` convolutions, in the form of DiscoGAN's (Galanti et al. 2018).

    (B, inputs, H, W) -> (B, outputs, H, W), for H and W that are multiples of `2 ** (depth // 2)`. `depth // 2` 4 x 4
    convolutions of stride 2 (leaky ReLU 0.2) and as many transposed convolutions; if `depth` is odd, one 3 x 3
    convolution between them. Widths double up to 8 x `width`. The first and the last layer have no normalization.
    Neither has the innermost one, except with batch norm: its maps may be so small that other kinds erase them.
    """
    half = depth // 2
    widths = [min(2**i, 8) * width for i in range(half)]
    layers: list[nn.Module] = []
    before = inputs
    for i, w in enumerate(widths):
        layers += [nn.Conv2d(before, w, 4, 2, 1)]
        layers += [norm(kind, w)] if 0 < i < (half if kind == "batch" else half - 1) else []
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        before = w
    if depth % 2:
        layers += [nn.Conv2d(before, before, 3, 1, 1), nn.LeakyReLU(0.2, inplace=True)]
    for w in reversed(widths[:-1]):
        layers += [nn.ConvTranspose2d(before, w, 4, 2, 1), norm(kind, w), nn.ReLU(inplace=True)]
        before = w
    return Role(*layers, nn.ConvTranspose2d(before, outputs, 4, 2, 1), nn.Tanh())

"""Label-conditioned networks and classifiers: StarGAN's discriminator (Choi et al. 2018) and the autoencoder of Fader
Networks (Lample et al. 2017).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import EvalClamp, norm


def concat_label(x: Tensor, label: Tensor) -> Tensor:
    """Concatenate `x` (B, C, H, W) and `label` (B, L) to (B, C + L, H, W); each label entry becomes a constant map."""
    maps = label.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat((x, maps), dim=1)


class LabelConcatenation(nn.Module):
    """Apply stages in order; concatenate the label to the input of each (Lample et al. 2017, sec. 4).

    The label comes as the last `num_labels` channels of the input.
    """

    def __init__(self, stages: list[nn.Module], num_labels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.num_labels = num_labels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C + num_labels, H, W) -> the output of the last stage."""
        label = x[:, -self.num_labels :, 0, 0]
        x = x[:, : -self.num_labels]
        for stage in self.stages:
            x = stage(concat_label(x, label))
        return x


def count_fader_halvings(size: int, limit: int = 6) -> int:
    """Return how often an image of `size` pixels is halved: down to 4 x 4, at least once and at most `limit` times.

    Fader Networks halve images of 256 pixels six times.
    """
    return max(1, min(limit, int(math.log2(size / 4))))


def fader_encoder(channels: int, width: int, num_halvings: int, kind: Norm) -> list[nn.Module]:
    """Return the layers of the Fader encoder: (B, channels, H, W) -> (B, C, H / 2^num_halvings, W / 2^num_halvings).

    `num_halvings` 4 x 4 convolutions of stride 2. Widths double from `width` up to 16 `width`: C32 to C512 for width 32
    and images of 256 pixels. The first convolution has no normalization.
    """
    layers: list[nn.Module] = []
    before = channels
    for i in range(num_halvings):
        w = width * min(2**i, 16)
        layers += [nn.Conv2d(before, w, 4, 2, 1), norm(kind, w) if i else nn.Identity(), nn.LeakyReLU(0.2)]
        before = w
    return layers


def fader_decoder(channels: int, width: int, num_halvings: int, kind: Norm, num_labels: int) -> LabelConcatenation:
    """Return the mirror image of `fader_encoder`, with the label concatenated to the input of every layer.

    Upsampling is bilinear, which avoids checkerboard artifacts.
    """
    stages: list[nn.Module] = []
    before = width * min(2 ** (num_halvings - 1), 16)
    for i in reversed(range(num_halvings)):
        w = channels if i == 0 else width * min(2 ** (i - 1), 16)
        upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        after = [EvalClamp()] if i == 0 else [norm(kind, w), nn.ReLU(inplace=True)]
        stages.append(nn.Sequential(upsample, nn.Conv2d(before + num_labels, w, 3, 1, 1), *after))
        before = w
    return LabelConcatenation(stages, num_labels)


def stargan_trunk(channels: int, width: int, size: int) -> list[nn.Module]:
    """Return the shared layers of StarGAN's discriminator: 4 x 4 convolutions of stride 2, leaky ReLU 0.01, no norm.

    They halve the image down to 2 x 2, at most six times.
    """
    layers: list[nn.Module] = []
    before = channels
    for i in range(count_fader_halvings(size, 5) + 1):
        layers += [nn.Conv2d(before, width * 2**i, 4, 2, 1), nn.LeakyReLU(0.01)]
        before = width * 2**i
    return layers


def stargan_discriminator(
    channels: int, width: int, size: int, num_labels: int, outputs: int
) -> tuple[list[nn.Module], ...]:
    """Return `stargan_trunk`, its head of `outputs` scores per position, and its head of logits (B, num_labels).

    For images of the training `size` the kernel of the logits covers the whole remaining grid; for larger images the
    logits are averaged over the positions.
    """
    trunk = stargan_trunk(channels, width, size)
    trunk_channels, remaining_size = width * 2 ** (len(trunk) // 2 - 1), max(1, size >> (len(trunk) // 2))
    scores: list[nn.Module] = [nn.Conv2d(trunk_channels, outputs, 3, 1, 1, bias=False)]
    return (
        trunk,
        scores,
        [nn.Conv2d(trunk_channels, num_labels, remaining_size, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten()],
    )


def classifier(channels: int, width: int, num_labels: int) -> nn.Sequential:
    """Return a small classifier: (B, channels, H, W) -> logits (B, num_labels)."""
    net: list[nn.Module] = []
    before = channels
    for w in (width, 2 * width, 4 * width, 4 * width):
        net += [nn.Conv2d(before, w, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = w
    net += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, num_labels)]
    return nn.Sequential(*net)

"""Networks that are told labels, or tell them: StarGAN's generator and critic, Fader's coders."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import EvalClamp, norm


def concat_label(x: Tensor, label: Tensor) -> Tensor:
    """`x` (B, C, H, W) and `label` (B, L) -> (B, C + L, H, W), the label as L even maps."""
    maps = label.to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])
    return torch.cat((x, maps), dim=1)


class LabelConcatenation(nn.Module):
    """Stages that are each shown the label anew (Lample et al. 2017, sec. 4); it comes as the last channels."""

    def __init__(self, stages: list[nn.Module], num_labels: int) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.num_labels = num_labels

    def forward(self, x: Tensor) -> Tensor:
        """(B, C + labels, H, W) -> what the last stage gives."""
        label = x[:, -self.num_labels :, 0, 0]
        x = x[:, : -self.num_labels]
        for stage in self.stages:
            x = stage(concat_label(x, label))
        return x


def count_fader_halvings(size: int, limit: int = 6) -> int:
    """How often an image of `size` pixels is halved: down to 4 x 4, six times at most, as Fader's 256 are."""
    return max(1, min(limit, int(math.log2(size / 4))))


def fader_encoder(channels: int, width: int, num_halvings: int, kind: Norm) -> list[nn.Module]:
    """`count` 4 x 4 convolutions of stride 2, widths doubling up to 16 `width` (C32 .. C512 at width 32, 256 px)."""
    layers: list[nn.Module] = []
    before = channels
    for i in range(num_halvings):
        w = width * min(2**i, 16)
        layers += [nn.Conv2d(before, w, 4, 2, 1), norm(kind, w) if i else nn.Identity(), nn.LeakyReLU(0.2)]
        before = w
    return layers


def fader_decoder(channels: int, width: int, num_halvings: int, kind: Norm, num_labels: int) -> LabelConcatenation:
    """The mirror of `deep_encoder`, with the label joined at every layer; enlarges bilinearly, which leaves no grid."""
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
    """StarGAN's critic before its heads: 4 x 4 convolutions of stride 2, no norm, down to 2 x 2, six times at most."""
    layers: list[nn.Module] = []
    before = channels
    for i in range(count_fader_halvings(size, 5) + 1):
        layers += [nn.Conv2d(before, width * 2**i, 4, 2, 1), nn.LeakyReLU(0.01)]
        before = width * 2**i
    return layers


def stargan_discriminator(
    channels: int, width: int, size: int, num_labels: int, outputs: int
) -> tuple[list[nn.Module], ...]:
    """`deep_trunk`, its head of `outputs` scores per place, and that of the logits (B, labels).

    At the trained `size` the last sees all that is left; of larger images it gives the mean over their places.
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
    """A small classifier: (B, channels, H, W) -> logits (B, labels)."""
    net: list[nn.Module] = []
    before = channels
    for w in (width, 2 * width, 4 * width, 4 * width):
        net += [nn.Conv2d(before, w, 4, 2, 1), nn.LeakyReLU(0.2)]
        before = w
    net += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, num_labels)]
    return nn.Sequential(*net)

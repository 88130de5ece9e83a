"""Critics of images: scores per patch, and of the whole."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import FeatureCollector, FeatureModule, forward_collecting, norm


def patch_discriminator(channels: int, width: int, layers: int, kind: Norm, outputs: int = 1) -> list[nn.Module]:
    """PatchGAN (Isola et al. 2017): with `layers` 3 each score sees 70 x 70 pixels; 64-128-256-512 at width 64.

    4 x 4 convolutions, `layers` of them with stride 2, the last two with stride 1; leaky .2; no norm in the first.
    (B, channels, H, W) -> (B, outputs, h, w).
    """
    net: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    before = width
    for i in range(1, layers + 1):
        w = width * min(2**i, 8)
        net += [nn.Conv2d(before, w, 4, 2 if i < layers else 1, 1), norm(kind, w), nn.LeakyReLU(0.2, inplace=True)]
        before = w
    return [*net, nn.Conv2d(before, outputs, 4, 1, 1)]


class MultiViewDiscriminator(FeatureModule):
    """Several critics of one image. Their scores are repeated to the finest grid and joined as channels.

    So every view has the same say in a mean over the scores, however many scores it gives.
    """

    def __init__(self, *views: nn.Module) -> None:
        super().__init__()
        self.views = nn.ModuleList(views)

    def forward_collecting(self, x: Tensor, collector: FeatureCollector | None) -> Tensor:
        """(B, C, H, W) -> (B, views x outputs of each, h, w), with h and w those of the finest view."""
        scores = [forward_collecting(view, x, collector) for view in self.views]
        size = max(s.shape[-2] for s in scores), max(s.shape[-1] for s in scores)
        return torch.cat([F.interpolate(s, size) for s in scores], dim=1)


class FiniteDifferences(nn.Module):
    """Joins to an image its differences to the next pixel, right and down, enlarged `gain` times and bounded by tanh.

    Shading and faint patterns change by a hundredth of the range from pixel to pixel; a small critic that sees values
    alone takes long to tell them from an even area, and a generator can hide its input there meanwhile.
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
    """Three small critics for small budgets: of texture, of the whole image, and of its intensities.

    (B, channels, H, W) -> (B, 3 outputs, H/8, W/8). Texture: patches of 41 x 41 pixels, their steps. Whole: the image
    shrunk to 16 x 16, one score; patches cannot see that dark and light are exchanged everywhere. Intensities: pixels
    one by one, pooled over the image, one score; it judges the histogram, hence contrast and hues.

    No norm, which would hide contrast, and no spectral norm, under which a critic is at chance for thousands of steps.
    """
    leaky = nn.LeakyReLU(0.2, inplace=True)
    texture = [FiniteDifferences(), nn.PixelUnshuffle(2), nn.Conv2d(12 * channels, width, 3, 1, 1), leaky]
    texture += [nn.Conv2d(width, 2 * width, 4, 2, 1), leaky, nn.Conv2d(2 * width, 4 * width, 4, 2, 1), leaky]
    texture += [nn.Conv2d(4 * width, outputs, 3, 1, 1)]
    whole = [nn.AdaptiveAvgPool2d(16), nn.Conv2d(channels, width, 3, 1, 1), leaky]
    whole += [nn.Conv2d(width, 2 * width, 4, 2, 1), leaky, nn.Conv2d(2 * width, 4 * width, 4, 2, 1), leaky]
    whole += [nn.Conv2d(4 * width, outputs, 4)]
    pixels = [nn.Conv2d(channels, width, 1), leaky, nn.Conv2d(width, width, 1), leaky, nn.AdaptiveAvgPool2d(1)]
    pixels += [nn.Conv2d(width, width, 1), leaky, nn.Conv2d(width, outputs, 1)]
    net = MultiViewDiscriminator(nn.Sequential(*texture), nn.Sequential(*whole), nn.Sequential(*pixels))
    init_kaiming_leaky(net)
    return net


def latent_discriminator(channels: int, width: int, outputs: int, dropout: float) -> list[nn.Module]:
    """A critic of codes: two convolutions, the mean over the places, and a perceptron with `dropout`.

    (B, channels, h, w) -> logits (B, outputs), of whatever h and w. What it is to tell of a code (a domain, attributes)
    belongs to the whole picture, hence the mean; and no norm, which would hide how large the features are.
    """
    leaky = nn.LeakyReLU(0.2, inplace=True)
    net: list[nn.Module] = [nn.Conv2d(channels, width, 3, 1, 1), leaky, nn.Conv2d(width, 2 * width, 4, 2, 1), leaky]
    net += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2 * width, 2 * width), leaky]
    net += [nn.Dropout(dropout)] if dropout else []
    net += [nn.Linear(2 * width, outputs)]
    init_kaiming_leaky(nn.Sequential(*net))
    return net


def init_kaiming_leaky(net: nn.Module) -> None:
    """Weights from N(0, 2 / (1.04 fan in)) (He et al. 2015, for leaky .2), biases zero."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(layer.weight, 0.2)
            nn.init.zeros_(layer.bias)  # type: ignore[arg-type]

"""AlexNet of the shift-tolerant perceptual metric ST-LPIPS, with weights from the optional extra `unpaired[judges]`.

Source: Ghildyal and Liu 2022, "Shift-tolerant perceptual similarity metric", arXiv:2207.13686. An ImageNet trunk that
was fine-tuned, together with one linear layer per stage, on human judgements of the similarity of 64 px patches. Only
the weights of the package stlpips-pytorch (BSD-2-Clause) are read. The package is never imported: it needs torchvision,
and parts of its code may not be used commercially.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from unpaired.errors import UsageError, WorkError
from unpaired.packages import find_package_folder

PACKAGE: Final = "stlpips_pytorch"
INSTALL_COMMAND: Final = "pip install 'unpaired[judges]'"
WIDTHS: Final = (64, 192, 384, 256, 256)
"""Channels of the five stages."""
SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""Mean and standard deviation of ImageNet per channel, for inputs in [-1, 1]."""


class BlurPool(nn.Module):
    """Halve maps (B, C, H, W) after a binomial blur of 3 x 3 pixels, with reflected borders of two pixels.

    Zhang 2019, arXiv:1904.11486, sec. 3.2, with wider borders as in ST-LPIPS. H and W of at least 3.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, C, (H + 3) // 2, (W + 3) // 2)."""
        binomial = x.new_tensor([0.25, 0.5, 0.25])
        kernel = torch.outer(binomial, binomial).expand(x.shape[1], 1, -1, -1)
        return functional.conv2d(functional.pad(x, (2, 2, 2, 2), mode="reflect"), kernel, stride=2, groups=x.shape[1])


class ShiftTolerantAlexNet(nn.Module):
    """AlexNet's convolutions (Krizhevsky 2014, arXiv:1404.5997) at stride 1, each reduction by a blur.

    The blur of the first stage is before its ReLU; maximum pooling has stride 1 and a blur after it.
    """

    def __init__(self) -> None:
        super().__init__()
        first, second, third, fourth, fifth = WIDTHS
        self.stages = nn.ModuleList(
            nn.Sequential(*layers, nn.ReLU())
            for layers in (
                (nn.Conv2d(3, first, 11, padding=2), BlurPool()),
                (nn.MaxPool2d(3, 1), BlurPool(), nn.Conv2d(first, second, 5, padding=2)),
                (nn.MaxPool2d(3, 1), BlurPool(), nn.Conv2d(second, third, 3, padding=1)),
                (nn.Conv2d(third, fourth, 3, padding=1),),
                (nn.Conv2d(fourth, fifth, 3, padding=1),),
            )
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps (B, C_i, H_i, W_i) of the stages for images (B, 3, H, W) in [-1, 1]."""
        shift, scale = (x.new_tensor(values).view(1, 3, 1, 1) for values in (SHIFT, SCALE))
        y, maps = (x - shift) / scale, []
        for stage in self.stages:
            y = stage(y)
            maps.append(y)
        return maps


class PerceptualDistance(nn.Module):
    """ST-LPIPS: distance of images in the maps of the trunk, weighted per channel.

    Zhang et al. 2018, arXiv:1801.03924, eq. (1): maps are normalized to length 1 over their channels at each pixel,
    squared differences are weighted per channel, averaged over pixels and summed over stages.
    """

    def __init__(self) -> None:
        super().__init__()
        self.trunk = ShiftTolerantAlexNet()
        self.channel_weights = nn.ParameterList([torch.ones(width) for width in WIDTHS])

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the distance (B,) of two batches (B, 3, H, W) in [-1, 1]; 0 for equal images."""
        total = x.new_zeros(len(x))
        for a, b, weights in zip(self.trunk(x), self.trunk(y), self.channel_weights, strict=True):
            difference = (normalize(a) - normalize(b)).square()
            total = total + (difference * weights[:, None, None]).sum(1).mean((1, 2))
        return total


def normalize(maps: Tensor) -> Tensor:
    """Normalize maps (B, C, H, W) to length 1 over the channels at each pixel."""
    return maps / (maps.square().sum(1, keepdim=True).sqrt() + 1e-10)


def is_available() -> bool:
    """Return whether the optional extra `judges` is installed, without importing it."""
    return find_package_folder(PACKAGE) is not None


def locate_weights() -> Path:
    """Return the path of the weights in the installed package; raises UsageError if it is not installed."""
    folder = find_package_folder(PACKAGE)
    if folder is None:
        raise UsageError(f"{PACKAGE} is not installed: {INSTALL_COMMAND}")
    return folder / "weights" / "vST0.0" / "alex_shift_tolerant.pth"


def load() -> PerceptualDistance:
    """Load the network with its channel weights on the CPU, frozen, in eval mode.

    Raises:
        UsageError: The extra is not installed.
        WorkError: The weights file does not fit the network.
    """
    path = locate_weights()
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
        # On the meta device no initial weights are drawn, so the global random state does not change.
        with torch.device("meta"):
            network = PerceptualDistance()
        network.load_state_dict(_rename(network, weights), assign=True)
    except Exception as error:
        raise WorkError(
            f"{path}: expected the weights of ST-LPIPS ({error}); reinstall them: pip install --force-reinstall "
            "'unpaired[judges]'"
        ) from error
    return network.eval().requires_grad_(False)


def _rename(network: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the convolutions and channel weights of a file, which are in order, the names of `network`."""
    convolutions = [v for key, v in weights.items() if key.startswith("net.") and key.endswith((".weight", ".bias"))]
    names = [name for name, _ in network.named_parameters() if name.startswith("trunk.")]
    renamed = dict(zip(names, convolutions, strict=True))
    return renamed | {f"channel_weights.{i}": weights[f"lin{i}.model.1.weight"].flatten() for i in range(len(WIDTHS))}

"""Codes of an image's patches, from what a generator sees inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Projector(nn.Module):
    """A perceptron per layer that is looked at: Linear, ReLU, Linear (Park et al. 2020, arXiv:2007.15651, sec. 3.2).

    `widths` are the channels of the layers by their number in `[image, *features]`; layer 0 is the image itself.
    `patches` is how many places are drawn of each layer.
    """

    def __init__(self, widths: Mapping[int, int], num_patches: int = 256, code_dim: int = 256) -> None:
        super().__init__()
        self.layers = tuple(widths)
        self.num_patches = num_patches
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, code_dim), nn.ReLU(inplace=True), nn.Linear(code_dim, code_dim))
            for width in widths.values()
        )
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, 0.0, 0.02)
                nn.init.zeros_(module.bias)

    @property
    def num_features(self) -> int:
        """How many features of the generator are needed."""
        return max(self.layers)

    def sample_positions(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """Of each (B, C, H, W) that is looked at, `patches` different places, or all: indices into H W."""
        sizes = [(layers[i].shape[-2:].numel(), layers[i].device) for i in self.layers]
        return [torch.randperm(size, device=device)[: self.num_patches] for size, device in sizes]

    def forward(self, layers: Sequence[Tensor], positions: Sequence[Tensor]) -> list[Tensor]:
        """`[image, *features]`, each (B, C, H, W), and the places -> of each looked at, codes (B, places, codes)."""
        samples = [layers[i].flatten(2)[:, :, at].transpose(1, 2) for i, at in zip(self.layers, positions, strict=True)]
        return [head(patches) for head, patches in zip(self.heads, samples, strict=True)]

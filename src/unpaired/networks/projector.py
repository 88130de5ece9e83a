"""Projection of a generator's features to codes of image patches, for the contrastive loss of CUT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn


class Projector(nn.Module):
    """One perceptron per layer: Linear, ReLU, Linear (Park et al. 2020, arXiv:2007.15651, sec. 3.2).

    Args:
        widths: Channels of the selected layers, by their index in `[image, *features]`; layer 0 is the image itself.
        num_patches: Number of positions sampled from each layer.
        code_dim: Dimension of a code.
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
        """How many features of the generator the projector needs."""
        return max(self.layers)

    def sample_positions(self, layers: Sequence[Tensor]) -> list[Tensor]:
        """Sample `num_patches` distinct positions, or all, of each selected layer (B, C, H, W): indices below H W."""
        sizes = [(layers[i].shape[-2:].numel(), layers[i].device) for i in self.layers]
        return [torch.randperm(size, device=device)[: self.num_patches] for size, device in sizes]

    def forward(self, layers: Sequence[Tensor], positions: Sequence[Tensor]) -> list[Tensor]:
        """Project `[image, *features]`, each (B, C, H, W), at `positions` to codes.

        Returns the codes (B, positions, code_dim) of each selected layer.
        """
        samples = [layers[i].flatten(2)[:, :, at].transpose(1, 2) for i, at in zip(self.layers, positions, strict=True)]
        return [head(patches) for head, patches in zip(self.heads, samples, strict=True)]

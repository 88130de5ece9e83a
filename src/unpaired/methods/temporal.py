"""The temporal consistency loss of methods that translate in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unpaired.losses.adversarial import upcast
from unpaired.losses.temporal import (
    compute_flow_grid,
    compute_grid,
    find_inside,
    sample_motions,
    temporal_consistency,
    warp_images,
)
from unpaired.methods.base import BatchTranslation


@dataclass(frozen=True)
class TemporalLoss:
    """Compare translations of moved images with their moved translations.

    The motion is random, or that between a frame of a clip and its previous frame.
    """

    weight: float
    name: str = "temporal"
    pretrained: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, translation: BatchTranslation) -> Tensor:
        """Return the temporal consistency loss of a translation of images.

        `translation.context` (B, C + 3, H, W), if it is there, has the previous frame of each image, the flow to it
        (x, y), and where both show the same. Images with such a place are compared with their previous frame instead.
        """
        x = translation.x
        motions = sample_motions(len(x), x.shape[2], x.shape[3])
        grid = compute_grid(motions, x.shape[2], x.shape[3]).to(upcast(x))
        moved, mask = warp_images(x, grid).clamp(-1, 1).to(x), find_inside(grid)
        if translation.context is not None:
            previous, flow, visible = translation.context.split((x.shape[1], 2, 1), dim=1)
            has_previous = visible.amax(dim=(1, 2, 3), keepdim=True) > 0
            flow_grid = compute_flow_grid(upcast(flow))
            grid = torch.where(has_previous, flow_grid, grid)
            mask = torch.where(has_previous, visible.to(mask) * find_inside(flow_grid), mask)
            x, moved = torch.where(has_previous, previous, x), torch.where(has_previous, x, moved)
        return temporal_consistency(warp_images(translation.translate(x), grid), translation.translate(moved), mask)

"""The temporal consistency loss of methods that translate in one forward pass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from unpaired.losses.temporal import move_images, sample_motions, temporal_consistency
from unpaired.methods.base import BatchTranslation


@dataclass(frozen=True)
class TemporalLoss:
    """Compare the translation of images that a random motion moved with their moved translation."""

    weight: float
    name: str = "temporal"
    pretrained: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, translation: BatchTranslation) -> Tensor:
        """Return the temporal consistency loss of a translation of images."""
        x = translation.x
        motions = sample_motions(len(x), x.shape[2], x.shape[3])
        moved_x, mask = move_images(x, motions)
        moved_y, _ = move_images(translation.translate(x), motions)
        return temporal_consistency(moved_y, translation.translate(moved_x.clamp(-1, 1).to(x)), mask)

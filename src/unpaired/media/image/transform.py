"""Transform from pictures to square image tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt
from torch import Tensor

from unpaired.data.domain import Domain
from unpaired.data.item_transform import Example, LoadedItem
from unpaired.data.paths import Paths
from unpaired.media.image import crops
from unpaired.media.image.settings import ImageSettings


@dataclass(frozen=True)
class ImageTransform:
    """Transform to squares of `settings.size` pixels in [-1, 1]; no setting may be "auto"."""

    settings: ImageSettings

    @property
    def pretrained(self) -> Mapping[str, str]:
        """Empty: no pretrained network is used."""
        return {}

    @property
    def context_channels(self) -> int:
        """0: training examples have the channels of the networks."""
        return 0

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:
        """Read a picture at the training scale: (H, W, C)."""
        return crops.load_scaled_image(path, domain, self.settings, training)

    def crop(self, loaded_item: LoadedItem, random_values: tuple[float, float, float]) -> Example:
        """Crop a square (size, size, C) and mirror half of them if `settings.flip`."""
        top, left, flip_value = random_values
        return crops.crop(loaded_item, self.settings.size, top, left, self.is_mirrored(flip_value))

    def is_mirrored(self, flip_value: float) -> bool:
        """Whether an example with this random value, uniform in [0, 1), is mirrored."""
        return self.settings.flip is True and flip_value < 0.5

    def crop_for_evaluation(self, loaded_item: LoadedItem) -> Example:
        """Crop the center square."""
        return crops.crop(loaded_item, self.settings.size)

    def to_tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """Convert (B, size, size, C) to (B, C, size, size) in [-1, 1]."""
        return crops.convert_crops_to_tensor(examples)

    def list_visits(self, paths: Paths) -> None:  # noqa: ARG002
        """Visit every picture once."""
        return

"""What networks see of a file, by its medium: the protocol, and pictures. Voices are in `data.voices`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from unpaired.config.settings import DataSettings
from unpaired.data.domain import Domain
from unpaired.data.paths import Paths
from unpaired.media.image import crops

LoadedItem = npt.NDArray[Any]
"""A file as it is kept in memory; what it looks like is its framing's business."""
Example = npt.NDArray[Any]
"""What networks see of it, before it is a tensor; those of a framing have one shape."""


class ItemTransform(Protocol):
    """One medium's way from files to tensors. Final classes; loading is called from threads."""

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:
        """Read a file of `domain` to cut from; raises UnreadableFile."""

    def crop(self, loaded_item: LoadedItem, random_values: tuple[float, float, float]) -> Example:
        """The training example that three random numbers in [0, 1) choose."""

    def crop_for_evaluation(self, loaded_item: LoadedItem) -> Example:
        """What evaluation sees; of other lengths than training examples where the medium has a length."""

    def to_tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """Examples (B, ...) to float32 (B, C, H, W)."""

    def list_visits(self, paths: Paths) -> npt.NDArray[np.int64] | None:
        """The file (its index) of each visit in an epoch of training, where some are long; None: once each."""


@dataclass(frozen=True)
class ImageTransform:
    """Squares of `data.size` pixels in [-1, 1]; `data.framing` must be resolved."""

    data: DataSettings
    channels: int

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:
        """The picture at the scale of training, (H, W, C)."""
        return crops.load_scaled_image(path, domain, self.data, self.channels, training)

    def crop(self, loaded_item: LoadedItem, random_values: tuple[float, float, float]) -> Example:
        """A square (size, size, C), mirrored half the time where the settings say so."""
        top, left, flip_value = random_values
        return crops.crop(loaded_item, self.data.size, top, left, self.data.flip and flip_value < 0.5)

    def crop_for_evaluation(self, loaded_item: LoadedItem) -> Example:
        """The square in the middle."""
        return crops.crop(loaded_item, self.data.size)

    def to_tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """(B, size, size, C) to (B, C, size, size) in [-1, 1]."""
        return crops.convert_crops_to_tensor(examples)

    def list_visits(self, paths: Paths) -> None:  # noqa: ARG002
        """Every picture once."""
        return

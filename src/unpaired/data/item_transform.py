"""Protocol of transforms from files to tensors; every medium implements it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from unpaired.data.domain import Domain
from unpaired.data.paths import Paths

LoadedItem = npt.NDArray[Any]
"""A decoded file in memory, in a form that its transform chooses."""
Example = npt.NDArray[Any]
"""One network input before conversion to a tensor; all training examples of a transform have the same shape."""


class ItemTransform(Protocol):
    """Transform from files of a medium to tensors. `load` is called from several threads."""

    @property
    def pretrained(self) -> Mapping[str, str]:
        """Pretrained networks in use: name -> SHA-256 of the weights."""

    @property
    def context_channels(self) -> int:
        """Number of last channels of a training example that only losses of translations use; 0: none.

        Examples for evaluation do not have them.
        """

    def load(self, path: Path, domain: Domain, training: bool) -> LoadedItem:
        """Read a file of `domain`; raises UnreadableFileError."""

    def crop(self, loaded_item: LoadedItem, random_values: tuple[float, float, float]) -> Example:
        """Return the training example that three random numbers in [0, 1) determine."""

    def crop_for_evaluation(self, loaded_item: LoadedItem) -> Example:
        """Return the example for evaluation; it may be longer than a training example."""

    def to_tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """Convert examples (B, ...) to float32 (B, C, H, W)."""

    def list_visits(self, paths: Paths) -> npt.NDArray[np.int64] | None:
        """Return the file index of each visit in a training epoch; None: every file once."""

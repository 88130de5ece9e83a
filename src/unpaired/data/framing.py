"""What networks see of a file, by its medium: the protocol, and pictures. Voices are in `data.voices`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor

from unpaired.data import frame
from unpaired.data.domain import Domain
from unpaired.data.paths import Paths
from unpaired.settings import DataSettings

Loaded = npt.NDArray[Any]
"""A file as it is kept in memory; what it looks like is its framing's business."""
Example = npt.NDArray[Any]
"""What networks see of it, before it is a tensor; those of a framing have one shape."""


class Framing(Protocol):
    """One medium's way from files to tensors. Final classes; loading is called from threads."""

    def load(self, path: Path, domain: Domain, training: bool) -> Loaded:
        """Read a file of `domain` to cut from; raises UnreadableFile."""

    def cut(self, loaded: Loaded, chances: tuple[float, float, float]) -> Example:
        """The training example that three random numbers in [0, 1) choose."""

    def whole(self, loaded: Loaded) -> Example:
        """What evaluation sees; of other lengths than training examples where the medium has a length."""

    def tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """Examples (B, ...) to float32 (B, C, H, W)."""

    def visits(self, paths: Paths) -> npt.NDArray[np.int64] | None:
        """The file (its index) of each visit in an epoch of training, where some are long; None: once each."""


@dataclass(frozen=True)
class Pictures:
    """Squares of `data.size` pixels in [-1, 1]; `data.framing` must be resolved."""

    data: DataSettings
    channels: int

    def load(self, path: Path, domain: Domain, training: bool) -> Loaded:
        """The picture at the scale of training, (H, W, C)."""
        return frame.load(path, domain, self.data, self.channels, training)

    def cut(self, loaded: Loaded, chances: tuple[float, float, float]) -> Example:
        """A square (size, size, C), mirrored half the time where the settings say so."""
        top, left, mirror = chances
        return frame.cut(loaded, self.data.size, top, left, self.data.flip and mirror < 0.5)

    def whole(self, loaded: Loaded) -> Example:
        """The square in the middle."""
        return frame.cut(loaded, self.data.size)

    def tensor(self, examples: npt.NDArray[Any]) -> Tensor:
        """(B, size, size, C) to (B, C, size, size) in [-1, 1]."""
        return frame.tensor(examples)

    def visits(self, paths: Paths) -> None:  # noqa: ARG002
        """Every picture once."""
        return

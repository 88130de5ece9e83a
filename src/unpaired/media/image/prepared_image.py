"""A picture that was read and waits for the networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from unpaired.media.image.carried_metadata import CarriedMetadata
from unpaired.media.image.image_io import NO_METADATA, FloatArray
from unpaired.media.image.large_image import LargeImage
from unpaired.media.image.pixel_types import UINT8
from unpaired.media.image.size_adapter import SizeAdapter
from unpaired.translate.network import LabelVector


@dataclass(frozen=True, eq=False)
class PreparedImage:
    """Network input of a picture, with the properties of the input that the result has too.

    `values` is (C, *adapter.padded_size) in [-1, 1]. `label` (L,) is the requested label of a label-conditioned method,
    NaN for values that do not change; None for other methods. `losses` describes parts of the file that are not used.
    A large picture has no values but its decoded pixels, in `large`, and the `suffix` of the output file. `metadata` is
    carried over to it. `dtype` is the type of the values in the input file.
    """

    values: FloatArray | None
    adapter: SizeAdapter
    alpha: FloatArray | None
    is_color: bool
    bits: int
    label: LabelVector | None = None
    losses: tuple[str, ...] = ()
    large: LargeImage | None = None
    suffix: str = ""
    metadata: CarriedMetadata = NO_METADATA
    dtype: np.dtype[Any] = UINT8

    @property
    def batch_key(self) -> tuple[object, ...]:
        """Size of the network input and the label: the pictures of a batch have equal ones. Large ones are alone."""
        return self.adapter.padded_size, str(self.label), None if self.large is None else id(self)

    @property
    def memory_cost(self) -> int:
        """Pixels of the network input, or of the whole picture if it is large."""
        if self.large is not None:
            return self.adapter.height * self.adapter.width
        return self.adapter.padded_size[0] * self.adapter.padded_size[1]

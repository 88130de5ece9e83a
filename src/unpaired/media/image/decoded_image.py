"""A decoded picture of any format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.media.image.pixel_types import UINT8

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded picture: raw pixels (H, W, C), and alpha (H, W) float32 in [0, 1] or None.

    C is 1 or 3, or with `all_bands` of `read_image` the number of bands of the file, alpha included. The pixels are
    float32 unless `read_image` was called with `keep_type`; `dtype` is the type of the values in the file.

    `bits` is 8, 16 or 32 (floating point, or integers of more than 16 bits), `mode` the mode of the file. `has_color`
    is true if the channels of any pixel differ. `full_size` is the height and width of the file if the picture may have
    been decoded at a smaller size.
    """

    pixels: npt.NDArray[Any]
    alpha: FloatArray | None
    bits: int
    mode: str
    has_color: bool
    full_size: tuple[int, int] | None = None
    dtype: np.dtype[Any] = UINT8

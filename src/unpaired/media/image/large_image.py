"""Pictures that are too large for float32 copies of all their pixels: they are converted tile by tile."""

from __future__ import annotations

from dataclasses import dataclass

from unpaired.media.image.image_io import DecodedImage

LARGE_PIXELS = 1 << 23
"""Pixels of a picture above which it is converted tile by tile: 100 MB of color in float32."""


@dataclass(frozen=True, eq=False)
class LargeImage:
    """Decoded pixels of a large picture in the type of the file, and the raw values `low` and `high` of -1 and 1."""

    image: DecodedImage
    low: float
    high: float
    channels: int

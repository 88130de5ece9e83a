"""Formats that need packages of the extra `unpaired[formats]`: HEIC, and 16-bit color in PNG files."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

HEIF_SUFFIXES = frozenset({".heic", ".heif"})
INSTALL_HINT = "pip install unpaired[formats]"


@cache
def register_heif() -> bool:
    """Make Pillow read HEIC files; returns False if the package for it is missing."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    import pillow_heif  # noqa: PLC0415 - optional

    pillow_heif.register_heif_opener(thumbnails=False)
    return True


@cache
def has_codecs() -> bool:
    """Return whether the package is installed that reads and writes 16-bit color PNG, and compressed TIFF."""
    return importlib.util.find_spec("imagecodecs") is not None


def decode_png(data: bytes) -> npt.NDArray[Any]:
    """Decode a PNG of 16 bits per channel to (H, W, C) uint16; raises RuntimeError for damaged data."""
    import imagecodecs  # noqa: PLC0415 - optional

    array = np.asarray(imagecodecs.png_decode(data))
    return array if array.ndim == 3 else array[..., None]


def encode_png(array: npt.NDArray[Any]) -> bytes:
    """Encode (H, W, C) uint16 as PNG."""
    import imagecodecs  # noqa: PLC0415 - optional

    return bytes(imagecodecs.png_encode(np.ascontiguousarray(array)))

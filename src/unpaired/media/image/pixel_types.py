"""Types of pixel values: bits per channel of a picture, and the type of the values in files."""

from __future__ import annotations

from typing import Any

import numpy as np

MAX_VALUES = {8: 255.0, 16: 65535.0, 32: 1.0}
"""Bits per channel -> value of full intensity and full alpha."""
DTYPES: dict[int, type[np.uint8 | np.uint16 | np.float32]] = {8: np.uint8, 16: np.uint16, 32: np.float32}
UINT8: np.dtype[Any] = np.dtype(np.uint8)
MIN_LEVELS = 100
"""Number of levels of the target's values below which a result is not rounded to integers."""


def get_type_bits(dtype: np.dtype[Any]) -> int:
    """Return the bits per channel of a type: 8 and 16 for unsigned integers, 32 for all other numbers."""
    return {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}.get(dtype.newbyteorder("="), 32)


def choose_result_type(dtype: np.dtype[Any], bits: int, low: float, high: float) -> np.dtype[Any]:
    """Return the type of a result with values from `low` to `high` for an input of `dtype`, written with `bits`.

    The type of the input is kept. Integers become float32 if they cannot hold the values, or only in few levels.
    """
    if bits != 32 or get_type_bits(dtype) != 32:
        return np.dtype(DTYPES[bits])
    if dtype.kind == "f":
        return dtype
    limits = np.iinfo(dtype)
    is_suitable = limits.min <= low and high <= limits.max and high - low >= MIN_LEVELS
    return dtype if is_suitable else np.dtype(np.float32)


def describe_bands(bands: int, dtype: np.dtype[Any]) -> str:
    """Return the mode of an array: "L" or "RGB", or the number of its channels, with the type if it is not uint8."""
    mode = {1: "L", 3: "RGB"}.get(bands, f"{bands} channels")
    return mode if dtype == np.uint8 else f"{mode};{dtype}"

"""Conversion of arrays and Pillow images to decoded images, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from unpaired.errors import UsageError
from unpaired.media.image.image_io import DecodedImage, FloatArray
from unpaired.media.image.pixel_types import MAX_VALUES, describe_bands, get_type_bits

Array = npt.NDArray[Any]


def convert_array_to_image(array: Array, channels: int | None = None) -> DecodedImage:
    """Convert (H, W) or (H, W, C) to an image; of 2 or 4 channels, the last is alpha.

    With `channels` (neither 1 nor 3), the array must have as many, and none is alpha. Supported types are integers of
    at most 32 bits and floating point, but not bool. Raises UsageError for other types and shapes.
    """
    bits = get_type_bits(array.dtype)
    if array.dtype.kind not in "iuf" or (array.dtype.kind in "iu" and array.dtype.itemsize > 4):
        raise UsageError(f"an array of {array.dtype}; expected uint8, uint16, int16, int32 or floating point")
    expected = (1, 2, 3, 4) if channels is None else (channels,)
    if array.ndim not in (2, 3) or (array.shape[2] if array.ndim == 3 else 1) not in expected or 0 in array.shape:
        number = "1 to 4" if channels is None else f"{channels}"
        raise UsageError(f"an array of shape {array.shape}; expected (H, W) or (H, W, C) with {number} channels")
    planes = array.astype(np.float32).reshape(*array.shape[:2], -1)
    if channels is not None:
        return DecodedImage(planes, None, bits, describe_bands(channels, array.dtype), False, dtype=array.dtype)
    alpha = None
    if planes.shape[2] in (2, 4):
        alpha, planes = np.clip(planes[..., -1] / np.float32(MAX_VALUES[bits]), 0, 1), planes[..., :-1]
    has_color = planes.shape[2] == 3
    return DecodedImage(planes, alpha, bits, "RGB" if has_color else "L", has_color, dtype=array.dtype)


def convert_pixels_to_array(pixels: FloatArray, alpha: FloatArray | None, bits: int, dtype: np.dtype[Any]) -> Array:
    """Convert raw values (H, W, C) and alpha in [0, 1] to an array of `dtype`, alpha last.

    `bits` says which value full alpha has. Integers are rounded and clipped.
    """
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha[..., None] * np.float32(MAX_VALUES[bits])], axis=-1)
    if dtype.kind == "f":
        return pixels.astype(dtype)
    limits = np.iinfo(dtype)
    if dtype.itemsize <= 2:
        return np.rint(np.clip(np.nan_to_num(pixels), limits.min, limits.max)).astype(dtype)
    return np.clip(np.rint(np.nan_to_num(pixels).astype(np.float64)), limits.min, limits.max).astype(dtype)


def convert_pil_to_array(image: Image.Image) -> Array:
    """Convert a Pillow image of any mode to an array for `convert_array_to_image`.

    EXIF orientation is applied. Palettes and unusual modes become RGB.
    """
    image = ImageOps.exif_transpose(image)
    has_alpha = image.has_transparency_data
    if image.mode in ("1", "L", "LA", "La"):
        image = image.convert("LA" if has_alpha else "L")
    elif image.mode not in ("I", "F") and not image.mode.startswith("I;16"):
        image = image.convert("RGBA" if has_alpha else "RGB")
    return np.asarray(image)


def convert_array_to_pil(array: Array) -> Image.Image:
    """Convert (H, W, C) of `convert_pixels_to_array` to a Pillow image: L, LA, RGB, RGBA, or I;16 and F (gray)."""
    return Image.fromarray(array[..., 0] if array.shape[2] == 1 else array)

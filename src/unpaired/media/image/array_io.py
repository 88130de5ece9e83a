"""Conversion of arrays and Pillow images to decoded images, and back."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from unpaired.errors import UsageError
from unpaired.media.image.image_io import DecodedImage, FloatArray

Array = npt.NDArray[Any]
DTYPES: dict[int, type[np.uint8 | np.uint16 | np.float32]] = {8: np.uint8, 16: np.uint16, 32: np.float32}
MAX_VALUES = {8: 255.0, 16: 65535.0, 32: 1.0}
"""Bits per channel -> value of full intensity and full alpha."""


def convert_array_to_image(array: Array) -> DecodedImage:
    """Convert (H, W) or (H, W, C) to an image; of 2 or 4 channels, the last is alpha.

    Supported types are uint8, uint16, int32 and floating point. Raises UsageError for other types and shapes.
    """
    bits = {np.dtype(np.uint8): 8, np.dtype(np.uint16): 16}.get(array.dtype, 32)
    if bits == 32 and not (np.issubdtype(array.dtype, np.floating) or array.dtype == np.int32):
        raise UsageError(f"an array of {array.dtype}; expected uint8, uint16 or floating point")
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (1, 2, 3, 4)) or 0 in array.shape:
        raise UsageError(f"an array of shape {array.shape}; expected (H, W) or (H, W, C) with 1 to 4 channels")
    planes = array.astype(np.float32).reshape(*array.shape[:2], -1)
    alpha = None
    if planes.shape[2] in (2, 4):
        alpha, planes = np.clip(planes[..., -1] / np.float32(MAX_VALUES[bits]), 0, 1), planes[..., :-1]
    has_color = planes.shape[2] == 3
    return DecodedImage(planes, alpha, bits, "RGB" if has_color else "L", has_color)


def convert_pixels_to_array(pixels: FloatArray, alpha: FloatArray | None, bits: int) -> Array:
    """Convert raw values (H, W, 1 or 3) and alpha in [0, 1] to (H, W, C) of the type for `bits`, alpha last."""
    if alpha is not None:
        pixels = np.concatenate([pixels, alpha[..., None] * np.float32(MAX_VALUES[bits])], axis=-1)
    if bits != 32:
        pixels = np.rint(np.clip(pixels, 0, MAX_VALUES[bits]))
    return pixels.astype(DTYPES[bits])


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

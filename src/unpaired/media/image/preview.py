"""Previews of pictures that browsers show: 8-bit PNG files of limited size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from unpaired.file_names import shorten_name
from unpaired.media.image.image_io import DecodedImage, FloatArray, read_header, read_image, resize

MAX_SIDE = 1024
"""Longest side of a preview in pixels."""


def write_preview(path: Path, folder: Path) -> Path:
    """Write a preview of a picture to `folder`; returns its path. Raises UnreadableFileError."""
    read_header(path)
    image = read_image(path)
    pixels = scale_to_8_bits(image)
    height, width = pixels.shape[:2]
    factor = min(1.0, MAX_SIDE / max(height, width))
    small = resize(pixels, max(1, round(height * factor)), max(1, round(width * factor)), 8)
    alpha = None if image.alpha is None else resize(image.alpha[..., None], *small.shape[:2])
    values = put_on_white(small, alpha)
    preview = folder / shorten_name(f"{path.name}.png", 200)
    Image.fromarray(values[..., 0] if values.shape[-1] == 1 else values).convert("RGB").save(preview)
    return preview


def put_on_white(pixels: FloatArray, alpha: FloatArray | None) -> npt.NDArray[np.uint8]:
    """Return pixels (H, W, C) in 0..255 as 8 bits; with `alpha` (H, W, 1) transparent pixels become white."""
    if alpha is not None:
        pixels = pixels * alpha + 255 * (1 - alpha)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def scale_to_8_bits(image: DecodedImage) -> FloatArray:
    """Map raw values (H, W, C) to 0..255: 8 bits are kept, 16 bits and floating point are stretched to their range."""
    if image.bits == 8:
        return image.pixels
    finite = np.nan_to_num(image.pixels.astype(np.float32), nan=0, posinf=0, neginf=0)
    low, high = float(finite.min()), float(finite.max())
    return np.asarray((finite - low) * np.float32(255 / max(high - low, 1e-12)), np.float32)

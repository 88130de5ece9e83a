"""Resizing and cropping of pictures to the square inputs of the networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from unpaired.data.domain import Domain
from unpaired.media.image.image_io import (
    DecodedImage,
    FloatArray,
    convert_bits,
    convert_channels,
    read_channels,
    resize,
    to_network_values,
)
from unpaired.media.image.settings import ImageSettings, image_statistics

_MAX_ASPECT_RATIO = 16
ImageReader = Callable[[Path, int, int | None], DecodedImage]
"""Function from a file, the channels of the networks and a side in pixels (None: any) to a decoded picture."""
ScaledImage = npt.NDArray[Any]
"""Picture (H, W, C) at the training scale, both sides at least the training size.

The values are uint8 in [0, 255], or float32 in [-1, 1] for domains of more than 8 bits.
"""


def load_scaled_image(
    path: Path, domain: Domain, settings: ImageSettings, training: bool, read: ImageReader = read_channels
) -> ScaledImage:
    """Read a file and resize it to the training scale; raises UnreadableFileError.

    `read` decodes it, perhaps at a smaller size whose shorter side is at least the given side. With resize mode
    "scale", the shorter side becomes `size`, in training `size * load_size_ratio`. With "crop", only pictures smaller
    than `size` are resized.
    """
    side = (
        round(settings.size * settings.load_size_ratio)
        if training and settings.resize_mode == "scale"
        else settings.size
    )
    image = read(path, settings.num_channels, side if settings.resize_mode == "scale" else None)
    return scale_image(image, domain, settings.num_channels, side, settings.resize_mode == "scale")


def scale_image(image: DecodedImage, domain: Domain, channels: int, side: int, shrink: bool) -> ScaledImage:
    """Composite a picture over white, convert it to `channels` channels, and resize its shorter side to `side`.

    Without `shrink`, only smaller pictures are resized. Pictures with an aspect ratio above 16 are cropped to the
    center.
    """
    bits = image_statistics(domain).bits
    image = convert_bits(image, bits)
    is_8bit = bits == 8
    pixels = _crop_long_sides(_composite_over_white(image) if is_8bit else _normalise_image(image, domain))
    height, width = pixels.shape[:2]
    factor = side / min(height, width)
    if shrink or factor > 1:
        pixels = resize(pixels, max(side, round(height * factor)), max(side, round(width * factor)), bits)
    pixels = np.ascontiguousarray(np.moveaxis(convert_channels(np.moveaxis(pixels, -1, 0), channels), 0, -1))
    if is_8bit:
        return np.asarray(np.rint(np.clip(pixels, 0, 255)), np.uint8)
    return np.clip(pixels, np.float32(-1), np.float32(1))


def _crop_long_sides(pixels: FloatArray) -> FloatArray:
    y, x = ((n - min(n, _MAX_ASPECT_RATIO * min(pixels.shape[:2]))) // 2 for n in pixels.shape[:2])
    return pixels[y : pixels.shape[0] - y, x : pixels.shape[1] - x]


def _composite_over_white(image: DecodedImage) -> FloatArray:
    """Return raw 8-bit values over white, as `to_network_values` does, but without the conversion to [-1, 1]."""
    pixels = np.nan_to_num(image.pixels) if image.bits == 32 else image.pixels
    if image.alpha is None:
        return pixels
    alpha = image.alpha[..., None]
    return pixels * alpha + np.float32(255) * (1 - alpha)


def _normalise_image(image: DecodedImage, domain: Domain) -> FloatArray:
    statistics = image_statistics(domain)
    values = to_network_values(image, image.pixels.shape[-1], statistics.low, statistics.high)
    return np.moveaxis(values, 0, -1)


def crop(scaled_image: ScaledImage, size: int, top: float = 0.5, left: float = 0.5, flip: bool = False) -> ScaledImage:
    """Crop a square (size, size, C); `top` and `left` in [0, 1) are its position relative to the possible ones."""
    y = int(top * (scaled_image.shape[0] - size + 1))
    x = int(left * (scaled_image.shape[1] - size + 1))
    crop_pixels = scaled_image[y : y + size, x : x + size]
    return crop_pixels[:, ::-1] if flip else crop_pixels


def convert_crops_to_tensor(crops: npt.NDArray[Any]) -> Tensor:
    """Convert crops (B, H, W, C) to float32 (B, C, H, W) in [-1, 1]."""
    # NumPy, because the threads of torch wait for each other while the decoding threads use the cores.
    planes = crops.transpose(0, 3, 1, 2)
    if crops.dtype == np.float32:
        return torch.from_numpy(np.ascontiguousarray(planes))
    x = np.multiply(planes, np.float32(2 / 255), dtype=np.float32, order="C")
    x -= 1
    return torch.from_numpy(x)

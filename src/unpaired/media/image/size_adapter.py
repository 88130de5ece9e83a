"""Adaptation of pictures of any size to networks, which need multiples of a stride and were trained at one scale."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from unpaired.media.image.image_io import FloatArray
from unpaired.media.image.image_io import resize as resize_pixels

MAX_ENLARGED_SIZES = 8
"""Limit for the longer side of an enlarged small picture, as a multiple of the training size."""


@dataclass(frozen=True)
class SizeAdapter:
    """Resize a picture of `height` x `width` to `resized_size`, then pad it to `padded_size`; and the reverse."""

    height: int
    width: int
    resized_size: tuple[int, int]
    padded_size: tuple[int, int]

    @property
    def upscale_factor(self) -> float:
        """Factor by which the result is enlarged to the input's size; 1 if the picture was not resized."""
        return max(self.height / self.resized_size[0], self.width / self.resized_size[1])

    def adapt_input(self, x: FloatArray) -> FloatArray:
        """Convert (B, C, height, width) to (B, C, *padded_size)."""
        return pad_by_reflection(resize(x, self.resized_size), self.padded_size)

    def restore_output(self, y: FloatArray) -> FloatArray:
        """Convert (B, C, *padded_size) to (B, C, height, width), clamped to [-1, 1]."""
        y = y[..., : self.resized_size[0], : self.resized_size[1]]
        return np.clip(resize(y, (self.height, self.width)), -1, 1)


def create_size_adapter(height: int, width: int, size: int | None, shrink: bool, stride: int) -> SizeAdapter:
    """Return the adapter of a picture: its shorter side becomes `size` pixels; None keeps the picture's scale.

    Without `shrink`, only smaller pictures are resized. Both sides become multiples of `stride`, at least two of them,
    as reflection padding requires. Thin pictures (1 x 1000) are enlarged less, so that their longer side is at most
    `MAX_ENLARGED_SIZES` times `size`.
    """
    resized_size = (height, width)
    if size is not None:
        short, long = min(resized_size), max(resized_size)
        factor = size / short
        if factor > 1:
            factor = max(1.0, min(factor, MAX_ENLARGED_SIZES * size / long))
        elif not shrink:
            factor = 1.0
        resized_size = (max(1, round(height * factor)), max(1, round(width * factor)))
    padded_size = (
        max(2, math.ceil(resized_size[0] / stride)) * stride,
        max(2, math.ceil(resized_size[1] / stride)) * stride,
    )
    return SizeAdapter(height, width, resized_size, padded_size)


def resize(x: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resize (B, C, H, W) to (B, C, *size), bicubic and antialiased; unchanged if it has that size."""
    if x.shape[-2:] == size:
        return x
    return np.stack([np.moveaxis(resize_pixels(np.moveaxis(image, 0, -1), *size), -1, 0) for image in x])


def pad_by_reflection(x: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Pad (B, C, H, W) at the bottom and right to `size` by reflection, repeated as often as necessary."""
    for dim, length in ((-2, size[0]), (-1, size[1])):
        current_length = x.shape[dim]
        if current_length < length:
            period = max(1, 2 * (current_length - 1))
            indices = np.arange(length) % period
            x = np.take(x, np.where(indices < current_length, indices, period - indices), axis=dim)
    return x

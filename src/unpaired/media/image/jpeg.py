"""JPEG compression of image tensors in memory."""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def compress_jpeg(x: Tensor, quality: int) -> Tensor:
    """Compress images (B, 1 or 3, H, W) in [-1, 1] as JPEG of `quality` 1 to 100; returns the decoded images.

    Chroma is not subsampled (4:4:4). Raises ValueError for other numbers of channels.
    """
    if x.shape[1] not in (1, 3):
        raise ValueError(f"images of {x.shape[1]} channels; JPEG supports 1 or 3")
    levels = ((x.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
    out = torch.stack([_compress_image(image_levels, quality) for image_levels in levels])
    return (out.float() / 127.5 - 1).to(x)


def _compress_image(levels: Tensor, quality: int) -> Tensor:
    """Compress one image (C, H, W) uint8 and decode it again."""
    buffer = io.BytesIO()
    pixels = levels.permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(buffer, "JPEG", quality=quality, subsampling=0)
    with Image.open(buffer) as decoded_image:
        decoded_pixels = np.asarray(decoded_image)
    return torch.from_numpy(decoded_pixels.reshape(pixels.shape).copy()).permute(2, 0, 1)

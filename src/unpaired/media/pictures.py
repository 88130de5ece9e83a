"""Pictures in the reports of every medium: sample grids, figures of audits, rows of a comparison."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from unpaired.errors import UnreadableFileError
from unpaired.media.image import image_io
from unpaired.media.image.image_tensors import from_tensor

MAX_PNG_BYTES = 1_500_000
"""Size in bytes above which a PNG file is converted to WebP before it is embedded."""
LARGE_PX, SMALL_PX = 1600, 304
"""Maximum widths of embedded pictures and thumbnails."""


@dataclass(frozen=True)
class EmbeddedImage:
    """A picture as a `data:` URL, and its original size in pixels."""

    data_url: str
    width: int
    height: int


def save_grid(path: Path, grid: Tensor) -> None:
    """Write a grid (C, H, W) in [-1, 1] as an 8-bit gray or RGB picture file; raises WorkError."""
    image_io.write_image(path, from_tensor(grid, 0.0, 255.0, is_color=grid.shape[0] == 3), None, 8)


def save_pixels(path: Path, pixels: npt.NDArray[np.float32]) -> None:
    """Write raw values (H, W, 1 or 3) in [0, 255] as an 8-bit picture file; raises WorkError."""
    image_io.write_image(path, pixels)


def embed_image(path: Path, is_thumbnail: bool = False) -> EmbeddedImage | None:
    """Embed the picture at `path`, resized for thumbnails; returns None if the file is missing or damaged."""
    try:
        image_file = image_io.read_image(path)
        data = path.read_bytes()
    except (UnreadableFileError, OSError):
        return None
    height, width = image_file.pixels.shape[:2]
    if not is_thumbnail and data[:4] == b"\x89PNG" and len(data) <= MAX_PNG_BYTES:
        return EmbeddedImage(f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height)
    scale = min(1.0, (SMALL_PX if is_thumbnail else LARGE_PX) / width)
    resized = image_io.resize(
        image_file.pixels, max(1, round(height * scale)), max(1, round(width * scale)), image_file.bits
    )
    buffer = io.BytesIO()
    pixels = np.rint(np.clip(resized, 0, 255)).astype(np.uint8)
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
        buffer, "WEBP", quality=80 if is_thumbnail else 92
    )
    return EmbeddedImage(f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}", width, height)

"""Pictures as part of the page: nothing is loaded from elsewhere, and the page stays light."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from unpaired.errors import UnreadableFile
from unpaired.media import image

HEAVY = 1_500_000
"""Bytes above which a grid is embedded as WebP instead of the PNG as it is."""
LARGE_PX, SMALL_PX = 1600, 304


@dataclass(frozen=True)
class Embedded:
    """A picture as a `data:` address, and its size in pixels before it was made smaller."""

    address: str
    width: int
    height: int


def embed(path: Path, small: bool = False) -> Embedded | None:
    """The picture at `path` for the page, `small` for the time line; None where the file is gone or damaged."""
    try:
        picture = image.read(path)
        data = path.read_bytes()
    except (UnreadableFile, OSError):
        return None
    height, width = picture.pixels.shape[:2]
    if not small and data[:4] == b"\x89PNG" and len(data) <= HEAVY:
        return Embedded(f"data:image/png;base64,{base64.b64encode(data).decode()}", width, height)
    shrink = min(1.0, (SMALL_PX if small else LARGE_PX) / width)
    sized = image.resize(picture.pixels, max(1, round(height * shrink)), max(1, round(width * shrink)), picture.bits)
    buffer = io.BytesIO()
    plain = np.rint(np.clip(sized, 0, 255)).astype(np.uint8)
    Image.fromarray(plain[..., 0] if plain.shape[2] == 1 else plain).save(buffer, "WEBP", quality=80 if small else 92)
    return Embedded(f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}", width, height)

"""The TIFF files that Pillow cannot read or write in full: 16-bit and floating-point colour, half and double floats."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from unpaired.errors import UnreadableFile

# Without a handler, Python prints what tifffile logs about damaged files.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_BITS_PER_SAMPLE, _ORIENTATION = 258, 274
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = range(4)  # the tag photometric interpretation
_SEPARATE = 2  # the tag planar configuration
_SCALE = {np.dtype(np.uint8): (8, 255.0), np.dtype(np.uint16): (16, 65535.0)}


@dataclass(frozen=True)
class Facts:
    """What a picture's header says: size as displayed (EXIF orientation applied), mode, bits per channel (32: floating
    point or wide integers), whether the mode can hold colour (the pixels may still be gray), and whether there are
    `several` pages or frames, of which the first is read.
    """

    width: int
    height: int
    mode: str
    bits: int
    color: bool
    several: bool = False


def is_tiff(path: Path) -> bool:
    """Whether the file begins as a TIFF does."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def wide(image: Image.Image) -> bool:
    """Whether a TIFF opened by Pillow has several channels of more than 8 bits, which Pillow would cut to 8."""
    bits = _tags(image).get(_BITS_PER_SAMPLE, (1,))
    return len(bits) > 1 and max(bits) > 8


def beyond_pillow(image: Image.Image) -> bool:
    """Whether Pillow would decode this TIFF wrongly: wide colour, or uncompressed and to be turned by 90 degrees."""
    # Pillow maps such gray files into memory with their sides already swapped, and so scrambles them (seen in 13.0).
    raw = any(tile[0] == "raw" for tile in image.tile)  # type: ignore[attr-defined]
    return wide(image) or (raw and _tags(image).get(_ORIENTATION, 1) >= 5)


def _tags(image: Image.Image) -> Any:
    return image.tag_v2  # type: ignore[attr-defined]


def facts(path: Path) -> Facts:
    """Read the first page's header; raises what tifffile raises."""
    with tifffile.TiffFile(path) as file:
        return replace(_facts(file.pages[0]), several=_has_second(file))


def _has_second(file: tifffile.TiffFile) -> bool:
    try:
        file.pages[1]  # the number of pages would take a walk over all of them
    except IndexError:
        return False
    return True


def _facts(page: Any) -> Facts:
    bits, _ = _SCALE.get(page.dtype, (32, 1.0))
    color = page.samplesperpixel >= 3 or page.photometric == _PALETTE
    mode = ("RGBA" if page.samplesperpixel == 4 else "RGB") if color else "L"
    height, width = page.imagelength, page.imagewidth
    if _orientation(page) >= 5:
        width, height = height, width
    return Facts(width, height, mode if bits == 8 else f"{mode};{page.dtype.itemsize * 8}", bits, color)


def _orientation(page: Any) -> int:
    return int(page.tags.valueof(_ORIENTATION, 1))


def read(path: Path, limit: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32] | None, int, str]:
    """The first page: pixels (H, W, 1 or 3), alpha (H, W) in [0, 1] or None, bits (8, 16, 32) and mode.

    Raises UnreadableFile above `limit` pixels and for kinds that are not gray, colour or palette.
    """
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        found = _facts(page)
        if found.width * found.height > limit:
            raise UnreadableFile(path, f"{found.width} x {found.height} pixels, more than the limit of {limit:,}")
        kind, samples = int(page.photometric), page.samplesperpixel
        if kind not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE) or samples > 4 or page.imagedepth != 1:
            raise UnreadableFile(
                path, f"a TIFF of a kind that is not supported (photometric {kind}, {samples} channels)"
            )
        try:
            pixels = page.asarray()
        except (KeyError, ValueError) as error:
            why = f"cannot be decoded ({error}); saving it as uncompressed TIFF helps"
            raise UnreadableFile(path, why) from error
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        elif int(page.planarconfig) == _SEPARATE:
            pixels = np.moveaxis(pixels, 0, -1)
        if kind == _PALETTE:
            pixels = (page.colormap >> 8).astype(np.uint8).T[pixels[..., 0]]
        _, top = _SCALE.get(pixels.dtype, (32, 1.0))
        if kind == _WHITE_IS_ZERO:
            pixels = (top - pixels).astype(pixels.dtype)
        pixels = _turned(pixels, _orientation(page))
    alpha = None
    if pixels.shape[-1] in (2, 4):
        alpha = np.clip(pixels[..., -1].astype(np.float32) / np.float32(top), 0, 1)
        pixels = pixels[..., :-1]
    return pixels, alpha, found.bits, found.mode


def _turned(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """EXIF orientation 1..8 applied to (H, W, C)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def write(buffer: io.BytesIO, pixels: npt.NDArray[Any], alpha: bool) -> None:
    """Write (H, W, C) uint8, uint16 or float32 as a deflated TIFF; with `alpha` the last channel is the opacity."""
    color = pixels.shape[-1] >= 3
    tifffile.imwrite(
        buffer,
        pixels if pixels.shape[-1] > 1 else pixels[..., 0],
        photometric="rgb" if color else "minisblack",
        extrasamples=["unassalpha"] if alpha else None,
        planarconfig="contig" if pixels.shape[-1] > 1 else None,
        compression="zlib",
        metadata=None,
    )

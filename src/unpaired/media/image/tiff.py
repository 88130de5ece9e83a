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

from unpaired.errors import UnreadableFileError

# Without a handler, Python prints what tifffile logs about damaged files.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_BITS_PER_SAMPLE, _ORIENTATION = 258, 274
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = range(4)  # the tag photometric interpretation
_SEPARATE = 2  # the tag planar configuration
_BITS_AND_MAX_VALUE = {np.dtype(np.uint8): (8, 255.0), np.dtype(np.uint16): (16, 65535.0)}


@dataclass(frozen=True)
class ImageHeader:
    """What a picture's header says: size as displayed (EXIF orientation applied), mode, bits per channel (32: floating
    point or wide integers), whether the mode can hold colour (the pixels may still be gray), and whether there are
    `several` pages or frames, of which the first is read.
    """

    width: int
    height: int
    mode: str
    bits: int
    is_color: bool
    has_more_pages: bool = False


def is_tiff(path: Path) -> bool:
    """Whether the file begins as a TIFF does."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def has_wide_channels(image: Image.Image) -> bool:
    """Whether a TIFF opened by Pillow has several channels of more than 8 bits, which Pillow would cut to 8."""
    bits = _get_tags(image).get(_BITS_PER_SAMPLE, (1,))
    return len(bits) > 1 and max(bits) > 8


def needs_tifffile(image: Image.Image) -> bool:
    """Whether Pillow would decode this TIFF wrongly: wide colour, or uncompressed and to be turned by 90 degrees."""
    # Pillow maps such gray files into memory with their sides already swapped, and so scrambles them (seen in 13.0).
    is_uncompressed = any(tile[0] == "raw" for tile in image.tile)  # type: ignore[attr-defined]
    return has_wide_channels(image) or (is_uncompressed and _get_tags(image).get(_ORIENTATION, 1) >= 5)


def _get_tags(image: Image.Image) -> Any:
    return image.tag_v2  # type: ignore[attr-defined]


def read_header(path: Path) -> ImageHeader:
    """Read the first page's header; raises what tifffile raises."""
    with tifffile.TiffFile(path) as file:
        return replace(_parse_header(file.pages[0]), has_more_pages=_has_second_page(file))


def _has_second_page(file: tifffile.TiffFile) -> bool:
    try:
        file.pages[1]  # the number of pages would take a walk over all of them
    except IndexError:
        return False
    return True


def _parse_header(page: Any) -> ImageHeader:
    bits, _ = _BITS_AND_MAX_VALUE.get(page.dtype, (32, 1.0))
    is_color = page.samplesperpixel >= 3 or page.photometric == _PALETTE
    mode = ("RGBA" if page.samplesperpixel == 4 else "RGB") if is_color else "L"
    height, width = page.imagelength, page.imagewidth
    if _get_orientation(page) >= 5:
        width, height = height, width
    return ImageHeader(width, height, mode if bits == 8 else f"{mode};{page.dtype.itemsize * 8}", bits, is_color)


def _get_orientation(page: Any) -> int:
    return int(page.tags.valueof(_ORIENTATION, 1))


def read_first_page(path: Path, max_pixels: int) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32] | None, int, str]:
    """The first page: pixels (H, W, 1 or 3), alpha (H, W) in [0, 1] or None, bits (8, 16, 32) and mode.

    Raises UnreadableFile above `limit` pixels and for kinds that are not gray, colour or palette.
    """
    with tifffile.TiffFile(path) as file:
        page: Any = file.pages[0]
        header = _parse_header(page)
        if header.width * header.height > max_pixels:
            raise UnreadableFileError(
                path, f"{header.width} x {header.height} pixels, more than the limit of {max_pixels:,}"
            )
        photometric, samples = int(page.photometric), page.samplesperpixel
        if photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE) or samples > 4 or page.imagedepth != 1:
            raise UnreadableFileError(
                path, f"a TIFF of a kind that is not supported (photometric {photometric}, {samples} channels)"
            )
        try:
            pixels = page.asarray()
        except (KeyError, ValueError) as error:
            reason = f"cannot be decoded ({error}); saving it as uncompressed TIFF helps"
            raise UnreadableFileError(path, reason) from error
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        elif int(page.planarconfig) == _SEPARATE:
            pixels = np.moveaxis(pixels, 0, -1)
        if photometric == _PALETTE:
            pixels = (page.colormap >> 8).astype(np.uint8).T[pixels[..., 0]]
        _, max_value = _BITS_AND_MAX_VALUE.get(pixels.dtype, (32, 1.0))
        if photometric == _WHITE_IS_ZERO:
            pixels = (max_value - pixels).astype(pixels.dtype)
        pixels = _apply_orientation(pixels, _get_orientation(page))
    alpha = None
    if pixels.shape[-1] in (2, 4):
        alpha = np.clip(pixels[..., -1].astype(np.float32) / np.float32(max_value), 0, 1)
        pixels = pixels[..., :-1]
    return pixels, alpha, header.bits, header.mode


def _apply_orientation(pixels: npt.NDArray[Any], orientation: int) -> npt.NDArray[Any]:
    """EXIF orientation 1..8 applied to (H, W, C)."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def write_tiff(buffer: io.BytesIO, pixels: npt.NDArray[Any], has_alpha: bool) -> None:
    """Write (H, W, C) uint8, uint16 or float32 as a deflated TIFF; with `alpha` the last channel is the opacity."""
    is_color = pixels.shape[-1] >= 3
    tifffile.imwrite(
        buffer,
        pixels if pixels.shape[-1] > 1 else pixels[..., 0],
        photometric="rgb" if is_color else "minisblack",
        extrasamples=["unassalpha"] if has_alpha else None,
        planarconfig="contig" if pixels.shape[-1] > 1 else None,
        compression="zlib",
        metadata=None,
    )

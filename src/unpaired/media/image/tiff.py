"""TIFF files that Pillow does not support: 16-bit and floating-point color, half and double precision, extra bands."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from unpaired.errors import UnreadableFileError
from unpaired.limits import MAX_BYTES_PER_PIXEL, get_max_pixels
from unpaired.media.image.image_header import ImageHeader
from unpaired.media.image.metadata import apply_orientation, parse_orientation
from unpaired.media.image.optional_formats import INSTALL_HINT
from unpaired.media.image.tiff_pages import find_main_page, has_later_page

# Without a handler, Python prints tifffile's log lines about damaged files.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_BITS_PER_SAMPLE, _PHOTOMETRIC, _DESCRIPTION, _ORIENTATION, _SAMPLES = 258, 262, 270, 274, 277
_TILE_WIDTH, _TILE_LENGTH, _EXTRA_SAMPLES, _SAMPLE_FORMAT, _XMP_TAG = 322, 323, 338, 339, 700
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE = range(4)  # the tag photometric interpretation
_SEPARATED_INKS = 5  # CMYK
_SAMPLE_KINDS = {1: "u", 2: "i", 3: "f"}  # the tag sample format
_SAMPLE_TYPES = ("u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8")
_BYTES = 1  # the type of a tag
_SEPARATE = 2  # the tag planar configuration
_ASSOCIATED_ALPHA, _ALPHA_KINDS = 1, (1, 2, 999)  # the tag extra samples; 999 is Corel's
_DEFLATE = (8, 32946)
Source = Path | IO[bytes]
_BITS_AND_MAX_VALUE = {np.dtype(np.uint8): (8, 255.0), np.dtype(np.uint16): (16, 65535.0)}


@dataclass(frozen=True)
class BandLayout:
    """Indices of a pixel's color (or gray) samples and of its alpha sample, if any."""

    colors: tuple[int, ...]
    alpha: int | None
    is_premultiplied: bool
    extra_bands: int


def locate_bands(samples: int, photometric: int, extra_samples: Sequence[int] | None) -> BandLayout:
    """Find the color and alpha samples by the tag ExtraSamples.

    Without the tag, the last sample of gray pixels with two samples and of RGB pixels with four is alpha.
    """
    kinds = tuple(extra_samples or ())
    alpha = next((i for i, kind in enumerate(kinds) if kind in _ALPHA_KINDS), None)
    index = None if alpha is None else samples - len(kinds) + alpha
    if extra_samples is None and (samples, photometric) in ((4, _RGB), (2, _BLACK_IS_ZERO), (2, _WHITE_IS_ZERO)):
        index = samples - 1
    if index is not None and not 0 < index < samples:
        index = None
    others = [i for i in range(samples) if i != index]
    base = 4 if photometric == _SEPARATED_INKS else 3 if len(others) >= 3 else 1
    is_premultiplied = alpha is not None and kinds[alpha] == _ASSOCIATED_ALPHA
    return BandLayout(tuple(others[:base]), index, is_premultiplied, max(0, len(others) - base))


def is_tiff(path: Path) -> bool:
    """Whether a file has the signature of a TIFF."""
    with path.open("rb") as file:
        return file.read(4) in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def has_wide_channels(image: Image.Image) -> bool:
    """Whether a TIFF has several channels of more than 8 bits, which Pillow would reduce to 8."""
    bits = _get_tags(image).get(_BITS_PER_SAMPLE, (1,))
    return len(bits) > 1 and max(bits) > 8


def get_sample_type(image: Image.Image) -> np.dtype[Any] | None:
    """Return the type of a TIFF's values: Pillow reads 16-bit integers with sign as 32 bits. None: that of Pillow."""
    tags = _get_tags(image)
    bits, kind = (tags.get(tag, (default,)) for tag, default in ((_BITS_PER_SAMPLE, 1), (_SAMPLE_FORMAT, 1)))
    name = f"{_SAMPLE_KINDS.get(int(kind[0]), '')}{int(bits[0]) // 8}"
    return np.dtype(name) if name in _SAMPLE_TYPES else None


def count_extra_bands(image: Image.Image) -> int:
    """Return the number of bands of a TIFF in addition to color and alpha."""
    return _locate_pillow_bands(image).extra_bands


def _locate_pillow_bands(image: Image.Image) -> BandLayout:
    tags = _get_tags(image)
    extra = tags.get(_EXTRA_SAMPLES)
    extra = (extra,) if isinstance(extra, int) else extra
    return locate_bands(int(tags.get(_SAMPLES, 1)), int(tags.get(_PHOTOMETRIC, _BLACK_IS_ZERO)), extra)


def needs_tifffile(image: Image.Image) -> bool:
    """Whether Pillow would decode a TIFF incorrectly.

    It does so with color of more than 8 bits, with uncompressed pictures that are rotated by 90 degrees, and with bands
    that it mistakes for alpha.
    """
    # Pillow 13.0 maps uncompressed gray files into memory with swapped width and height, which garbles the pixels.
    is_uncompressed = any(tile[0] == "raw" for tile in image.tile)  # type: ignore[attr-defined]
    is_turned = parse_orientation(_get_tags(image).get(_ORIENTATION, 1)) >= 5
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    is_alpha_wrong = has_alpha != (_locate_pillow_bands(image).alpha is not None) and image.mode != "CMYK"
    return has_wide_channels(image) or (is_uncompressed and is_turned) or is_alpha_wrong


def check_tiles(path: Path, image: Image.Image) -> None:
    """Raise UnreadableFileError if a tile of a TIFF has more pixels than the limit."""
    tags = _get_tags(image)
    _require_tile_size(path, tags.get(_TILE_WIDTH, 1), tags.get(_TILE_LENGTH, 1), int(tags.get(_SAMPLES, 1)), 1)


def _require_tile_size(path: Path, width: Any, height: Any, samples: int, sample_bytes: int) -> None:
    size = int(width) * int(height)
    if size > get_max_pixels() or size * samples * sample_bytes > get_max_pixels() * MAX_BYTES_PER_PIXEL:
        raise UnreadableFileError(
            path, f"tiles of {width} x {height} pixels, more than the limit of {get_max_pixels():,} (--max-pixels)"
        )


def describes_more_pages(image: Image.Image) -> bool:
    """Whether the description of a TIFF declares an ImageJ stack, which may have only one page."""
    description = str(_get_tags(image).get(_DESCRIPTION, ""))
    return description.startswith("ImageJ=") and "images=" in description and "images=1\n" not in description


def _get_tags(image: Image.Image) -> Any:
    return image.tag_v2  # type: ignore[attr-defined]


def read_header(source: Source, page: int | None = None) -> ImageHeader:
    """Read the header of a page (from 1; None: the main page); raises the errors of tifffile."""
    with tifffile.TiffFile(source) as file:
        if page is not None:
            return _parse_header(file.pages[page - 1])
        index = find_main_page(file)
        header = _parse_header(file.pages[index])
        return replace(header, has_more_pages=has_later_page(file, index), skipped_pages=index)


def _locate_page_bands(page: Any) -> BandLayout:
    extra = page.tags.valueof(_EXTRA_SAMPLES)
    extra = (extra,) if isinstance(extra, int) else extra
    return locate_bands(int(page.samplesperpixel), int(page.photometric), extra)


def _parse_header(page: Any) -> ImageHeader:
    bits, _ = _BITS_AND_MAX_VALUE.get(page.dtype, (32, 1.0))
    bands = _locate_page_bands(page)
    is_color = len(bands.colors) >= 3 or page.photometric == _PALETTE
    mode = "RGB" if is_color else "L"
    mode += "A" if bands.alpha is not None else ""
    height, width = page.imagelength, page.imagewidth
    if _get_orientation(page) >= 5:
        width, height = height, width
    mode = mode if bits == 8 else f"{mode};{page.dtype.itemsize * 8}"
    return ImageHeader(width, height, mode, bits, is_color, extra_bands=bands.extra_bands)


def _get_orientation(page: Any) -> int:
    return parse_orientation(page.tags.valueof(_ORIENTATION, 1))


def read_page(
    path: Path, source: Source, number: int | None = None, all_bands: bool = False
) -> tuple[npt.NDArray[Any], npt.NDArray[np.float32] | None, int, str]:
    """Read a page (from 1; None: the main page): pixels, alpha (H, W) in [0, 1] or None, bits (8, 16, 32) and mode.

    `source` is the file, if it is open already; errors name `path`.
    The pixels are (H, W, 1 or 3), or with `all_bands` (H, W, C) with the values of all bands, and no alpha. Raises
    UnreadableFileError above the limit of pixels and for photometric interpretations other than gray, RGB and palette.
    """
    with tifffile.TiffFile(source) as file:
        page: Any = file.pages[find_main_page(file) if number is None else number - 1]
        header, bands, photometric = _parse_header(page), _locate_page_bands(page), int(page.photometric)
        _require_size(path, file.filehandle, page, header)
        if photometric not in (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE) or page.imagedepth != 1:
            raise UnreadableFileError(
                path,
                f"an unsupported kind of TIFF (photometric {photometric}, {page.samplesperpixel} channels)",
            )
        try:
            pixels = page.asarray()
        except (KeyError, ValueError) as error:
            reason = f"cannot be decoded ({error}); save it as uncompressed TIFF, or install codecs: {INSTALL_HINT}"
            raise UnreadableFileError(path, reason) from error
        if pixels.ndim == 2:
            pixels = pixels[..., None]
        elif int(page.planarconfig) == _SEPARATE:
            pixels = np.moveaxis(pixels, 0, -1)
        orientation = _get_orientation(page)
        if all_bands and photometric != _PALETTE:
            return apply_orientation(pixels, orientation), None, header.bits, header.mode
        _, max_value = _BITS_AND_MAX_VALUE.get(pixels.dtype, (32, 1.0))
        alpha = None
        if bands.alpha is not None:
            alpha = np.clip(pixels[..., bands.alpha].astype(np.float32) / np.float32(max_value), 0, 1)
        pixels = pixels[..., list(bands.colors)]
        if photometric == _PALETTE:
            pixels = (page.colormap >> 8).astype(np.uint8).T[pixels[..., 0]]
        if photometric == _WHITE_IS_ZERO:
            pixels = (max_value - pixels).astype(pixels.dtype)
        if alpha is not None and bands.is_premultiplied:
            pixels = _undo_premultiplication(pixels, alpha, max_value)
    alpha = None if alpha is None else np.ascontiguousarray(apply_orientation(alpha, orientation))
    return apply_orientation(pixels, orientation), alpha, header.bits, header.mode


def _undo_premultiplication(
    pixels: npt.NDArray[Any], alpha: npt.NDArray[np.float32], max_value: float
) -> npt.NDArray[Any]:
    straight = np.where(alpha[..., None] > 0, pixels / np.maximum(alpha[..., None], 1e-6), pixels)
    return straight if pixels.dtype.kind == "f" else np.rint(np.clip(straight, 0, max_value)).astype(pixels.dtype)


def _require_size(path: Path, file: tifffile.FileHandle, page: Any, header: ImageHeader) -> None:
    """Raise UnreadableFileError if pixels, bands, tiles or compressed segments exceed the limits of memory."""
    limit, sample_bytes = get_max_pixels(), page.dtype.itemsize
    count = header.width * header.height
    total_bytes = count * int(page.samplesperpixel) * sample_bytes
    if count > limit or total_bytes > limit * MAX_BYTES_PER_PIXEL:
        raise UnreadableFileError(
            path,
            f"{header.width} x {header.height} pixels of {page.samplesperpixel} samples, more than the limit of "
            f"{limit:,} (--max-pixels)",
        )
    if page.is_tiled:
        _require_tile_size(path, page.tilewidth, page.tilelength, int(page.samplesperpixel), sample_bytes)
    if int(page.compression) in _DEFLATE:
        for offset, size in zip(page.dataoffsets, page.databytecounts, strict=False):
            if size * 1032 > limit * MAX_BYTES_PER_PIXEL:  # the maximum ratio of deflate
                _require_inflated_size(path, file, offset, size, limit * MAX_BYTES_PER_PIXEL)


def _require_inflated_size(path: Path, file: tifffile.FileHandle, offset: int, size: int, limit: int) -> None:
    file.seek(offset)
    inflate, total = zlib.decompressobj(), 0
    data = file.read(size)
    while data and not inflate.eof:
        total += len(inflate.decompress(data, 1 << 24))
        data = inflate.unconsumed_tail
        if total > limit:
            raise UnreadableFileError(path, f"decompresses to more than {limit:,} bytes (--max-pixels)")


def write_tiff(
    file: BinaryIO,
    pages: Iterable[npt.NDArray[Any]],
    has_alpha: bool,
    icc_profile: bytes = b"",
    xmp: bytes = b"",
    is_big: bool = False,
) -> None:
    """Write pages (H, W, C) as a deflated TIFF, with `has_alpha`, the last channel is alpha.

    Of pixels that are neither gray nor RGB, all channels after the first are unspecified extra samples. `is_big`: the
    file is a BigTIFF, which may exceed 4 GB.
    """
    with tifffile.TiffWriter(file, bigtiff=is_big) as writer:
        for pixels in pages:
            colors = pixels.shape[-1] - has_alpha
            extra = ["unassalpha"] if has_alpha else None if colors in (1, 3) else ["unspecified"] * (colors - 1)
            writer.write(
                pixels if pixels.shape[-1] > 1 else pixels[..., 0],
                photometric="rgb" if colors == 3 else "minisblack",
                extrasamples=extra,
                planarconfig="contig" if pixels.shape[-1] > 1 else None,
                compression="zlib",
                metadata=None,
                contiguous=False,
                iccprofile=icc_profile or None,
                extratags=[(_XMP_TAG, _BYTES, len(xmp), xmp, True)] if xmp else None,
            )

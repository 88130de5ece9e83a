"""Decoding of picture files to headers and arrays.

Pixels have the raw values of the file: 0 to 255 for 8 bits, 0 to 65535 for 16 bits, any value for floating point.
Color profiles are not applied. TIFF keeps 16-bit color; Pillow reads 16-bit color PNG with 8 bits.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, UnidentifiedImageError

from unpaired.data.paths import ItemName
from unpaired.errors import UnreadableFileError
from unpaired.limits import get_max_pixels
from unpaired.media.image import tiff
from unpaired.media.image.decoded_image import DecodedImage, FloatArray
from unpaired.media.image.image_header import ImageHeader
from unpaired.media.image.metadata import apply_orientation, copy_without_metadata, get_orientation
from unpaired.media.image.optional_formats import (
    HEIF_SUFFIXES,
    INSTALL_HINT,
    decode_png,
    has_codecs,
    register_heif,
)
from unpaired.media.image.pixel_types import MAX_VALUES
from unpaired.media.image.read_errors import name_unreadable, require_size
from unpaired.media.image.tiff_pages import seek_main_page

# Pillow warns of unusual metadata, which is harmless, and of large pictures, which raise an error here.
warnings.filterwarnings("ignore", module=r"PIL\.")

_PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "PPM")
_GRAY_MODES = ("1", "L", "LA", "La", "I", "F")
_ALPHA_MODES = ("LA", "La", "PA", "RGBA", "RGBa")
T = TypeVar("T")
Source = Path | io.BytesIO


def decode_header(path: Path, item: ItemName | None = None) -> ImageHeader:
    """Read the header of the main page of a picture, or of a page; raises UnreadableFileError."""
    page = None if item is None else item.number
    return _read_despite_metadata(path, lambda source: _read_header(path, source, page))


def decode_image(path: Path, side: int | None, item: ItemName | None, all_bands: bool) -> DecodedImage:
    """Decode a picture with pixels in the type of the file, as `read_image` does; raises UnreadableFileError."""
    page = None if item is None else item.number
    return _read_despite_metadata(path, lambda source: _read_image(path, source, side, page, all_bands))


def _read_despite_metadata(path: Path, read: Callable[[Source], T]) -> T:
    """Read a file; if that fails, read a copy without metadata, because damaged metadata does not affect pixels."""
    try:
        return read(path)
    except UnreadableFileError as error:
        if error.__cause__ is None or isinstance(error.__cause__, Image.DecompressionBombError | PermissionError):
            raise
        copy = copy_without_metadata(path)
        if copy is None:
            raise
        try:
            return read(copy)
        except UnreadableFileError:
            raise error from error.__cause__


def _read_header(path: Path, source: Source, page: int | None) -> ImageHeader:
    with _open_image(path, source) as image:
        if image is None:
            header = tiff.read_header(path, page)
            require_size(path, header.width, header.height)
            return header
        main_page = _seek_page(path, image, page)
        bits, mode = _get_bits(image), image.mode
        if _is_deep_png(image):
            bits, mode = 16, f"{mode};16"
        extra_bands = tiff.count_extra_bands(image) if image.format == "TIFF" else 0
        drops_low_bits = _drops_low_bits(image) and not _is_deep_png(image)
        if image.format == "TIFF" and tiff.needs_tifffile(image):
            header = tiff.read_header(_get_open_file(path, image), page)
            return replace(header, mode=f"{mode};16" if bits == 16 and mode in ("RGB", "RGBA") else header.mode)
        width, height = image.size
        # Pillow has already swapped the size of a TIFF. `getexif` would decode a PNG without EXIF before its pixels.
        has_exif = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        if has_exif and get_orientation(image) >= 5:
            width, height = height, width
        is_gray = mode in _GRAY_MODES or mode.startswith("I;16")
        if page is not None:
            return ImageHeader(width, height, mode, bits, not is_gray, extra_bands=extra_bands)
        has_more_pages = _has_more_pages(image, main_page)
        return ImageHeader(
            width, height, mode, bits, not is_gray, has_more_pages, extra_bands, drops_low_bits, main_page
        )


def _seek_page(path: Path, image: Image.Image, page: int | None) -> int:
    """Position a TIFF at a page (from 1), or at the first one that is not a thumbnail; return its index (from 0)."""
    if image.format != "TIFF":
        if page is not None:
            raise UnreadableFileError(path, f"page {page}: only TIFF files have pages")
        return 0
    if page is None:
        index = seek_main_page(image)
    else:
        index = page - 1
        image.seek(index)
    require_size(path, *image.size)
    return index


def _is_deep_png(image: Image.Image) -> bool:
    """Whether the file is a PNG with 16-bit color that is decoded without Pillow."""
    return image.format == "PNG" and has_codecs() and _drops_low_bits(image)


def _drops_low_bits(image: Image.Image) -> bool:
    """Whether Pillow reduces the 16-bit color of this file to 8 bits."""
    if image.format not in ("PNG", "PPM") or image.mode not in ("RGB", "RGBA", "LA") or not image.tile:  # type: ignore[attr-defined]
        return False
    args = image.tile[0][3]  # type: ignore[attr-defined]
    return str(args).endswith("16B") if isinstance(args, str) else args is not None and max(_find_numbers(args)) > 255


def _find_numbers(values: Any) -> list[int]:
    return [value for value in values if isinstance(value, int)] or [0]


def _has_more_pages(image: Image.Image, page: int) -> bool:
    """Whether there is a page or frame after `page`; the image may be positioned there afterwards."""
    try:
        if image.format != "TIFF":
            return getattr(image, "n_frames", 1) > 1
        if tiff.describes_more_pages(image):
            return True
        image.seek(page + 1)  # faster than n_frames, which reads all pages of a TIFF
    except Exception:  # a damaged later page does not affect this one
        return False
    return True


def _read_image(path: Path, source: Source, side: int | None, page: int | None, all_bands: bool) -> DecodedImage:
    with _open_image(path, source) as image:
        full_size = dtype = None
        if image is not None:
            _seek_page(path, image, page)
        if image is None or (image.format == "TIFF" and (all_bands or tiff.needs_tifffile(image))):
            pixels, alpha, bits, mode = tiff.read_page(path, _get_open_file(path, image), page, all_bands)
        elif image.format == "TIFF":
            tiff.check_tiles(path, image)
            mode, dtype = image.mode, tiff.get_sample_type(image)
            pixels, alpha, bits = _decode_tiff(path, image, page)
        else:
            mode = image.mode
            height, width = image.height, image.width
            if side is not None:
                shrink = side / min(image.size)
                image.draft(None, (math.ceil(width * shrink), math.ceil(height * shrink)))
            is_deep = _is_deep_png(image)
            image.load()  # EXIF data may follow the pixels
            orientation = get_orientation(image)
            pixels, alpha, bits = _decode_deep_png(path, source) if is_deep else _convert_to_arrays(image)
            pixels = apply_orientation(pixels, orientation)
            alpha = None if alpha is None else np.ascontiguousarray(apply_orientation(alpha, orientation))
            full_size = (width, height) if orientation >= 5 else (height, width)
        if all_bands and alpha is not None:
            scaled_alpha = np.rint(alpha * np.float32(MAX_VALUES[bits])).astype(pixels.dtype)
            pixels, alpha = np.concatenate([pixels, scaled_alpha[..., None]], axis=-1), None
        has_color = pixels.shape[-1] == 3 and bool((pixels[..., 1:] != pixels[..., :1]).any())
        return DecodedImage(pixels, alpha, bits, mode, has_color, full_size, dtype or pixels.dtype)


def _decode_tiff(path: Path, image: Image.Image, page: int | None) -> tuple[npt.NDArray[Any], FloatArray | None, int]:
    """Decode a TIFF with Pillow, which applies the orientation; with tifffile if Pillow fails.

    Returns pixels, alpha and bits.
    """
    bits = _get_bits(image)
    try:
        image.load()
        pixels, alpha, _ = _convert_to_arrays(image)
    except Exception as error:
        try:
            pixels, alpha, bits, _ = tiff.read_page(path, path, page)
        except Exception:  # decoders raise all kinds of errors for damaged files
            raise error from None
    return pixels, alpha, bits


def _get_open_file(path: Path, image: Image.Image | None) -> tiff.Source:
    """Return the file that Pillow opened for a TIFF that is not decoded yet; `path` if Pillow does not support it."""
    file: IO[bytes] | None = None if image is None else image.fp  # type: ignore[attr-defined]
    if file is None:
        return path
    file.seek(0)
    return file


def _get_bits(image: Image.Image) -> int:
    if image.format == "TIFF" and tiff.has_wide_channels(image):
        return 16
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PPM", "PNG")):
        return 16
    return 32 if image.mode in ("I", "F") else 8


def _convert_to_arrays(image: Image.Image) -> tuple[npt.NDArray[Any], FloatArray | None, int]:
    bits = _get_bits(image)
    if bits != 8:
        return np.asarray(image)[..., None], None, bits
    if image.mode == "CMYK":
        image = _convert_cmyk(image)
    has_alpha = "transparency" in image.info or image.mode in _ALPHA_MODES
    is_gray = image.mode in ("1", "L", "LA", "La")
    if image.mode == "1":
        image = image.convert("L")
    target_mode = ("LA" if has_alpha else "L") if is_gray else ("RGBA" if has_alpha else "RGB")
    pixels = np.asarray(image if image.mode == target_mode else image.convert(target_mode))
    if not has_alpha:
        return pixels.reshape(*pixels.shape[:2], -1), None, bits
    return pixels[..., :-1], pixels[..., -1].astype(np.float32) / np.float32(255), bits


def _decode_deep_png(path: Path, source: Source) -> tuple[npt.NDArray[Any], FloatArray | None, int]:
    """Decode a PNG with 16-bit color; returns pixels, alpha and bits."""
    array = decode_png(path.read_bytes() if isinstance(source, Path) else source.getvalue())
    if array.shape[2] in (1, 3):
        return array, None, 16
    return array[..., :-1], array[..., -1].astype(np.float32) / np.float32(65535), 16


def _convert_cmyk(image: Image.Image) -> Image.Image:
    """Convert CMYK to sRGB by the embedded ICC profile; without one, or if it is damaged, by inverting the inks."""
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
            converted = None
        if converted is not None:
            return converted
    return image.convert("RGB")


@contextmanager
def _open_image(path: Path, source: Source) -> Iterator[Image.Image | None]:
    """Open a file as an undecoded image, None for a TIFF that Pillow does not support.

    Errors, also those inside of the context, become UnreadableFileError.
    """
    with name_unreadable(path):
        # TGA files have no signature, so Pillow takes other files for TGA.
        if path.suffix.lower() in HEIF_SUFFIXES and not register_heif():
            raise UnreadableFileError(path, f"HEIC needs a package: {INSTALL_HINT}")
        formats = (*_PILLOW_FORMATS, "HEIF") if path.suffix.lower() in HEIF_SUFFIXES else _PILLOW_FORMATS
        formats = (*_PILLOW_FORMATS, "TGA") if path.suffix.lower() == ".tga" else formats
        if Image.MAX_IMAGE_PIXELS is not None and get_max_pixels() > 2 * Image.MAX_IMAGE_PIXELS:
            Image.MAX_IMAGE_PIXELS = get_max_pixels()  # otherwise Pillow's limit is lower than the user's
        try:
            image = Image.open(source, formats=formats)
        except (Image.DecompressionBombError, OSError, SyntaxError, ValueError, TypeError) as error:
            is_other = isinstance(error, OSError) and not isinstance(error, UnidentifiedImageError)
            if is_other or isinstance(error, Image.DecompressionBombError) or not tiff.is_tiff(path):
                raise
            yield None
            return
        with image:
            require_size(path, *image.size)
            yield image

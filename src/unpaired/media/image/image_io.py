"""Conversion of pictures to and from values of the networks, resizing, and writing. `image_reading` reads the files.

Networks see transparent pictures over white (`to_network_values`). The output gets the alpha of the input, and
`remove_white` removes the white from semi-transparent pixels.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from unpaired.atomic import atomic_write, get_part_path
from unpaired.data.inspection import format_count
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media.image import tiff
from unpaired.media.image.carried_metadata import CarriedMetadata, insert_into_png
from unpaired.media.image.decoded_image import DecodedImage, FloatArray
from unpaired.media.image.image_header import ImageHeader
from unpaired.media.image.image_reading import read_header, read_image
from unpaired.media.image.optional_formats import encode_png, has_codecs
from unpaired.media.image.settings import WRITTEN_FORMATS
from unpaired.media.image.suffixes import DICOM_SUFFIXES, NIFTI_SUFFIXES, SCAN_SUFFIXES

__all__ = [
    "DecodedImage",
    "FloatArray",
    "ImageHeader",
    "convert_bits",
    "convert_channels",
    "from_network_values",
    "normalise",
    "read_channels",
    "read_header",
    "read_image",
    "remove_white",
    "require_suffix",
    "resize",
    "supports_bits",
    "to_network_values",
    "write_array",
    "write_image",
]

NO_METADATA = CarriedMetadata()
DATA_SUFFIXES = frozenset({".tif", ".tiff", ".npy"}) | SCAN_SUFFIXES
"""Suffixes of files that hold values of any type and any number of channels."""
CHANNELS_BY_SUFFIX = {
    ".png": (1, 2, 3, 4),
    ".webp": (1, 3, 4),
    **dict.fromkeys(NIFTI_SUFFIXES, (1,)),
    **dict.fromkeys(DICOM_SUFFIXES, (1, 3)),
}
"""Suffix -> numbers of channels that files can hold; the last of 2 or 4 channels is stored as alpha."""
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_MAX_VALUES = {8: 255.0, 16: 65535.0}


def read_channels(path: Path, channels: int, side: int | None = None, keep_type: bool = False) -> DecodedImage:
    """Read a picture for networks with `channels`; raises UnreadableFileError.

    If these are neither 1 nor 3, all bands of the file are channels, alpha included, and it must have as many.
    """
    if channels in (1, 3):
        return read_image(path, side, keep_type)
    image = read_image(path, side, keep_type, all_bands=True)
    if image.pixels.shape[2] != channels:
        count = format_count(image.pixels.shape[2], "channel")
        raise UnreadableFileError(path, f"has {count}; expected {channels}, as in the other pictures (--channels)")
    return image


def convert_bits(decoded_image: DecodedImage, bits: int) -> DecodedImage:
    """Rescale raw values to `bits` per channel (8 to 16: times 257); floating point is not changed."""
    if bits == decoded_image.bits or 32 in (bits, decoded_image.bits):
        return decoded_image
    factor = np.float32(_MAX_VALUES[bits] / _MAX_VALUES[decoded_image.bits])
    return replace(decoded_image, pixels=decoded_image.pixels * factor, bits=bits)


def resize(pixels: FloatArray, height: int, width: int, bits: int = 32) -> FloatArray:
    """Resize (H, W, C), bicubic and antialiased, computed in float32; in 8 bits (faster) for `bits` 8 and gray or RGB.

    In float32 the result may exceed the range of the input.
    """
    if pixels.shape[:2] == (height, width):
        return pixels
    resample = Image.Resampling.BICUBIC
    if bits == 8 and pixels.shape[-1] in (1, 3):
        pixels_8bit = np.clip(pixels + np.float32(0.5), 0, 255).astype(np.uint8)
        pillow_image = Image.fromarray(pixels_8bit.squeeze(-1) if pixels_8bit.shape[-1] == 1 else pixels_8bit)
        return np.asarray(pillow_image.resize((width, height), resample), np.float32).reshape(height, width, -1)
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels, -1, 0)]
    return np.stack([np.asarray(plane.resize((width, height), resample), np.float32) for plane in planes], axis=-1)


def to_network_values(decoded_image: DecodedImage, channels: int, low: float, high: float) -> FloatArray:
    """Convert a picture over white to float32 (channels, H, W): raw values `low`..`high` to -1..1, clamped.

    NaN becomes -1. Color becomes gray by luma (ITU-R BT.601), gray becomes color by repetition.
    """
    x = normalise(np.ascontiguousarray(np.moveaxis(decoded_image.pixels, -1, 0)), low, high)
    if decoded_image.alpha is not None:
        x = x * decoded_image.alpha + (1 - decoded_image.alpha)
    return convert_channels(x, channels)


def normalise(raw: FloatArray, low: float, high: float) -> FloatArray:
    """Map raw values `low`..`high` to float32 -1..1, clamped; NaN becomes -1."""
    finite = np.nan_to_num(raw.astype(np.float32), nan=low, posinf=high, neginf=low)
    values: FloatArray = np.clip((finite - np.float32(low)) * np.float32(2 / (high - low)) - 1, -1, 1)
    return values


def convert_channels(x: FloatArray, channels: int) -> FloatArray:
    """Convert (..., 1 or 3, H, W) to 1 channel by luma (ITU-R BT.601), or to 3 by repetition.

    Other numbers of channels are not converted; ValueError if they are not `channels`.
    """
    if x.shape[-3] == channels:
        return x
    if {x.shape[-3], channels} != {1, 3}:
        raise ValueError(f"values have the shape {x.shape}; expected {channels} channels")
    if channels == 3:
        return np.repeat(x, 3, axis=-3)
    luma: FloatArray = (x * np.array(_LUMA, np.float32).reshape(3, 1, 1)).sum(-3, keepdims=True)
    return luma


def from_network_values(values: FloatArray, low: float, high: float, is_color: bool) -> FloatArray:
    """Convert (C, H, W) in [-1, 1] to raw values (H, W, 3 if `is_color` else 1) in `low`..`high`, clamped.

    Values of neither 1 nor 3 channels keep them.
    """
    x = convert_channels(values, 3 if is_color else 1) if values.shape[0] in (1, 3) else values
    raw = (np.clip(x, -1, 1) + 1) * np.float32((high - low) / 2) + np.float32(low)
    return np.ascontiguousarray(np.moveaxis(raw, 0, -1))


def remove_white(values: FloatArray, alpha: FloatArray) -> FloatArray:
    """Undo the compositing over white by `to_network_values`; `values` (C, H, W) in [-1, 1], alpha (H, W) in [0, 1]."""
    restored = (values - (1 - alpha)) / np.maximum(alpha, np.float32(1 / 255))
    return np.asarray(np.clip(np.where(alpha > 0, restored, values), -1, 1), np.float32)


def write_image(
    path: Path,
    pixels: FloatArray,
    alpha: FloatArray | None = None,
    bits: int = 8,
    metadata: CarriedMetadata = NO_METADATA,
) -> None:
    """Write raw values (H, W, C) in the format of the suffix, atomically.

    TIFF and .npy keep 16 bits, and PNG where `supports_bits`; other formats have 8. JPEG and BMP drop the alpha. An ICC
    profile of another color space than the pixels is left out. Raises UsageError for unsupported suffixes and for
    floating point (`bits` 32) in other formats, WorkError if the file cannot be written.
    """
    suffix = path.suffix.lower()
    if bits == 32 and suffix not in DATA_SUFFIXES:
        raise UsageError(f"{path}: floating-point pixels need a .tif file")
    if bits == 16 and not supports_bits(suffix, bits, pixels.shape[-1] > 1, alpha is not None):
        pixels, bits = pixels * np.float32(1 / 257), 8
    array = _round_pixels(pixels, bits) if bits < 32 else pixels
    if alpha is not None:
        alpha_values = _round_pixels(alpha * np.float32(_MAX_VALUES[bits]), bits) if bits < 32 else alpha
        array = np.concatenate([array, alpha_values[..., None]], axis=-1)
    write_array(path, array, alpha is not None, metadata)


def supports_bits(suffix: str, bits: int, is_color: bool, has_alpha: bool) -> bool:
    """Return whether files with a suffix can hold pictures of `bits` per channel.

    TIFF and .npy hold any. PNG holds 16 bits if the picture is gray without alpha, or if its package is installed.
    """
    if suffix.lower() in DATA_SUFFIXES or bits == 8:
        return True
    return suffix.lower() == ".png" and bits == 16 and (has_codecs() or not (is_color or has_alpha))


def require_suffix(path: Path, suffix: str, channels: int) -> None:
    """Raise UsageError for `path` if files with a suffix cannot hold this number of channels, alpha not counted."""
    supported = CHANNELS_BY_SUFFIX.get(suffix, (channels if suffix in DATA_SUFFIXES else 1, 1, 3))
    if channels not in supported:
        raise UsageError(
            f"{path}: '{suffix}' files cannot hold {channels} channels; expected a .tif or .npy file as input"
        )


def write_array(path: Path, array: npt.NDArray[Any], has_alpha: bool, metadata: CarriedMetadata = NO_METADATA) -> None:
    """Write (H, W, C) of any type in the format of the suffix, atomically; with `has_alpha`, alpha is the last channel.

    The format must support the type. JPEG and BMP drop the alpha. Raises UsageError for unsupported suffixes and
    numbers of channels, WorkError if the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in WRITTEN_FORMATS:
        raise UsageError(f"{path}: cannot write '{suffix}' files; expected one of {', '.join(sorted(WRITTEN_FORMATS))}")
    require_suffix(path, suffix, array.shape[-1] - has_alpha)
    with atomic_write(path, get_part_path(path)) as temporary_path:
        try:
            with temporary_path.open("wb") as file:
                _encode(file, suffix, array, has_alpha, metadata)
        except ValueError as error:
            raise WorkError(f"{path}: cannot be written ({error})") from error


def _encode(file: BinaryIO, suffix: str, array: npt.NDArray[Any], has_alpha: bool, metadata: CarriedMetadata) -> None:
    metadata = metadata.match_channels(array.shape[-1] - has_alpha)
    if suffix == ".npy":
        np.save(file, array if array.shape[-1] > 1 else array[..., 0], allow_pickle=False)
        return
    if suffix in (".tif", ".tiff"):
        tiff.write_tiff(file, [array], has_alpha, metadata.icc_profile, metadata.xmp)
        return
    image_format = WRITTEN_FORMATS[suffix]
    if has_alpha and image_format in ("JPEG", "BMP"):
        array = np.ascontiguousarray(array[..., :-1])
    if array.dtype == np.uint16 and array.shape[-1] > 1:
        file.write(insert_into_png(encode_png(array), metadata))
        return
    image = Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array)
    options: dict[str, Any] = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}, "BMP": {}}
    carried: dict[str, Any] = {"icc_profile": metadata.icc_profile, "exif": metadata.exif}
    if image_format == "PNG" and metadata.xmp:
        carried["pnginfo"] = PngInfo()
        carried["pnginfo"].add_itxt("XML:com.adobe.xmp", metadata.xmp.decode())
    elif metadata.xmp:
        carried["xmp"] = metadata.xmp
    if image_format != "BMP":
        options[image_format] |= {name: value for name, value in carried.items() if value}
    image.save(file, image_format, **options[image_format])


def _round_pixels(pixels: FloatArray, bits: int) -> npt.NDArray[Any]:
    return np.rint(np.clip(np.nan_to_num(pixels), 0, _MAX_VALUES[bits])).astype(np.uint8 if bits == 8 else np.uint16)

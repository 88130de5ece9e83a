"""Picture files to arrays and tensors, and back. Nothing else opens or writes picture files.

Raw values are kept as they are in the file: 0..255 for 8 bits, 0..65535 for 16, as stored for floating point. Colour
profiles are not applied. 16-bit colour is kept from TIFF; Pillow reads 16-bit colour PNG as 8 bits.

Transparency: networks see a picture over white (`to_tensor`); its alpha travels beside it to the output, and
`without_white` takes the white out of half-transparent pixels again.
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from unpaired.atomic import atomic_write, get_part_path
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media.image import tiff
from unpaired.media.image.settings import SUFFIXES
from unpaired.media.image.tiff import ImageHeader

# What Pillow warns of (odd metadata, large pictures) is either harmless or an error of ours with a better message.
warnings.filterwarnings("ignore", module=r"PIL\.")

__all__ = [
    "DecodedImage",
    "FloatArray",
    "ImageHeader",
    "convert_bits",
    "convert_channels",
    "from_tensor",
    "normalise",
    "read_header",
    "read_image",
    "remove_white",
    "resize",
    "to_tensor",
    "write_image",
]

FloatArray = npt.NDArray[np.float32]
MAX_IMAGE_PIXELS = 1 << 27
"""Pictures of more pixels than this are refused as decompression bombs."""
_PILLOW_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_MAX_VALUES = {8: 255.0, 16: 65535.0}


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """A decoded picture: pixels (H, W, C) float32 of raw values, C 1 or 3; alpha (H, W) float32 in [0, 1] or None.

    `bits` is 8, 16 or 32 (floating point or wide integers), `mode` the file's own mode, `color` whether any pixel's
    channels differ.
    """

    pixels: FloatArray
    alpha: FloatArray | None
    bits: int
    mode: str
    has_color: bool


def read_header(path: Path) -> ImageHeader:
    """Read a picture's header, not its pixels; raises UnreadableFile where there is none to read."""
    with _open_image(path) as image:
        if image is None:
            header = tiff.read_header(path)
            _check_size(path, header.width, header.height)
            return header
        bits, mode = _get_bits(image), image.mode
        if bits == 16 and mode in ("RGB", "RGBA"):
            mode += ";16"
        width, height = image.size
        # Pillow has swapped a TIFF's size already; asking a PNG without early EXIF for it would decode the pixels.
        has_exif = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        if has_exif and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
            width, height = height, width
        is_gray = mode in ("1", "L", "LA", "La", "I", "F") or mode.startswith("I;16")
        return ImageHeader(width, height, mode, bits, not is_gray, _has_more_pages(image))


def _has_more_pages(image: Image.Image) -> bool:
    """Whether there is a second page or frame; the image stands there then."""
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1) > 1
    try:
        image.seek(1)  # n_frames of a TIFF walks all its pages
    except EOFError:
        return False
    return True


def read_image(path: Path, side: int | None = None) -> DecodedImage:
    """Decode a picture (its first page), turned as EXIF says; raises UnreadableFile with the reason in words.

    With `side`, a JPEG may come at 1/2, 1/4 or 1/8 of its size, its shorter side at least `side`: much faster.
    """
    with _open_image(path) as image:
        if image is None or (image.format == "TIFF" and tiff.needs_tifffile(image)):
            pixels, alpha, bits, mode = tiff.read_first_page(path, MAX_IMAGE_PIXELS)
        else:
            mode = image.mode
            if side is not None:
                shrink = side / min(image.size)
                image.draft(None, (math.ceil(image.width * shrink), math.ceil(image.height * shrink)))
            pixels, alpha, bits = _decode(ImageOps.exif_transpose(image))
        has_color = pixels.shape[-1] == 3 and bool((pixels[..., 1:] != pixels[..., :1]).any())
        return DecodedImage(pixels.astype(np.float32), alpha, bits, mode, has_color)


def convert_bits(decoded_image: DecodedImage, bits: int) -> DecodedImage:
    """The picture with its raw values on the scale of `bits` (8 -> 16: times 257); floating point stays."""
    if bits == decoded_image.bits or 32 in (bits, decoded_image.bits):
        return decoded_image
    factor = np.float32(_MAX_VALUES[bits] / _MAX_VALUES[decoded_image.bits])
    return DecodedImage(
        decoded_image.pixels * factor, decoded_image.alpha, bits, decoded_image.mode, decoded_image.has_color
    )


def resize(pixels: FloatArray, height: int, width: int, bits: int = 32) -> FloatArray:
    """Antialiased bicubic resampling of (H, W, C); computed in 8 bits (faster) for `bits` 8, else in float32."""
    if pixels.shape[:2] == (height, width):
        return pixels
    resample = Image.Resampling.BICUBIC
    if bits == 8:
        pixels_8bit = np.clip(pixels + np.float32(0.5), 0, 255).astype(np.uint8)
        pillow_image = Image.fromarray(pixels_8bit.squeeze(-1) if pixels_8bit.shape[-1] == 1 else pixels_8bit)
        return np.asarray(pillow_image.resize((width, height), resample), np.float32).reshape(height, width, -1)
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels, -1, 0)]
    return np.stack([np.asarray(plane.resize((width, height), resample), np.float32) for plane in planes], axis=-1)


def to_tensor(decoded_image: DecodedImage, channels: int, low: float, high: float) -> Tensor:
    """The picture over white as float32 (channels, H, W): raw `low`..`high` to -1..1, clamped; NaN is low.

    Colour becomes gray by luma (ITU-R BT.601), gray becomes colour by repeating it.
    """
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(decoded_image.pixels, -1, 0)))
    x = normalise(x, low, high)
    if decoded_image.alpha is not None:
        alpha = torch.from_numpy(decoded_image.alpha)
        x = x * alpha + (1 - alpha)
    return convert_channels(x, channels)


def normalise(raw: Tensor, low: float, high: float) -> Tensor:
    """Raw values `low`..`high` as float32 -1..1, clamped."""
    return ((raw.float().nan_to_num(low, high, low) - low) * (2 / (high - low)) - 1).clamp(-1, 1)


def convert_channels(x: Tensor, channels: int) -> Tensor:
    """(..., C, H, W) with 1 or 3 channels, as asked: luma, or the gray channel repeated."""
    if x.shape[-3] == channels:
        return x
    if channels == 3:
        return x.expand(*x.shape[:-3], 3, *x.shape[-2:]).contiguous()
    return (x * x.new_tensor(_LUMA).view(3, 1, 1)).sum(-3, keepdim=True)


def from_tensor(tensor: Tensor, low: float, high: float, is_color: bool) -> FloatArray:
    """(C, H, W) in [-1, 1] to raw values (H, W, 3 if `color` else 1) within `low`..`high`."""
    x = convert_channels(tensor.detach().float().cpu(), 3 if is_color else 1)
    raw = (x.clamp(-1, 1) + 1) * ((high - low) / 2) + low
    return np.ascontiguousarray(raw.permute(1, 2, 0).numpy())


def remove_white(tensor: Tensor, alpha: FloatArray) -> Tensor:
    """Undo the white of `to_tensor` under half-transparent pixels of (C, H, W); alpha (H, W) in [0, 1]."""
    alpha_tensor = torch.from_numpy(alpha).to(tensor)
    return torch.where(alpha_tensor > 0, (tensor - (1 - alpha_tensor)) / alpha_tensor.clamp(min=1 / 255), tensor).clamp(
        -1, 1
    )


def write_image(path: Path, pixels: FloatArray, alpha: FloatArray | None = None, bits: int = 8) -> None:
    """Write raw values (H, W, 1 or 3) in the format of the suffix, whole or not at all; raises WorkError.

    16 bits are kept by TIFF and by gray PNG without alpha, and become 8 elsewhere; floating point (32) needs TIFF
    (UsageError). JPEG and BMP drop the alpha.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"{path}: cannot write '{suffix}' files; expected one of {', '.join(sorted(SUFFIXES))}")
    if bits == 32 and suffix not in (".tif", ".tiff"):
        raise UsageError(f"{path}: floating-point pixels need a .tif file")
    with atomic_write(path, get_part_path(path)) as temporary_path:
        try:
            temporary_path.write_bytes(_encode(suffix, pixels, alpha, bits))
        except ValueError as error:
            raise WorkError(f"{path}: cannot be written ({error})") from error


def _encode(suffix: str, pixels: FloatArray, alpha: FloatArray | None, bits: int) -> bytes:
    buffer = io.BytesIO()
    if suffix in (".tif", ".tiff"):
        samples = _round_pixels(pixels, bits) if bits < 32 else pixels
        if alpha is not None:
            max_value = _MAX_VALUES.get(bits, 1.0)
            samples = np.concatenate(
                [samples, (np.rint(alpha * max_value) if bits < 32 else alpha)[..., None].astype(samples.dtype)], -1
            )
        tiff.write_tiff(buffer, samples, alpha is not None)
        return buffer.getvalue()
    drops_alpha = suffix in (".jpg", ".jpeg", ".bmp")
    if bits == 16 and (suffix != ".png" or pixels.shape[-1] == 3 or alpha is not None):
        pixels, bits = pixels * np.float32(1 / 257), 8
    planes = _round_pixels(pixels, bits)
    if alpha is not None and not drops_alpha:
        planes = np.concatenate([planes, _round_pixels(alpha * np.float32(255), 8)[..., None]], axis=-1)
    image = Image.fromarray(planes.squeeze(-1) if planes.shape[-1] == 1 else planes)
    options: dict[str, Any] = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}, "BMP": {}}
    image_format = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}.get(suffix, "JPEG")
    image.save(buffer, image_format, **options[image_format])
    return buffer.getvalue()


def _round_pixels(pixels: FloatArray, bits: int) -> npt.NDArray[Any]:
    return np.rint(np.clip(np.nan_to_num(pixels), 0, _MAX_VALUES[bits])).astype(np.uint8 if bits == 8 else np.uint16)


def _get_bits(image: Image.Image) -> int:
    if image.format == "TIFF" and tiff.has_wide_channels(image):
        return 16
    if image.mode.startswith("I;16"):
        return 16
    return 32 if image.mode in ("I", "F") else 8


def _decode(image: Image.Image) -> tuple[npt.NDArray[Any], FloatArray | None, int]:
    bits = _get_bits(image)
    if bits != 8:
        return np.asarray(image)[..., None], None, bits
    has_alpha = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    is_gray = image.mode in ("1", "L", "LA", "La")
    if image.mode == "1":
        image = image.convert("L")
    target_mode = ("LA" if has_alpha else "L") if is_gray else ("RGBA" if has_alpha else "RGB")
    pixels = np.asarray(image if image.mode == target_mode else image.convert(target_mode))
    if not has_alpha:
        return pixels.reshape(*pixels.shape[:2], -1), None, bits
    return pixels[..., :-1], pixels[..., -1].astype(np.float32) / np.float32(255), bits


@contextmanager
def _open_image(path: Path) -> Iterator[Image.Image | None]:
    """The file as an undecoded image, None for a TIFF unknown to Pillow; all failures are UnreadableFile."""
    try:
        try:
            image = Image.open(path, formats=_PILLOW_FORMATS)
        except UnidentifiedImageError:
            if not tiff.is_tiff(path):
                raise
            yield None
            return
        with image:
            _check_size(path, *image.size)
            yield image
    except UnreadableFileError:
        raise
    except Exception as error:
        # Decoders of damaged files raise about anything: OSError, SyntaxError, struct.error, KeyError, zlib.error ...
        raise UnreadableFileError(path, _explain_error(path, error)) from error


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > MAX_IMAGE_PIXELS:
        raise UnreadableFileError(path, f"{width} x {height} pixels, more than the limit of {MAX_IMAGE_PIXELS:,}")


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    (
        (Image.DecompressionBombError, Image.DecompressionBombWarning),
        f"more pixels than the limit of {MAX_IMAGE_PIXELS:,}",
    ),
    ((FileNotFoundError,), "does not exist"),
    ((PermissionError,), "no permission to read it"),
    ((IsADirectoryError,), "is a folder"),
    ((MemoryError,), "does not fit into memory"),
)


def _explain_error(path: Path, error: Exception) -> str:
    for error_types, reason in _REASONS:
        if isinstance(error, error_types):
            return reason
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "is no PNG, JPEG, WebP, BMP or TIFF picture, whatever its name says, or its header is damaged"
    if "truncated" in str(error).lower():
        return f"is cut short ({error})"
    return f"is damaged ({error or type(error).__name__})"

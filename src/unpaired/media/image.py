"""Picture files to arrays and tensors, and back. Nothing else opens or writes picture files.

Raw values are kept as they are in the file: 0..255 for 8 bits, 0..65535 for 16, as stored for floating point. Colour
profiles are not applied. 16-bit colour is kept from TIFF; Pillow reads 16-bit colour PNG as 8 bits.

Transparency: networks see a picture over white (`to_tensor`); its alpha travels beside it to the output, and
`without_white` takes the white out of half-transparent pixels again.
"""

from __future__ import annotations

import io
import math
import os
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

from unpaired.atomic import whole
from unpaired.errors import UnreadableFile, UsageError, WorkError
from unpaired.media import tiff
from unpaired.media.suffixes import PICTURES
from unpaired.media.tiff import Facts

# What Pillow warns of (odd metadata, large pictures) is either harmless or an error of ours with a better message.
warnings.filterwarnings("ignore", module=r"PIL\.")

__all__ = [
    "Facts",
    "Floats",
    "Picture",
    "from_tensor",
    "normalised",
    "probe",
    "read",
    "resize",
    "to_tensor",
    "with_bits",
    "with_channels",
    "without_white",
    "write",
]

Floats = npt.NDArray[np.float32]
PIXELS = 1 << 27
"""Pictures of more pixels than this are refused as decompression bombs."""
_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF")
_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_WHITE = {8: 255.0, 16: 65535.0}


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture: pixels (H, W, C) float32 of raw values, C 1 or 3; alpha (H, W) float32 in [0, 1] or None.

    `bits` is 8, 16 or 32 (floating point or wide integers), `mode` the file's own mode, `color` whether any pixel's
    channels differ.
    """

    pixels: Floats
    alpha: Floats | None
    bits: int
    mode: str
    color: bool


def probe(path: Path) -> Facts:
    """Read a picture's header, not its pixels; raises UnreadableFile where there is none to read."""
    with _opened(path) as image:
        if image is None:
            facts = tiff.facts(path)
            _check_size(path, facts.width, facts.height)
            return facts
        bits, mode = _bits(image), image.mode
        if bits == 16 and mode in ("RGB", "RGBA"):
            mode += ";16"
        width, height = image.size
        # Pillow has swapped a TIFF's size already; asking a PNG without early EXIF for it would decode the pixels.
        known = image.format != "TIFF" and (image.format != "PNG" or "exif" in image.info)
        if known and image.getexif().get(ExifTags.Base.Orientation, 1) >= 5:
            width, height = height, width
        gray = mode in ("1", "L", "LA", "La", "I", "F") or mode.startswith("I;16")
        return Facts(width, height, mode, bits, not gray, _several(image))


def _several(image: Image.Image) -> bool:
    """Whether there is a second page or frame; the image stands there then."""
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1) > 1
    try:
        image.seek(1)  # n_frames of a TIFF walks all its pages
    except EOFError:
        return False
    return True


def read(path: Path, side: int | None = None) -> Picture:
    """Decode a picture (its first page), turned as EXIF says; raises UnreadableFile with the reason in words.

    With `side`, a JPEG may come at 1/2, 1/4 or 1/8 of its size, its shorter side at least `side`: much faster.
    """
    with _opened(path) as image:
        if image is None or (image.format == "TIFF" and tiff.beyond_pillow(image)):
            pixels, alpha, bits, mode = tiff.read(path, PIXELS)
        else:
            mode = image.mode
            if side is not None:
                shrink = side / min(image.size)
                image.draft(None, (math.ceil(image.width * shrink), math.ceil(image.height * shrink)))
            pixels, alpha, bits = _decode(ImageOps.exif_transpose(image))
        color = pixels.shape[-1] == 3 and bool((pixels[..., 1:] != pixels[..., :1]).any())
        return Picture(pixels.astype(np.float32), alpha, bits, mode, color)


def with_bits(picture: Picture, bits: int) -> Picture:
    """The picture with its raw values on the scale of `bits` (8 -> 16: times 257); floating point stays."""
    if bits == picture.bits or 32 in (bits, picture.bits):
        return picture
    factor = np.float32(_WHITE[bits] / _WHITE[picture.bits])
    return Picture(picture.pixels * factor, picture.alpha, bits, picture.mode, picture.color)


def resize(pixels: Floats, height: int, width: int, bits: int = 32) -> Floats:
    """Antialiased bicubic resampling of (H, W, C); computed in 8 bits (faster) for `bits` 8, else in float32."""
    if pixels.shape[:2] == (height, width):
        return pixels
    how = Image.Resampling.BICUBIC
    if bits == 8:
        eight = np.clip(pixels + np.float32(0.5), 0, 255).astype(np.uint8)
        small = Image.fromarray(eight.squeeze(-1) if eight.shape[-1] == 1 else eight)
        return np.asarray(small.resize((width, height), how), np.float32).reshape(height, width, -1)
    planes = [Image.fromarray(np.ascontiguousarray(plane)) for plane in np.moveaxis(pixels, -1, 0)]
    return np.stack([np.asarray(plane.resize((width, height), how), np.float32) for plane in planes], axis=-1)


def to_tensor(picture: Picture, channels: int, low: float, high: float) -> Tensor:
    """The picture over white as float32 (channels, H, W): raw `low`..`high` to -1..1, clamped; NaN is low.

    Colour becomes gray by luma (ITU-R BT.601), gray becomes colour by repeating it.
    """
    x = torch.from_numpy(np.ascontiguousarray(np.moveaxis(picture.pixels, -1, 0)))
    x = normalised(x, low, high)
    if picture.alpha is not None:
        alpha = torch.from_numpy(picture.alpha)
        x = x * alpha + (1 - alpha)
    return with_channels(x, channels)


def normalised(raw: Tensor, low: float, high: float) -> Tensor:
    """Raw values `low`..`high` as float32 -1..1, clamped."""
    return ((raw.float().nan_to_num(low, high, low) - low) * (2 / (high - low)) - 1).clamp(-1, 1)


def with_channels(x: Tensor, channels: int) -> Tensor:
    """(..., C, H, W) with 1 or 3 channels, as asked: luma, or the gray channel repeated."""
    if x.shape[-3] == channels:
        return x
    if channels == 3:
        return x.expand(*x.shape[:-3], 3, *x.shape[-2:]).contiguous()
    return (x * x.new_tensor(_LUMA).view(3, 1, 1)).sum(-3, keepdim=True)


def from_tensor(tensor: Tensor, low: float, high: float, color: bool) -> Floats:
    """(C, H, W) in [-1, 1] to raw values (H, W, 3 if `color` else 1) within `low`..`high`."""
    x = with_channels(tensor.detach().float().cpu(), 3 if color else 1)
    raw = (x.clamp(-1, 1) + 1) * ((high - low) / 2) + low
    return np.ascontiguousarray(raw.permute(1, 2, 0).numpy())


def without_white(tensor: Tensor, alpha: Floats) -> Tensor:
    """Undo the white of `to_tensor` under half-transparent pixels of (C, H, W); alpha (H, W) in [0, 1]."""
    a = torch.from_numpy(alpha).to(tensor)
    return torch.where(a > 0, (tensor - (1 - a)) / a.clamp(min=1 / 255), tensor).clamp(-1, 1)


def write(path: Path, pixels: Floats, alpha: Floats | None = None, bits: int = 8) -> None:
    """Write raw values (H, W, 1 or 3) in the format of the suffix, whole or not at all; raises WorkError.

    16 bits are kept by TIFF and by gray PNG without alpha, and become 8 elsewhere; floating point (32) needs TIFF
    (UsageError). JPEG and BMP drop the alpha.
    """
    suffix = path.suffix.lower()
    if suffix not in PICTURES:
        raise UsageError(f"{path}: cannot write '{suffix}' files; expected one of {', '.join(sorted(PICTURES))}")
    if bits == 32 and suffix not in (".tif", ".tiff"):
        raise UsageError(f"{path}: floating-point pixels need a .tif file")
    # Two processes may translate into one folder, so each has its own part.
    with whole(path, path.with_name(f".{path.name}.{os.getpid()}.part")) as part:
        try:
            part.write_bytes(_encoded(suffix, pixels, alpha, bits))
        except ValueError as error:
            raise WorkError(f"{path}: cannot be written ({error})") from error


def _encoded(suffix: str, pixels: Floats, alpha: Floats | None, bits: int) -> bytes:
    buffer = io.BytesIO()
    if suffix in (".tif", ".tiff"):
        full = _rounded(pixels, bits) if bits < 32 else pixels
        if alpha is not None:
            top = _WHITE.get(bits, 1.0)
            full = np.concatenate(
                [full, (np.rint(alpha * top) if bits < 32 else alpha)[..., None].astype(full.dtype)], -1
            )
        tiff.write(buffer, full, alpha is not None)
        return buffer.getvalue()
    drops = suffix in (".jpg", ".jpeg", ".bmp")
    if bits == 16 and (suffix != ".png" or pixels.shape[-1] == 3 or alpha is not None):
        pixels, bits = pixels * np.float32(1 / 257), 8
    planes = _rounded(pixels, bits)
    if alpha is not None and not drops:
        planes = np.concatenate([planes, _rounded(alpha * np.float32(255), 8)[..., None]], axis=-1)
    image = Image.fromarray(planes.squeeze(-1) if planes.shape[-1] == 1 else planes)
    options: dict[str, Any] = {"PNG": {}, "JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"quality": 95}, "BMP": {}}
    form = {".png": "PNG", ".webp": "WEBP", ".bmp": "BMP"}.get(suffix, "JPEG")
    image.save(buffer, form, **options[form])
    return buffer.getvalue()


def _rounded(pixels: Floats, bits: int) -> npt.NDArray[Any]:
    return np.rint(np.clip(np.nan_to_num(pixels), 0, _WHITE[bits])).astype(np.uint8 if bits == 8 else np.uint16)


def _bits(image: Image.Image) -> int:
    if image.format == "TIFF" and tiff.wide(image):
        return 16
    if image.mode.startswith("I;16"):
        return 16
    return 32 if image.mode in ("I", "F") else 8


def _decode(image: Image.Image) -> tuple[npt.NDArray[Any], Floats | None, int]:
    bits = _bits(image)
    if bits != 8:
        return np.asarray(image)[..., None], None, bits
    clear = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    gray = image.mode in ("1", "L", "LA", "La")
    if image.mode == "1":
        image = image.convert("L")
    wanted = ("LA" if clear else "L") if gray else ("RGBA" if clear else "RGB")
    pixels = np.asarray(image if image.mode == wanted else image.convert(wanted))
    if not clear:
        return pixels.reshape(*pixels.shape[:2], -1), None, bits
    return pixels[..., :-1], pixels[..., -1].astype(np.float32) / np.float32(255), bits


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image | None]:
    """The file as an undecoded image, None for a TIFF unknown to Pillow; all failures are UnreadableFile."""
    try:
        try:
            image = Image.open(path, formats=_FORMATS)
        except UnidentifiedImageError:
            if not tiff.is_tiff(path):
                raise
            yield None
            return
        with image:
            _check_size(path, *image.size)
            yield image
    except UnreadableFile:
        raise
    except Exception as error:
        # Decoders of damaged files raise about anything: OSError, SyntaxError, struct.error, KeyError, zlib.error ...
        raise UnreadableFile(path, _why(path, error)) from error


def _check_size(path: Path, width: int, height: int) -> None:
    if width * height > PIXELS:
        raise UnreadableFile(path, f"{width} x {height} pixels, more than the limit of {PIXELS:,}")


_REASONS: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((Image.DecompressionBombError, Image.DecompressionBombWarning), f"more pixels than the limit of {PIXELS:,}"),
    ((FileNotFoundError,), "does not exist"),
    ((PermissionError,), "no permission to read it"),
    ((IsADirectoryError,), "is a folder"),
    ((MemoryError,), "does not fit into memory"),
)


def _why(path: Path, error: Exception) -> str:
    for kinds, reason in _REASONS:
        if isinstance(error, kinds):
            return reason
    if path.stat().st_size == 0:
        return "is empty (0 bytes)"
    if isinstance(error, UnidentifiedImageError):
        return "is no PNG, JPEG, WebP, BMP or TIFF picture, whatever its name says, or its header is damaged"
    if "truncated" in str(error).lower():
        return f"is cut short ({error})"
    return f"is damaged ({error or type(error).__name__})"

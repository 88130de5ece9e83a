"""Reading of picture files of every format to headers and arrays, by the decoder of the format.

Pixels have the raw values of the file: 0 to 255 for 8 bits, 0 to 65535 for 16 bits, any value for floating point.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from unpaired.data.paths import ItemName, split_item_path
from unpaired.errors import UnreadableFileError
from unpaired.media.image import image_decoding
from unpaired.media.image.array_files import find_array_reader
from unpaired.media.image.decoded_image import DecodedImage
from unpaired.media.image.image_header import ImageHeader
from unpaired.media.image.pixel_types import describe_bands, get_type_bits


def read_header(path: Path, all_bands: bool = False) -> ImageHeader:
    """Read a picture's header without decoding its pixels; raises UnreadableFileError.

    `path` is a file, of which the main page is read, or a page of a file, as "stack.tif/0003". With `all_bands`, no
    band counts as unused.
    """
    file, item = split_item_path(path)
    with _name_item(path, item):
        reader = find_array_reader(file)
        decode = image_decoding.decode_header if reader is None else reader.read_header
        header = decode(file, item)
    return replace(header, extra_bands=0) if all_bands else header


def read_image(path: Path, side: int | None = None, keep_type: bool = False, all_bands: bool = False) -> DecodedImage:
    """Decode the main page of a picture, or the page that `path` names, and apply its EXIF orientation.

    With `side`, a JPEG may be decoded at 1/2, 1/4 or 1/8 of its size, its shorter side at least `side`, which is much
    faster. With `keep_type`, the pixels keep the type of the file, which takes a quarter or half of the memory. With
    `all_bands`, every band of the file is a channel, and alpha the last one. Raises UnreadableFileError.
    """
    file, item = split_item_path(path)
    with _name_item(path, item):
        reader = find_array_reader(file)
        if reader is not None:
            image = _create_image(reader.read_pixels(file, item), all_bands)
        else:
            image = image_decoding.decode_image(file, side, item, all_bands)
    return image if keep_type else replace(image, pixels=image.pixels.astype(np.float32))


@contextmanager
def _name_item(path: Path, item: ItemName | None) -> Iterator[None]:
    """Make errors inside of the context name the item, if a file contains several."""
    try:
        yield
    except UnreadableFileError as error:
        if item is None:
            raise
        raise UnreadableFileError(path, error.reason) from error


def _create_image(array: npt.NDArray[Any], all_bands: bool) -> DecodedImage:
    """Create the image of an array (H, W, C) that has no alpha."""
    bands = array.shape[2]
    pixels = array if all_bands else array[..., : 3 if bands >= 3 else 1]
    bits = get_type_bits(array.dtype)
    has_color = pixels.shape[2] == 3 and bool((pixels[..., 1:] != pixels[..., :1]).any())
    return DecodedImage(pixels, None, bits, describe_bands(bands, array.dtype), has_color, dtype=array.dtype)

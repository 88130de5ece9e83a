"""Files that contain arrays of values instead of pictures for display: NumPy arrays, and scans in other modules."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from unpaired.data.paths import ItemName
from unpaired.errors import UnreadableFileError
from unpaired.media.image.image_header import ImageHeader
from unpaired.media.image.pixel_types import describe_bands, get_type_bits
from unpaired.media.image.read_errors import name_unreadable, require_size
from unpaired.media.image.suffixes import DICOM_SUFFIXES, NIFTI_SUFFIXES, get_picture_suffix

Array = npt.NDArray[Any]


class ArrayReader(Protocol):
    """Reader of a type of files. `item` is one of the pictures within the file, None: the main one."""

    def read_header(self, path: Path, item: ItemName | None) -> ImageHeader:
        """Read the header of a picture; raises UnreadableFileError."""

    def read_pixels(self, path: Path, item: ItemName | None) -> Array:
        """Read the values (H, W, C) of a picture; raises UnreadableFileError."""


def find_array_reader(path: Path) -> ArrayReader | None:
    """Return the reader of a file by its suffix; None for files that other modules decode."""
    suffix = get_picture_suffix(path.name)
    if suffix in NIFTI_SUFFIXES:
        from unpaired.media.image.nifti import NiftiReader  # noqa: PLC0415 - it imports this module

        return NiftiReader()
    if suffix in DICOM_SUFFIXES:
        from unpaired.media.image.dicom import DicomReader  # noqa: PLC0415 - it imports this module

        return DicomReader()
    return NpyReader() if suffix == ".npy" else None


def create_array_header(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> ImageHeader:
    """Create the header of values (H, W, C) of `dtype`; raises UnreadableFileError for other than real numbers."""
    height, width, bands = shape
    if dtype.kind not in "iuf":
        raise UnreadableFileError(path, f"contains values of type {dtype}; expected integers or floating point")
    require_size(path, width, height)
    base = 3 if bands >= 3 else 1
    mode = describe_bands(bands, dtype)
    bits = get_type_bits(dtype)
    return ImageHeader(width, height, mode, bits, bands == 3, extra_bands=bands - base)


class NpyReader:
    """Reader of .npy files with one picture: (H, W), or (H, W, C) with channels last. There is no alpha."""

    def read_header(self, path: Path, item: ItemName | None) -> ImageHeader:
        """Read shape and type."""
        array = self._open(path, item)
        return create_array_header(path, array.shape, array.dtype)

    def read_pixels(self, path: Path, item: ItemName | None) -> Array:
        """Read the array."""
        array = self._open(path, item)
        create_array_header(path, array.shape, array.dtype)
        with name_unreadable(path):
            return np.array(array, dtype=array.dtype.newbyteorder("="))

    def _open(self, path: Path, item: ItemName | None) -> Array:
        """Map the array (H, W, C) of a file into memory."""
        if item is not None:
            raise UnreadableFileError(path, f"{item}: .npy files have no pages")
        with name_unreadable(path):
            array = np.load(path, mmap_mode="r", allow_pickle=False)
        if not isinstance(array, np.ndarray) or array.ndim not in (2, 3) or 0 in array.shape:
            shape = getattr(array, "shape", "of several arrays")
            raise UnreadableFileError(path, f"an array {shape}; expected (H, W), or (H, W, C) with channels last")
        return array.reshape(*array.shape[:2], -1)

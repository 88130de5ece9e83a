"""NIfTI volumes as stacks of slices along an anatomical axis, and their translations as volumes.

Slices are in the radiological convention: seen from the feet, from the front, or from the patient's left, with the
patient's right side, or front, at the left of the picture. So they look alike however a file stores its axes.
"""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from unpaired.data.paths import ItemName
from unpaired.errors import UnreadableFileError, WorkError
from unpaired.media.image.array_files import create_array_header
from unpaired.media.image.image_header import ImageHeader
from unpaired.media.image.read_errors import name_unreadable
from unpaired.media.image.settings import SliceAxis
from unpaired.packages import import_package
from unpaired.temporary_files import find_temporary_folder

Array = npt.NDArray[Any]
PLANES: Final[dict[str, tuple[int, int, int]]] = {"axial": (2, 1, 0), "coronal": (1, 2, 0), "sagittal": (0, 2, 1)}
"""Plane -> axes (right, anterior, superior: 0, 1, 2) across the slices, down a slice, and to its right."""
DEFAULT_PLANE: Final = "axial"
MAX_CACHED_BYTES = 8 << 30
"""Maximum bytes of decompressed volumes in temporary files."""
MAX_CACHED_VOLUMES = 128
"""Maximum number of cached volumes: each of them keeps a file open, of which a process may have 256 on some systems."""


@dataclass(frozen=True, eq=False)
class Volume:
    """Header of a NIfTI file: `image` is nibabel's object, whose values are not read."""

    path: Path
    image: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """Stored shape, with at least three axes; further axes are times or channels."""
        shape = tuple(map(int, self.image.shape))
        return shape + (1,) * (3 - len(shape))

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the stored values."""
        dtype: np.dtype[Any] = np.dtype(self.image.dataobj.dtype)
        return dtype

    @property
    def scaling(self) -> tuple[float, float]:
        """Slope and intercept from stored values to values."""
        return float(self.image.dataobj.slope), float(self.image.dataobj.inter)

    @property
    def value_dtype(self) -> np.dtype[Any]:
        """Type of the values: that of the stored ones if these are not scaled, else float32."""
        return self.dtype.newbyteorder("=") if self.scaling == (1.0, 0.0) else np.dtype(np.float32)

    @cached_property
    def orientation(self) -> Array:
        """Anatomical axis and direction (3, 2) of each stored axis; the stored order if the affine has none."""
        orientation = import_nibabel(self.path).io_orientation(self.image.affine)
        identity = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
        return identity if np.isnan(orientation).any() else np.asarray(orientation)

    def arrange(self, stored: Array, plane: str) -> Array:
        """Return a view of stored values (*shape) as slices (slices, height, width, *further axes)."""
        stored_axes = [int(np.flatnonzero(self.orientation[:, 0] == axis)[0]) for axis in PLANES[plane]]
        view = stored.transpose(*stored_axes, *range(3, stored.ndim))
        # Slices ascend to the patient's left to right, back to front, and feet to head; pictures descend.
        forward = [self.orientation[axis, 1] > 0 for axis in stored_axes]
        steps = (1 if forward[0] else -1, -1 if forward[1] else 1, -1 if forward[2] else 1)
        return view[tuple(slice(None, None, step) for step in steps)]

    def get_slice(self, stored: Array, item: ItemName) -> Array:
        """Return a view (height, width) of one slice of stored values; raises UnreadableFileError if there is none."""
        if item.prefix not in PLANES:
            raise UnreadableFileError(self.path, f"{item}: expected a slice such as {ItemName(DEFAULT_PLANE, 1)}")
        slices = self.arrange(stored, item.prefix)
        further, index = divmod(item.number - 1, slices.shape[0])
        count = int(np.prod(slices.shape[3:]))
        if not 0 <= further < count:
            raise UnreadableFileError(self.path, f"has {slices.shape[0] * count} slices; {item} does not exist")
        return slices[(index, slice(None), slice(None), *np.unravel_index(further, slices.shape[3:], order="F"))]


def import_nibabel(path: Path) -> Any:
    """Return the package for NIfTI files; raises UsageError with the install command if it is missing."""
    return import_package("nibabel", f"{path}: a NIfTI file", "medical")


def read_volume(path: Path) -> Volume:
    """Read the header of a NIfTI file; raises UnreadableFileError for damaged files and unsupported types."""
    nibabel = import_nibabel(path)
    with name_unreadable(path):
        path.open("rb").close()  # nibabel would take a file that cannot be opened for a file of another type
        try:
            image = nibabel.load(path)
        except nibabel.filebasedimages.ImageFileError as error:
            raise UnreadableFileError(path, f"is no NIfTI file, or its header is damaged ({error})") from error
        volume = Volume(path, image)
        if volume.dtype.kind not in "iuf":
            raise UnreadableFileError(path, f"has values of type {volume.dtype}; expected integers or floating point")
        if 0 in volume.shape:
            raise UnreadableFileError(path, f"has no voxels: {volume.shape}")
        return volume


def list_slices(path: Path, plane: SliceAxis) -> list[ItemName]:
    """Return the names of the slices of a volume, as "axial-0001"; of a series of volumes, one volume after another."""
    volume = read_volume(path)
    axis = int(np.flatnonzero(volume.orientation[:, 0] == PLANES[plane][0])[0])
    count = volume.shape[axis] * int(np.prod(volume.shape[3:]))
    return [ItemName(plane, number) for number in range(1, count + 1)]


class NiftiReader:
    """Reader of slices, named as "axial-0012". Compressed files are decompressed once, into temporary files."""

    def read_header(self, path: Path, item: ItemName | None) -> ImageHeader:
        """Read size and type of a slice."""
        volume = read_volume(path)
        shape = volume.get_slice(np.broadcast_to(np.zeros((), np.uint8), volume.shape), item or FIRST_SLICE).shape
        return create_array_header(path, (*shape, 1), volume.value_dtype)

    def read_pixels(self, path: Path, item: ItemName | None) -> Array:
        """Read the values (H, W, 1) of a slice, scaled as the header says."""
        self.read_header(path, item)
        with name_unreadable(path):
            volume, stored = CACHE.open(path)
            values = np.array(volume.get_slice(stored, item or FIRST_SLICE), volume.dtype.newbyteorder("="))
        slope, intercept = volume.scaling
        if volume.value_dtype != values.dtype:
            values = (values * slope + intercept).astype(np.float32)
        return values[..., None]


FIRST_SLICE = ItemName(DEFAULT_PLANE, 1)


class VolumeCache:
    """Stored values of the volumes used last, mapped into memory: of files, or of their decompressed copies."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._volumes: OrderedDict[tuple[str, int, int], tuple[Volume, Array]] = OrderedDict()

    def open(self, path: Path) -> tuple[Volume, Array]:
        """Return a volume and its stored values (*shape); raises UnreadableFileError if the file is cut short."""
        status = path.stat()
        key = (str(path), status.st_size, status.st_mtime_ns)
        with self._lock:
            if key not in self._volumes:
                volume = read_volume(path)
                self._volumes[key] = volume, _map_values(volume)
            self._volumes.move_to_end(key)
            while self._is_too_large():
                self._volumes.popitem(last=False)
            return self._volumes[key]

    def _is_too_large(self) -> bool:
        count = len(self._volumes)
        num_bytes = sum(values.nbytes for _, values in self._volumes.values())
        return count > 1 and (count > MAX_CACHED_VOLUMES or num_bytes > MAX_CACHED_BYTES)


CACHE = VolumeCache()


def _map_values(volume: Volume) -> Array:
    """Map the stored values (*shape) of a volume into memory."""
    offset, size = int(volume.image.dataobj.offset), int(np.prod(volume.shape)) * volume.dtype.itemsize
    if volume.path.suffix.lower() != ".gz":
        if volume.path.stat().st_size < offset + size:
            raise UnreadableFileError(volume.path, "is cut short: its header declares more values")
        return np.memmap(volume.path, volume.dtype, "r", offset, volume.shape, "F")
    with gzip.open(volume.path) as source, _create_temporary_file(size) as copy:
        source.seek(offset)
        shutil.copyfileobj(_Limited(source, size), copy, 1 << 20)
        if copy.tell() < size:
            raise UnreadableFileError(volume.path, "is cut short: its header declares more values")
        copy.flush()
        return np.memmap(copy, volume.dtype, "r", 0, volume.shape, "F")  # it keeps the file until it is collected


class _Limited:
    """The first bytes of a stream."""

    def __init__(self, source: gzip.GzipFile, size: int) -> None:
        self._source, self._left = source, size

    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(min(size, self._left))
        self._left -= len(data)
        return data


def _create_temporary_file(size: int) -> Any:
    folder = find_temporary_folder()
    free = shutil.disk_usage(folder).free
    if size > free:
        raise WorkError(
            f"a volume needs {size / 1e9:.1f} GB of temporary files, but {folder} has {free / 1e9:.1f} GB left; set "
            "TMPDIR to a folder with more room"
        )
    return tempfile.TemporaryFile(prefix="unpaired-", dir=folder)


def write_volume(
    path: Path, source: Path, items: Iterable[ItemName], pages: Iterable[Array], is_compressed: bool
) -> None:
    """Write slices (H, W, 1) as a volume with the affine, header and extensions of `source`.

    Values of another type than the stored ones, such as those of a scaled volume, are stored as float32 without
    scaling. The display range of the header (cal_min, cal_max) is removed, because it is that of the input.
    """
    volume = read_volume(source)
    stored: Array | None = None
    for item, page in zip(items, pages, strict=True):
        if stored is None:
            with _create_temporary_file(int(np.prod(volume.shape)) * page.dtype.itemsize) as file:
                stored = np.memmap(file, page.dtype, "w+", 0, volume.shape, "F")
        volume.get_slice(stored, item)[...] = page[..., 0]
    assert stored is not None, "a volume has slices"
    header = volume.image.header.copy()
    header.set_data_dtype(stored.dtype)
    header["cal_min"] = header["cal_max"] = 0
    if volume.value_dtype != volume.dtype.newbyteorder("="):
        header.set_slope_inter(1, 0)
    result = type(volume.image)(stored.reshape(volume.image.shape, order="F"), volume.image.affine, header)
    with path.open("wb") as file:
        if not is_compressed:
            _write_image(result, file)
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as compressed:
            _write_image(result, compressed)


def _write_image(image: Any, file: Any) -> None:
    image.file_map["image"].fileobj = file
    image.to_file_map()

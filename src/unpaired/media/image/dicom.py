"""DICOM files: modality values of their frames, and their translations as derived objects."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from unpaired.data.paths import ItemName
from unpaired.errors import UnreadableFileError, WorkError
from unpaired.media.image.array_files import create_array_header
from unpaired.media.image.image_header import ImageHeader
from unpaired.media.image.pixel_types import get_type_bits
from unpaired.media.image.read_errors import name_unreadable
from unpaired.packages import import_package

# pydicom warns of values that violate the standard, which many devices write.
warnings.filterwarnings("ignore", module=r"pydicom\.")

Array = npt.NDArray[Any]
_GRAY: Final = ("MONOCHROME1", "MONOCHROME2")
_MAX_STORED = 65535
_MAX_DESCRIPTION = 64  # characters of the value representation LO
_REMOVED: Final = (
    "ModalityLUTSequence",
    "VOILUTSequence",
    "WindowCenterWidthExplanation",
    "RealWorldValueMappingSequence",
    "SmallestImagePixelValue",
    "LargestImagePixelValue",
    "PixelPaddingValue",
    "PixelPaddingRangeLimit",
    "IconImageSequence",
    "InstanceCreationDate",
    "InstanceCreationTime",
    "MACParametersSequence",
    "DigitalSignaturesSequence",
)
"""Attributes that describe the values of the input, or sign them."""


@dataclass(frozen=True)
class Derivation:
    """Source and target of a translation, the values of black and white, and a text that identifies the translation."""

    key: str
    source: str
    target: str
    low: float
    high: float


def import_pydicom(path: Path) -> Any:
    """Return the package for DICOM files; raises UsageError with the install command if it is missing."""
    return import_package("pydicom", f"{path}: a DICOM file", "medical")


def read_dataset(path: Path) -> Any:
    """Read a DICOM file without its pixels; raises UnreadableFileError for other files and unusable kinds of pixels."""
    with name_unreadable(path), path.open("rb") as file:
        return _read_dataset(path, file)


def _read_dataset(path: Path, file: BinaryIO) -> Any:
    pydicom = import_pydicom(path)
    try:
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
    except pydicom.errors.InvalidDicomError as error:
        raise UnreadableFileError(path, "is no DICOM file, or its header is damaged") from error
    _require_supported(path, dataset)
    return dataset


def _require_supported(path: Path, dataset: Any) -> None:
    if "Rows" not in dataset or "Columns" not in dataset:
        raise UnreadableFileError(path, "has no pixels; expected an image")
    if "SharedFunctionalGroupsSequence" in dataset:
        raise UnreadableFileError(path, "is an enhanced multi-frame object; convert it to one file per frame")
    kind, samples = str(dataset.get("PhotometricInterpretation", "")), int(dataset.get("SamplesPerPixel", 1))
    bits = int(dataset.get("BitsAllocated", 0))
    is_gray, is_color = samples == 1 and kind in _GRAY and bits in (8, 16, 32), samples == 3 and bits == 8
    if not (is_gray or is_color):
        raise UnreadableFileError(
            path, f"has pixels of kind {kind or 'unknown'}, {samples} x {bits} bits; expected gray, or color of 8 bits"
        )
    syntax = getattr(getattr(dataset, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is not None and syntax.is_compressed and not _is_decodable(path, syntax):
        raise UnreadableFileError(
            path,
            f"its pixels are compressed by '{syntax.name}', for which no decoder is installed: pip install pylibjpeg "
            "pylibjpeg-libjpeg, or decompress the file (gdcmconv --raw)",
        )


def _is_decodable(path: Path, syntax: Any) -> bool:
    import_pydicom(path)
    from pydicom.pixels.decoders.base import get_decoder  # noqa: PLC0415 - optional

    try:
        return bool(get_decoder(syntax).is_available) or syntax.is_deflated
    except NotImplementedError:
        return bool(syntax.is_deflated)


def list_frames(path: Path) -> list[ItemName]:
    """Return the names of the frames of a file; empty if it has one."""
    count = int(read_dataset(path).get("NumberOfFrames", 1) or 1)
    return [ItemName("", number) for number in range(1, count + 1)] if count > 1 else []


class DicomReader:
    """Reader of frames: modality values such as Hounsfield units, int32 if they are integers of more than 8 bits."""

    def read_header(self, path: Path, item: ItemName | None) -> ImageHeader:
        """Read size and type of a frame."""
        return self._create_header(path, read_dataset(path), item)

    def read_pixels(self, path: Path, item: ItemName | None) -> Array:
        """Read the values (H, W, 1 or 3) of a frame. White and black of MONOCHROME1 are exchanged."""
        import_pydicom(path)
        from pydicom.pixels.processing import apply_modality_lut  # noqa: PLC0415 - optional
        from pydicom.pixels.utils import pixel_array  # noqa: PLC0415

        with name_unreadable(path), path.open("rb") as file:
            dataset = _read_dataset(path, file)
            self._create_header(path, dataset, item)
            stored = pixel_array(file, index=0 if item is None else item.number - 1)
            if stored.ndim == 3:
                return np.asarray(stored, np.uint8)
            if dataset.PhotometricInterpretation == "MONOCHROME1":
                highest = -1 if int(dataset.PixelRepresentation) else (1 << int(dataset.BitsStored)) - 1
                stored = highest - stored.astype(np.int64)
            return np.asarray(apply_modality_lut(stored, dataset)).astype(_get_value_type(dataset))[..., None]

    def _create_header(self, path: Path, dataset: Any, item: ItemName | None) -> ImageHeader:
        count = int(dataset.get("NumberOfFrames", 1) or 1)
        if item is not None and (item.prefix or not 1 <= item.number <= count):
            raise UnreadableFileError(path, f"has {count} frames; {item} does not exist")
        shape = (int(dataset.Rows), int(dataset.Columns), int(dataset.get("SamplesPerPixel", 1)))
        return create_array_header(path, shape, _get_value_type(dataset))


def _get_scaling(dataset: Any) -> tuple[float, float]:
    """Return slope and intercept from stored values to modality values."""
    slope, intercept = dataset.get("RescaleSlope", 1), dataset.get("RescaleIntercept", 0)
    return float(1 if slope is None else slope), float(intercept or 0)


def _get_value_type(dataset: Any) -> np.dtype[Any]:
    """Return the type of modality values."""
    scaling = _get_scaling(dataset)
    has_table = bool(dataset.get("ModalityLUTSequence"))
    if int(dataset.BitsAllocated) == 8 and scaling == (1, 0) and not has_table:
        return np.dtype(np.int16 if int(dataset.get("PixelRepresentation", 0)) else np.uint8)
    is_integer = has_table or all(value.is_integer() for value in scaling)
    return np.dtype(np.int32 if is_integer else np.float32)


def write_derived(path: Path, source: Path, pages: Sequence[Array], derivation: Derivation) -> None:
    """Write frames (H, W, C) of modality values as an object that is derived from `source`.

    It has the patient, study, frame of reference and geometry of the source, and its own series and instance. Both
    identifiers depend on the source and the translation alone, so that the files of a folder form one series.
    Uncompressed, MONOCHROME2 or RGB. Slope and intercept are kept if they can represent the values.
    """
    dataset = read_dataset(source)
    from pydicom.dataset import Dataset  # noqa: PLC0415 - optional
    from pydicom.uid import ExplicitVRLittleEndian, generate_uid  # noqa: PLC0415

    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = dataset.SOPClassUID, dataset.SOPInstanceUID
    for name in _REMOVED:
        if name in dataset:
            delattr(dataset, name)
    data = _set_pixels(dataset, np.stack(pages), derivation)
    dataset.SourceImageSequence = [reference]
    dataset.ImageType = ["DERIVED", "SECONDARY", *list(dataset.get("ImageType", []))[2:]]
    dataset.DerivationDescription = f"translated from {derivation.source} to {derivation.target} by unpaired"
    description = f"{dataset.get('SeriesDescription', '')} {derivation.target} (unpaired)".strip()
    dataset.SeriesDescription = description[-_MAX_DESCRIPTION:]
    series, instance = str(dataset.get("SeriesInstanceUID", "")), str(reference.ReferencedSOPInstanceUID)
    content = hashlib.sha256(data).hexdigest()
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["series", series, derivation.key])
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["instance", instance, derivation.key, content])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    with path.open("wb") as file:
        dataset.save_as(file, implicit_vr=False, little_endian=True, enforce_file_format=True)


def _set_pixels(dataset: Any, values: Array, derivation: Derivation) -> bytes:
    """Set the pixels of a dataset, and the attributes that describe them, to values (frames, H, W, C)."""
    if values.shape[-1] == 3:
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel, dataset.PlanarConfiguration = "RGB", 3, 0
        if values.dtype != np.uint8:
            raise WorkError(f"color of type {values.dtype} cannot be written as DICOM; expected inputs of 8 bits")
        stored, is_signed = values, 0
    else:
        dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
        stored, is_signed = _store_gray(dataset, values)
        dataset.WindowCenter = _format((derivation.low + derivation.high) / 2)
        dataset.WindowWidth = _format(max(derivation.high - derivation.low, 1e-6))
    bits = 8 * stored.dtype.itemsize
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = is_signed
    dataset.Rows, dataset.Columns = stored.shape[1:3]
    data = stored.astype(stored.dtype.newbyteorder("<")).tobytes()
    data += b"\0" * (len(data) % 2)
    dataset.add_new("PixelData", "OB" if bits == 8 else "OW", data)
    return data


def _store_gray(dataset: Any, values: Array) -> tuple[Array, int]:
    """Return stored values of 8 or 16 bits, and whether they have a sign; sets slope and intercept if necessary."""
    is_signed = int(dataset.get("PixelRepresentation", 0))
    slope, intercept = _get_scaling(dataset)
    if get_type_bits(values.dtype) == 8:
        return values, 0
    stored = (values.astype(np.float64) - intercept) / slope
    limits = np.iinfo(np.int16 if is_signed else np.uint16)
    is_exact = values.dtype.kind == "i" or _get_value_type(dataset).kind == "f"
    if not (is_exact and limits.min <= stored.min() and stored.max() <= limits.max):
        low, high = float(values.min()), float(values.max())
        dataset.RescaleIntercept, dataset.RescaleSlope = _format(low), _format(max(high - low, 1e-6) / _MAX_STORED)
        dataset.RescaleType = "US"
        slope, intercept = _get_scaling(dataset)
        stored, is_signed, limits = (values.astype(np.float64) - intercept) / slope, 0, np.iinfo(np.uint16)
    return np.clip(np.rint(stored), limits.min, limits.max).astype(limits.dtype), is_signed


def _format(value: float) -> Any:
    """Return a number as a decimal string of at most 16 characters."""
    from pydicom.valuerep import DSfloat  # noqa: PLC0415 - optional

    return DSfloat(value, auto_format=True)

"""Metadata that a translation carries over from its input: the ICC profile, and who took the picture, when and how."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from unpaired.media.image.optional_formats import HEIF_SUFFIXES, register_heif
from unpaired.media.image.tiff_pages import seek_main_page

_CARRIED_TAGS = (
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.Base.DateTime,
    ExifTags.Base.ImageDescription,
    ExifTags.Base.XResolution,
    ExifTags.Base.YResolution,
    ExifTags.Base.ResolutionUnit,
)
_CARRIED_PHOTO_TAGS = (
    ExifTags.Base.DateTimeOriginal,
    ExifTags.Base.OffsetTimeOriginal,
    ExifTags.Base.ExposureTime,
    ExifTags.Base.FNumber,
    ExifTags.Base.ISOSpeedRatings,
    ExifTags.Base.FocalLength,
    ExifTags.Base.LensModel,
)
"""Neither the orientation, which is applied, nor thumbnails, which show the input, nor the place (GPS)."""
_COLOR_SPACES = {1: b"GRAY", 3: b"RGB "}
_ICC_TAG, _PNG_HEADER_END = 34675, 33
_XMP_KEYWORD = b"XML:com.adobe.xmp"
SYNTHETIC_XMP = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    b'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmp:CreatorTool="unpaired" '
    b'Iptc4xmpExt:DigitalSourceType="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"/>'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
)
"""XMP packet with the digital source type of the IPTC for media by trained models."""


@dataclass(frozen=True)
class CarriedMetadata:
    """ICC profile, EXIF data (with the prefix "Exif") and an XMP packet as bytes; empty if there are none."""

    icc_profile: bytes = b""
    exif: bytes = b""
    xmp: bytes = b""

    def match_channels(self, color_channels: int) -> CarriedMetadata:
        """Return the metadata without an ICC profile of another color space than gray (1) or RGB (3)."""
        is_match = self.icc_profile[16:20] == _COLOR_SPACES.get(color_channels)
        return self if is_match else replace(self, icc_profile=b"")

    def mark_synthetic(self) -> CarriedMetadata:
        """Return the metadata with an XMP packet that says that the picture was made by a trained model."""
        return replace(self, xmp=SYNTHETIC_XMP)


def read_carried_metadata(path: Path) -> CarriedMetadata:
    """Read the metadata of a picture file; damaged metadata count as absent."""
    if path.suffix.lower() in HEIF_SUFFIXES:
        register_heif()
    try:
        with Image.open(path) as image:
            profile = image.info.get("icc_profile") or b""
            if image.format == "TIFF":
                seek_main_page(image)
                profile = image.tag_v2.get(_ICC_TAG, profile)  # type: ignore[attr-defined]
            has_exif = image.format != "PNG" or "exif" in image.info  # Pillow would decode a PNG to search for it
            exif = _select_tags(image.getexif()) if has_exif else b""
    except Exception:  # metadata parsers raise all kinds of errors; the pixels are read elsewhere
        return CarriedMetadata()
    return CarriedMetadata(profile if isinstance(profile, bytes) else b"", exif)


def _select_tags(exif: Image.Exif) -> bytes:
    selected = Image.Exif()
    for tag in _CARRIED_TAGS:
        if tag in exif:
            selected[tag] = exif[tag]
    photo = exif.get_ifd(ExifTags.IFD.Exif)
    carried: dict[int, Any] = {tag: photo[tag] for tag in _CARRIED_PHOTO_TAGS if tag in photo}
    if carried:
        selected.get_ifd(ExifTags.IFD.Exif).update(carried)
    return selected.tobytes() if len(selected) or carried else b""


def insert_into_png(data: bytes, metadata: CarriedMetadata) -> bytes:
    """Return PNG data with the metadata as chunks behind the header."""
    chunks = b""
    if metadata.icc_profile:
        chunks += _create_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc_profile))
    if metadata.exif:
        chunks += _create_chunk(b"eXIf", metadata.exif.removeprefix(b"Exif\0\0"))
    if metadata.xmp:
        # Keyword, no compression (two bytes), neither language nor translated keyword
        chunks += _create_chunk(b"iTXt", _XMP_KEYWORD + bytes(5) + metadata.xmp)
    return data[:_PNG_HEADER_END] + chunks + data[_PNG_HEADER_END:]


def _create_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

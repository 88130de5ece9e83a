"""Parts of picture files that are not used are in `losses` of the header; damaged metadata does not prevent reading."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from unpaired.errors import UnreadableFileError
from unpaired.media.image import image_decoding
from unpaired.media.image.image_io import read_header, read_image
from unpaired.media.image.metadata import parse_orientation

Pixels = npt.NDArray[Any]


def noise(*shape: int, kind: type = np.uint8, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 250, shape).astype(kind)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("bands", "extra"), [(4, 1), (5, 2), (8, 5)])
def test_extra_bands_are_not_alpha(tmp_path: Path, kind: type, bands: int, extra: int) -> None:
    data = noise(20, 24, bands, kind=kind)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["unspecified"] * extra)
    image, header = read_image(tmp_path / "a.tif"), read_header(tmp_path / "a.tif")
    assert image.alpha is None and np.array_equal(image.pixels, data[..., :3])
    assert header.extra_bands == extra and any(str(extra) in loss for loss in header.losses)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_an_unspecified_second_gray_band_is_not_alpha(tmp_path: Path, kind: type) -> None:
    data = noise(20, 24, 2, kind=kind)
    tifffile.imwrite(
        tmp_path / "a.tif", data, photometric="minisblack", extrasamples=["unspecified"], planarconfig="contig"
    )
    image = read_image(tmp_path / "a.tif")
    assert image.alpha is None and np.array_equal(image.pixels, data[..., :1])
    assert read_header(tmp_path / "a.tif").extra_bands == 1


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_declared_alpha_is_read(tmp_path: Path, kind: type) -> None:
    data = noise(20, 24, 4, kind=kind)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["unassalpha"])
    image = read_image(tmp_path / "a.tif")
    assert image.alpha is not None and read_header(tmp_path / "a.tif").losses == ()
    assert np.allclose(image.alpha, data[..., 3] / np.iinfo(kind).max, atol=1e-6)


def test_premultiplied_alpha_is_undone(tmp_path: Path) -> None:
    data = np.full((8, 8, 4), (1000, 2000, 3000, 32768), np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", extrasamples=["assocalpha"])
    assert np.allclose(read_image(tmp_path / "a.tif").pixels[0, 0], (2000, 4000, 6000), atol=1)


def test_further_pages_and_animation_frames_are_detected(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(6, 20, 24), photometric="minisblack")
    tifffile.imwrite(tmp_path / "b.tif", noise(3, 20, 24, kind=np.uint16), imagej=True)
    frames = [Image.fromarray(noise(20, 24, 3, seed=i)) for i in range(2)]
    for suffix in ("gif", "png", "webp"):
        frames[0].save(tmp_path / f"c.{suffix}", save_all=True, append_images=frames[1:])
    Image.fromarray(noise(20, 24)).save(tmp_path / "one.tif")
    for name in ("a.tif", "b.tif", "c.gif", "c.png", "c.webp"):
        assert read_header(tmp_path / name).has_more_pages, name
    assert not read_header(tmp_path / "one.tif").has_more_pages


def chunk(kind: bytes, body: bytes, checksum: int | None = None) -> bytes:
    code = zlib.crc32(kind + body) if checksum is None else checksum
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", code)


@pytest.mark.parametrize(
    "extra",
    [
        chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(3_000_000))),
        chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b"node " * 400_000)),
        b"".join(chunk(b"iTXt", b"c%d\0\1\0\0\0" % i + zlib.compress(b"y" * 900_000)) for i in range(80)),
        chunk(b"tEXt", b"a\0b", checksum=0),
        chunk(b"eXIf", b"no EXIF at all"),
    ],
    ids=["icc", "text", "texts", "checksum", "exif"],
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_png_with_damaged_metadata_is_read(tmp_path: Path, extra: bytes, place: str) -> None:
    data, buffer = noise(20, 24, 3), io.BytesIO()
    Image.fromarray(data).save(buffer, "PNG")
    png = buffer.getvalue()
    at = 33 if place == "before" else len(png) - 12
    (tmp_path / "a.png").write_bytes(png[:at] + extra + png[at:])
    assert np.array_equal(read_image(tmp_path / "a.png").pixels, data)
    assert read_header(tmp_path / "a.png").width == 24


def test_damaged_pixels_raise_unreadable_file_error(tmp_path: Path) -> None:
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:5000])
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "b.jpg")
    (tmp_path / "b.jpg").write_bytes((tmp_path / "b.jpg").read_bytes()[:1500])
    for name in ("a.png", "b.jpg"):
        with pytest.raises(UnreadableFileError, match=name):
            read_image(tmp_path / name)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_complete_jpeg_without_end_marker_is_read(tmp_path: Path, progressive: bool) -> None:
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "a.jpg", progressive=progressive)
    whole = read_image(tmp_path / "a.jpg").pixels
    data = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(data[:-2])
    assert np.array_equal(read_image(tmp_path / "a.jpg").pixels, whole)


def test_parse_orientation_accepts_any_type() -> None:
    sixes: list[Any] = [6, "6", (6,), [6], 6.0, b"\x06", b"\x06\0"]
    others: list[Any] = ["x", (), None, 0, 9, -1, float("nan"), {}, b""]
    assert [parse_orientation(value) for value in sixes] == [6] * 7
    assert [parse_orientation(value) for value in others] == [1] * 9


@pytest.mark.parametrize(("kind", "value"), [(2, "6"), (4, (6,)), (7, b"\x06"), (2, "upside down"), (12, 6.0)])
def test_a_tiff_with_an_orientation_tag_of_another_type_is_read(tmp_path: Path, kind: int, value: Any) -> None:
    from PIL import TiffImagePlugin

    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags.tagtype[274] = kind
    tags[274] = value
    Image.fromarray(noise(20, 24, 3)).save(tmp_path / "a.tif", tiffinfo=tags)
    shape = read_image(tmp_path / "a.tif").pixels.shape[:2]
    assert sorted(shape) == [20, 24]


def test_sixteen_bit_color_png_has_dropped_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_decoding, "has_codecs", lambda: False)
    rows = b"".join(b"\0" + bytes(6 * 4) for _ in range(4))
    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(png)
    assert read_header(tmp_path / "a.png").drops_low_bits
    Image.fromarray(noise(4, 4, kind=np.uint16)).save(tmp_path / "b.png")
    assert not read_header(tmp_path / "b.png").drops_low_bits


@pytest.mark.parametrize("suffix", ["jfif", "jpe", "gif", "avif", "ppm", "pgm", "tga", "jp2", "dib"])
def test_further_picture_formats_are_read(tmp_path: Path, suffix: str) -> None:
    image = Image.new("L" if suffix == "pgm" else "RGB", (24, 20), 200 if suffix == "pgm" else (200, 200, 200))
    formats = {"jfif": "JPEG", "jpe": "JPEG", "jp2": "JPEG2000", "pgm": "PPM", "dib": "BMP"}
    image.save(tmp_path / f"a.{suffix}", formats.get(suffix, suffix.upper()))
    assert np.abs(read_image(tmp_path / f"a.{suffix}").pixels - 200).max() < 8


def test_a_huge_tile_raises_unreadable_file_error(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", noise(32, 32, 3), photometric="rgb", tile=(16, 16))
    data = bytearray((tmp_path / "a.tif").read_bytes())
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        page: Any = file.pages[0]
        offsets = [page.tags[code].valueoffset for code in (322, 323)]
    for offset in offsets:
        struct.pack_into("<H", data, offset, 65520)
    (tmp_path / "a.tif").write_bytes(bytes(data))
    with pytest.raises(UnreadableFileError, match="--max-pixels"):
        read_image(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize("thumbnails", [1, 2])
def test_a_thumbnail_before_the_picture_is_passed_over(tmp_path: Path, kind: type, thumbnails: int) -> None:
    data = noise(40, 48, 3, kind=kind)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for _ in range(thumbnails):
            file.write(data[::4, ::4], photometric="rgb", subfiletype=1)
        file.write(data, photometric="rgb")
    image, header = read_image(tmp_path / "a.tif"), read_header(tmp_path / "a.tif")
    assert np.array_equal(image.pixels, data)
    assert (header.width, header.height, header.skipped_pages) == (48, 40, thumbnails)
    assert not header.has_more_pages and any("thumbnail" in loss for loss in header.losses)


def test_a_picture_before_its_thumbnail_and_thumbnails_alone_are_read(tmp_path: Path) -> None:
    data = noise(40, 48, 3)
    for name, types in (("after", (0, 1)), ("alone", (1, 1))):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as file:
            for n, subfile_type in enumerate(types):
                file.write(data[:: 1 + 3 * n, :: 1 + 3 * n], photometric="rgb", subfiletype=subfile_type)
        assert np.array_equal(read_image(tmp_path / f"{name}.tif").pixels, data)
        header = read_header(tmp_path / f"{name}.tif")
        assert header.has_more_pages and header.skipped_pages == 0

"""Formats of professionals: 16-bit PNG, compressed TIFF, CMYK, HEIC, AVIF, and metadata carried to the output."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image, ImageCms
from tiny_runs import Known, config

from unpaired.errors import UnreadableFileError
from unpaired.media.image import image_decoding, image_io
from unpaired.media.image.carried_metadata import read_carried_metadata
from unpaired.media.image.image_io import read_header, read_image
from unpaired.translate import Translator, translate_files

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def noise(*shape: int, kind: type = np.uint8) -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).integers(0, np.iinfo(kind).max + 1, shape, kind)


def translate(source: Path, out: Path) -> Path:
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    outcome = translate_files(translator, [source], out, translator.resolve_request("paintings"))
    assert outcome.done == 1 and not outcome.failed, outcome
    return next(path for path in out.iterdir() if path.suffix in (".png", ".tif", ".jpg", ".webp"))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_sixteen_bit_png_is_kept(channels: int, tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    data = noise(20, 24, channels, kind=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(data))
    header, image = read_header(tmp_path / "a.png"), read_image(tmp_path / "a.png")
    assert header.bits == image.bits == 16 and not header.losses and (header.width, header.height) == (24, 20)
    color = 3 if channels >= 3 else 1
    assert np.array_equal(image.pixels, data[..., :color])
    assert (image.alpha is None) == (channels == 3)
    out = imagecodecs.png_decode(translate(tmp_path / "a.png", tmp_path / "out").read_bytes())
    assert out.dtype == np.uint16
    if channels == 3:
        assert np.abs(out.astype(int) - data).max() <= 1


def test_without_the_package_sixteen_bit_png_has_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(noise(20, 24, 3, kind=np.uint16)))
    for module in (image_decoding, image_io):
        monkeypatch.setattr(module, "has_codecs", lambda: False)
    header = read_header(tmp_path / "a.png")
    assert header.bits == 8 and "unpaired[formats]" in header.losses[0]
    assert read_image(tmp_path / "a.png").bits == 8


@pytest.mark.parametrize("compression", ["lzw", "zlib", "zstd", "lzma"])
def test_compressed_tiff_is_read(compression: str, tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    data = noise(40, 50, 3, kind=np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif", data, photometric="rgb", compression=compression, predictor=compression == "lzw"
    )
    assert np.array_equal(read_image(tmp_path / "a.tif").pixels, data)
    assert tifffile.imread(translate(tmp_path / "a.tif", tmp_path / "out")).dtype == np.uint16


@pytest.mark.parametrize("suffix", [".heic", ".avif"])
def test_heic_and_avif_are_read(suffix: str, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    picture = Image.fromarray(np.full((64, 80, 3), (200, 80, 40), np.uint8))
    if suffix == ".heic":
        pillow_heif.from_pillow(picture).save(tmp_path / "a.heic", quality=95)
    else:
        picture.save(tmp_path / "a.avif", quality=95)
    header = read_header(tmp_path / f"a{suffix}")
    assert (header.width, header.height, header.bits) == (80, 64, 8)
    assert np.abs(read_image(tmp_path / f"a{suffix}").pixels - (200, 80, 40)).max() < 8
    assert translate(tmp_path / f"a{suffix}", tmp_path / "out").name == f"a{suffix}.png"


def test_heic_without_its_package_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_decoding, "register_heif", lambda: False)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic")
    with pytest.raises(UnreadableFileError, match="formats"):
        read_header(tmp_path / "a.heic")


def test_damaged_heic_is_unreadable(tmp_path: Path) -> None:
    pytest.importorskip("pillow_heif")
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(UnreadableFileError, match=r"a\.heic"):
        read_image(tmp_path / "a.heic")


def test_cmyk_goes_by_its_profile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile of an ink set decides the color; here a fake converter stands for it."""
    inks = Image.new("CMYK", (20, 24), (255, 0, 0, 0))
    inks.save(tmp_path / "plain.jpg", quality=100, subsampling=0)
    assert np.abs(read_image(tmp_path / "plain.jpg").pixels[0, 0] - (0, 255, 255)).max() < 4
    inks.save(tmp_path / "profile.tif", icc_profile=b"an ICC profile")
    used = []

    def convert(image: Image.Image, *profiles: Any, outputMode: str) -> Image.Image:
        used.append((image.mode, outputMode))
        return Image.new("RGB", image.size, (0, 158, 224))

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", lambda file: file.read())
    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    assert read_image(tmp_path / "profile.tif").pixels[0, 0].tolist() == [0, 158, 224]
    assert used == [("CMYK", "RGB")]


def test_a_damaged_profile_of_cmyk_is_ignored(tmp_path: Path) -> None:
    Image.new("CMYK", (20, 24), (0, 255, 0, 0)).save(tmp_path / "a.tif", icc_profile=b"no profile")
    assert read_image(tmp_path / "a.tif").pixels[0, 0].tolist() == [255, 0, 255]
    assert translate(tmp_path / "a.tif", tmp_path / "out").is_file()


def exif_of_a_camera() -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Model] = "Camera"
    exif[ExifTags.Base.Copyright] = "Someone"
    exif[ExifTags.Base.Orientation] = 6
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:01:02 03:04:05"
    exif.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] = "N"
    return exif


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_profile_and_chosen_exif_are_carried_over(suffix: str, tmp_path: Path) -> None:
    Image.fromarray(noise(20, 24, 3)).save(tmp_path / f"a.{suffix}", icc_profile=SRGB, exif=exif_of_a_camera())
    with Image.open(translate(tmp_path / f"a.{suffix}", tmp_path / "out")) as out:
        exif = out.getexif()
        assert out.size == (20, 24) and out.info["icc_profile"] == SRGB
        assert exif[ExifTags.Base.Model] == "Camera" and exif[ExifTags.Base.Copyright] == "Someone"
        assert ExifTags.Base.Orientation not in exif and not exif.get_ifd(ExifTags.IFD.GPSInfo)
        assert exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2026:01:02 03:04:05"


def test_deep_pictures_carry_their_profile(tmp_path: Path) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    data = noise(20, 24, 3, kind=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", data, photometric="rgb", iccprofile=SRGB)
    assert read_carried_metadata(tmp_path / "a.tif").icc_profile in (SRGB, b"")
    buffer = io.BytesIO()
    Image.fromarray(noise(20, 24, 3)).save(buffer, "PNG", icc_profile=SRGB)
    chunk = buffer.getvalue().index(b"iCCP") - 4
    png, length = imagecodecs.png_encode(data), int.from_bytes(buffer.getvalue()[chunk : chunk + 4], "big")
    (tmp_path / "b.png").write_bytes(png[:33] + buffer.getvalue()[chunk : chunk + 12 + length] + png[33:])
    out = translate(tmp_path / "b.png", tmp_path / "out")
    with Image.open(out) as image:
        assert image.info["icc_profile"] == SRGB
    assert imagecodecs.png_decode(out.read_bytes()).dtype == np.uint16


def test_a_profile_of_another_color_space_is_left_out(tmp_path: Path) -> None:
    gray = SRGB[:16] + b"GRAY" + SRGB[20:]
    Image.fromarray(noise(20, 24)).save(tmp_path / "a.png", icc_profile=gray)
    with Image.open(translate(tmp_path / "a.png", tmp_path / "out")) as out:
        assert out.mode == "RGB" and "icc_profile" not in out.info

from __future__ import annotations

import os
import resource
import stat
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from open_files import count_openings
from PIL import Image

from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.limits import DEFAULT_MAX_PIXELS
from unpaired.media.image import image_io

Bytes = npt.NDArray[np.uint8]


def ramp(height: int = 6, width: int = 8, channels: int = 3) -> Bytes:
    return (np.arange(height * width * channels) * 5 % 256).astype(np.uint8).reshape(height, width, channels)


def reason(path: Path) -> str:
    with pytest.raises(UnreadableFileError) as caught:
        image_io.read_image(path)
    assert caught.value.path == str(path)
    return caught.value.reason


@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "tiff"])
def test_lossless_formats_keep_the_stored_values(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(ramp()).save(path)
    picture = image_io.read_image(path)
    assert np.array_equal(picture.pixels, ramp()) and picture.pixels.dtype == np.float32
    assert (picture.alpha, picture.bits, picture.mode, picture.has_color) == (None, 8, "RGB", True)
    assert image_io.read_header(path) == image_io.ImageHeader(8, 6, "RGB", 8, True)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg", "webp"])
def test_lossy_formats(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (8, 6), (200, 30, 60)).save(path, quality=95)
    assert np.abs(image_io.read_image(path).pixels - (200, 30, 60)).max() < 8


def test_gray_one_bit_and_palette(tmp_path: Path) -> None:
    gray = ramp(channels=1)[..., 0]
    Image.fromarray(gray).save(tmp_path / "l.png")
    assert np.array_equal(image_io.read_image(tmp_path / "l.png").pixels, gray[..., None])
    Image.fromarray(gray).convert("1", dither=Image.Dither.NONE).save(tmp_path / "1.png")
    one = image_io.read_image(tmp_path / "1.png")
    assert np.array_equal(one.pixels[..., 0], (gray >= 128) * 255.0) and one.mode == "1" and not one.has_color
    palette = Image.fromarray(np.array([[0, 1], [2, 0]], np.uint8), "L").convert("P")
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.save(tmp_path / "p.png")
    read = image_io.read_image(tmp_path / "p.png")
    assert read.pixels.tolist() == [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 0, 0]]] and read.alpha is None
    palette.save(tmp_path / "t.png", transparency=bytes([0, 128, 255]))
    transparent = image_io.read_image(tmp_path / "t.png")
    assert transparent.alpha is not None
    assert np.allclose(transparent.alpha, np.array([[0, 128 / 255], [1, 0]]))


def test_gray_pixels_in_rgb_mode_have_no_color(tmp_path: Path) -> None:
    Image.fromarray(ramp(channels=1)[..., 0]).convert("RGB").save(tmp_path / "g.png")
    assert image_io.read_image(tmp_path / "g.png").has_color is False
    assert image_io.read_header(tmp_path / "g.png").is_color is True


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha(tmp_path: Path, mode: str) -> None:
    data = ramp(channels=len(mode))
    Image.fromarray(data).save(tmp_path / "a.png")
    picture = image_io.read_image(tmp_path / "a.png")
    assert picture.alpha is not None
    assert np.array_equal(picture.pixels, data[..., :-1]) and np.allclose(picture.alpha * 255, data[..., -1])


def test_cmyk_is_converted_to_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "c.tif")
    assert image_io.read_image(tmp_path / "c.tif").pixels[0, 0].tolist() == [255, 0, 0]


def test_sixteen_bit_gray(tmp_path: Path) -> None:
    deep = (np.arange(48) * 1300).astype(np.uint16).reshape(6, 8)
    Image.fromarray(deep).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "b.tif", deep, byteorder=">")
    for name in ("a.png", "b.tif"):
        picture = image_io.read_image(tmp_path / name)
        assert np.array_equal(picture.pixels[..., 0], deep) and picture.bits == 16 and not picture.has_color
        assert image_io.read_header(tmp_path / name).bits == 16


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [3, 4])
def test_sixteen_bit_color_tiff(tmp_path: Path, compression: str | None, channels: int) -> None:
    deep = (np.arange(48 * channels) * 311).astype(np.uint16).reshape(6, 8, channels)
    extra: dict[str, Any] = {"extrasamples": ["unassalpha"]} if channels == 4 else {}
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", compression=compression, **extra)
    picture = image_io.read_image(tmp_path / "a.tif")
    assert np.array_equal(picture.pixels, deep[..., :3]) and picture.bits == 16
    assert (picture.alpha is None) == (channels == 3)
    assert image_io.read_header(tmp_path / "a.tif") == image_io.ImageHeader(
        8, 6, "RGB;16" if channels == 3 else "RGBA;16", 16, True
    )


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.int32])
@pytest.mark.parametrize("channels", [1, 3])
def test_floating_point_tiff(tmp_path: Path, kind: type, channels: int) -> None:
    data: npt.NDArray[Any] = (np.arange(48 * channels) - 20).astype(kind).reshape(6, 8, channels)
    tifffile.imwrite(tmp_path / "a.tif", data.squeeze(), photometric="rgb" if channels == 3 else "minisblack")
    picture = image_io.read_image(tmp_path / "a.tif")
    assert np.array_equal(picture.pixels, data.astype(np.float32)) and picture.bits == 32
    header = image_io.read_header(tmp_path / "a.tif")
    assert (header.width, header.height, header.bits, header.is_color) == (8, 6, 32, channels == 3)


@pytest.mark.parametrize("compression", [None, "deflate"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_a_tiff_is_opened_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, np.zeros((12, 16, 3), kind), photometric="rgb", compression=compression)
    for read in (image_io.read_image, image_io.read_header):
        assert count_openings(monkeypatch, path, read) == 1


def test_planar_and_inverted_tiff(tmp_path: Path) -> None:
    deep = (np.arange(144) * 311).astype(np.uint16).reshape(3, 6, 8)
    tifffile.imwrite(tmp_path / "a.tif", deep, photometric="rgb", planarconfig="separate")
    assert np.array_equal(image_io.read_image(tmp_path / "a.tif").pixels, np.moveaxis(deep, 0, -1))
    tifffile.imwrite(tmp_path / "b.tif", ramp(channels=1)[..., 0], photometric="miniswhite")
    assert np.array_equal(image_io.read_image(tmp_path / "b.tif").pixels, 255 - ramp(channels=1))


def test_the_first_of_several_pages_is_read(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.stack([ramp(), 255 - ramp()]), photometric="rgb")
    assert np.array_equal(image_io.read_image(tmp_path / "a.tif").pixels, ramp())


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["png", "tif", "gray.tif", "deflated.tif", "16.tif"])
def test_exif_orientation(tmp_path: Path, orientation: int, form: str) -> None:
    transforms: dict[int, Callable[[npt.NDArray[Any]], npt.NDArray[Any]]] = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, -1),
        7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
        8: np.rot90,
    }
    path = tmp_path / f"a.{form}"
    data: npt.NDArray[Any] = ramp()[..., :1] if form == "gray.tif" else ramp()
    if form == "png":
        exif = Image.Exif()
        exif[0x112] = orientation
        Image.fromarray(data).save(path, exif=exif)
    elif form == "16.tif":
        data = data.astype(np.uint16) * 257
        tifffile.imwrite(path, data, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    else:
        compression = "tiff_deflate" if form == "deflated.tif" else None
        Image.fromarray(data.squeeze()).save(path, tiffinfo={274: orientation}, compression=compression)
    expected = transforms[orientation](data)
    assert np.array_equal(image_io.read_image(path).pixels, expected)
    header = image_io.read_header(path)
    assert (header.height, header.width) == expected.shape[:2]


def test_jpeg_is_decoded_at_a_smaller_size_not_below_the_side(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("RGB", (640, 400), (10, 200, 10)).save(tmp_path / "a.jpg", exif=exif)
    assert image_io.read_image(tmp_path / "a.jpg", side=90).pixels.shape == (160, 100, 3)
    assert image_io.read_image(tmp_path / "a.jpg", side=500).pixels.shape == (640, 400, 3)


def test_unreadable_files_raise_an_error_with_the_reason(tmp_path: Path) -> None:
    good = tmp_path / "good.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(good)
    data = good.read_bytes()
    (tmp_path / "zero.png").write_bytes(b"")
    assert "empty" in reason(tmp_path / "zero.png")
    (tmp_path / "text.jpg").write_text("This is a letter.")
    assert "not a supported picture" in reason(tmp_path / "text.jpg")
    (tmp_path / "short.png").write_bytes(data[: len(data) // 2])
    assert "cut short" in reason(tmp_path / "short.png")
    (tmp_path / "broken.png").write_bytes(data[:200] + bytes(200) + data[400:])
    assert "damaged" in reason(tmp_path / "broken.png")
    assert "does not exist" in reason(tmp_path / "none.png")
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in reason(tmp_path / "folder.png")


@pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "tif"])
def test_truncated_files_raise_unreadable_file_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1500])
    assert reason(path)


def test_a_picture_with_a_wrong_suffix_is_read(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "a.jpg", format="PNG")
    assert np.array_equal(image_io.read_image(tmp_path / "a.jpg").pixels, ramp())


def bomb(path: Path, side: int) -> None:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))


@pytest.mark.parametrize("side", [11_600, 20_000, 60_000])
def test_decompression_bomb(tmp_path: Path, side: int) -> None:
    bomb(tmp_path / "a.png", side)
    assert f"{DEFAULT_MAX_PIXELS:,}" in reason(tmp_path / "a.png")
    with pytest.raises(UnreadableFileError):
        image_io.read_header(tmp_path / "a.png")


def test_decompression_bomb_in_a_tiff_unknown_to_pillow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((40, 40, 3), np.float32), photometric="rgb")
    monkeypatch.setenv("UNPAIRED_MAX_PIXELS", "1000")
    assert "1,000" in reason(tmp_path / "a.tif")


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_permission_denied(tmp_path: Path) -> None:
    Image.fromarray(ramp()).save(tmp_path / "a.png")
    (tmp_path / "a.png").chmod(0)
    assert "permission" in reason(tmp_path / "a.png")


def test_permission_error_of_pillow_has_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Image, "open", deny)
    assert reason(tmp_path / "a.png") == "no permission to read it"


def test_warnings_of_decoders_are_not_printed(tmp_path: Path) -> None:
    bomb(tmp_path / "a.png", 11_000)
    palette = Image.fromarray(np.zeros((4, 4), np.uint8)).convert("P")
    palette.save(tmp_path / "b.png", transparency=bytes([0]))
    for name, compression in (("c.tif", None), ("d.tif", "tiff_lzw")):
        Image.fromarray(ramp(64, 64)).save(tmp_path / name, compression=compression)
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:900])
    tifffile.imwrite(tmp_path / "e.tif", np.zeros((64, 64, 3), np.uint16), photometric="rgb")
    (tmp_path / "e.tif").write_bytes((tmp_path / "e.tif").read_bytes()[:900])
    code = (
        "import sys, pathlib\n"
        "from unpaired.errors import UnreadableFileError\n"
        "from unpaired.media.image.image_io import read_image\n"
        "for p in sorted(pathlib.Path(sys.argv[1]).iterdir()):\n"
        "    try: read_image(p)\n"
        "    except UnreadableFileError: print(p.name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["a.png", "c.tif", "d.tif", "e.tif"]
    assert done.stderr == ""


def test_to_network_values_is_linear_clamped_and_over_white() -> None:
    pixels = np.array([[[100.0], [200.0], [300.0], [400.0], [np.nan]]], np.float32)
    picture = image_io.DecodedImage(pixels, None, 16, "I;16", False)
    assert image_io.to_network_values(picture, 1, 200, 300).tolist() == [[[-1, -1, 1, 1, -1]]]
    assert image_io.to_network_values(picture, 3, 0, 400)[:, 0, 1].tolist() == [0, 0, 0]
    alpha = np.array([[1, 0.5, 0, 0.5, 1]], np.float32)
    over = image_io.to_network_values(image_io.DecodedImage(pixels, alpha, 16, "I;16", False), 1, 0, 400)
    assert over[0, 0].tolist() == [-0.5, 0.5, 1, 1, -1]


def test_to_network_values_converts_color_to_gray_by_luma() -> None:
    picture = image_io.DecodedImage(np.array([[[255, 0, 0], [0, 255, 0]]], np.float32), None, 8, "RGB", True)
    assert np.allclose(image_io.to_network_values(picture, 1, 0, 255), [[[2 * 0.299 - 1, 2 * 0.587 - 1]]])


def test_from_network_values_inverts_to_network_values() -> None:
    picture = image_io.DecodedImage(ramp().astype(np.float32), None, 8, "RGB", True)
    read_back = image_io.from_network_values(image_io.to_network_values(picture, 3, 0, 255), 0, 255, True)
    assert np.abs(read_back - picture.pixels).max() < 1e-4
    assert (
        image_io.from_network_values(np.zeros((1, 2, 3), np.float32), 10, 20, True).tolist() == [[[15.0] * 3] * 3] * 2
    )
    assert image_io.from_network_values(np.ones((3, 2, 2), np.float32), 0, 255, False).shape == (2, 2, 1)


def test_remove_white_inverts_the_compositing_over_white() -> None:
    alpha = np.array([[1, 0.25, 0]], np.float32)
    picture = image_io.DecodedImage(np.full((1, 3, 1), 51, np.float32), alpha, 8, "LA", False)
    restored = image_io.remove_white(image_io.to_network_values(picture, 1, 0, 255), alpha)
    assert np.allclose(restored, [[[-0.6, -0.6, 1.0]]], atol=1e-5)


def test_convert_bits() -> None:
    picture = image_io.DecodedImage(np.full((1, 1, 1), 255, np.float32), None, 8, "L", False)
    deep = image_io.convert_bits(picture, 16)
    assert (deep.pixels.item(), deep.bits) == (65535, 16)
    assert image_io.convert_bits(deep, 8).pixels.item() == 255 and image_io.convert_bits(deep, 32) is deep


@pytest.mark.parametrize("bits", [8, 32])
@pytest.mark.parametrize("channels", [1, 3])
def test_resize_keeps_constants_and_means(bits: int, channels: int) -> None:
    flat = np.full((20, 30, channels), 7, np.float32)
    assert np.allclose(image_io.resize(flat, 10, 15, bits), 7)
    stripes = np.zeros((32, 32, channels), np.float32)
    stripes[::2] = 100
    small = image_io.resize(stripes, 8, 8, bits)
    assert small.shape == (8, 8, channels) and np.abs(small[2:-2] - 50).max() < 2
    assert image_io.resize(flat, 20, 30, bits) is flat


def test_resize_in_float_keeps_sixteen_bits() -> None:
    deep = np.full((20, 20, 1), 40001.5, np.float32)
    assert np.abs(image_io.resize(deep, 7, 9) - 40001.5).max() < 0.1


@pytest.mark.parametrize(
    ("suffix", "channels", "alpha", "bits"),
    [
        ("png", 1, False, 8),
        ("png", 3, False, 8),
        ("png", 1, True, 8),
        ("png", 3, True, 8),
        ("png", 1, False, 16),
        ("bmp", 3, False, 8),
        ("tif", 1, False, 8),
        ("tif", 1, True, 8),
        ("tif", 3, True, 8),
        ("tif", 1, False, 16),
        ("tif", 1, True, 16),
        ("tif", 3, False, 16),
        ("tif", 3, True, 16),
        ("tif", 1, False, 32),
        ("tif", 3, False, 32),
    ],
)
def test_write_read_round_trip(tmp_path: Path, suffix: str, channels: int, alpha: bool, bits: int) -> None:
    scale = {8: 1, 16: 257, 32: 0.01}[bits]
    pixels = ramp(channels=channels).astype(np.float32) * np.float32(scale)
    opacity = ramp(channels=1)[..., 0].astype(np.float32) / np.float32(255) if alpha else None
    path = tmp_path / f"a.{suffix}"
    image_io.write_image(path, pixels, opacity, bits)
    read_back = image_io.read_image(path)
    assert np.array_equal(read_back.pixels, pixels) and read_back.bits == bits
    assert (read_back.alpha is None) == (opacity is None)
    if opacity is not None and read_back.alpha is not None:
        assert np.allclose(read_back.alpha, opacity, atol=1e-4)


@pytest.mark.parametrize("suffix", ["jpg", "bmp", "webp"])
def test_write_reduces_bits_and_alpha_to_the_format(tmp_path: Path, suffix: str) -> None:
    pixels = np.full((16, 16, 3), 40000, np.float32)
    image_io.write_image(tmp_path / f"a.{suffix}", pixels, np.ones((16, 16), np.float32), 16)
    read_back = image_io.read_image(tmp_path / f"a.{suffix}")
    assert np.abs(read_back.pixels - 40000 / 257).max() < 3 and read_back.bits == 8
    assert read_back.alpha is None or read_back.alpha.min() == 1


def test_write_clamps_rounds_and_removes_the_temporary_file(tmp_path: Path) -> None:
    image_io.write_image(tmp_path / "a.png", np.array([[[-5.0], [1.6], [999.0], [np.nan]]], np.float32))
    assert image_io.read_image(tmp_path / "a.png").pixels[..., 0].tolist() == [[0, 2, 255, 0]]
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    mask = os.umask(0o022)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.png").stat().st_mode) == 0o666 & ~mask


def test_write_raises_errors_for_unsupported_formats_and_missing_folders(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 1), np.float32)
    with pytest.raises(UsageError, match=r"a\.gif.*\.png"):
        image_io.write_image(tmp_path / "a.gif", pixels)
    with pytest.raises(UsageError, match=r"\.tif"):
        image_io.write_image(tmp_path / "a.png", pixels, bits=32)
    with pytest.raises(WorkError, match=r"nowhere/a\.png: cannot be written"):
        image_io.write_image(tmp_path / "nowhere" / "a.png", pixels)


def test_a_failed_write_keeps_the_old_file_and_removes_the_temporary_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    image_io.write_image(path, np.zeros((4, 4, 3), np.float32))
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(WorkError, match=r"a\.bmp: cannot be written"):
            image_io.write_image(path, np.zeros((200, 200, 3), np.float32))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.bmp"]

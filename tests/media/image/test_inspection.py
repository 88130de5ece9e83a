from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from open_files import no_more_open_files
from PIL import Image

from unpaired.data.folders import discover
from unpaired.errors import ResourceLimitError, WorkError
from unpaired.media.image.inspection import inspect_file, inspect_images
from unpaired.media.image.inspection_report import ImageDataReport, ImageInspection
from unpaired.media.image.settings import ImageSettings, image_statistics
from unpaired.media.image.stacks import list_item_names


def picture(path: Path, seed: int = 0, size: tuple[int, int] = (40, 32), gray: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0]) if gray else (size[1], size[0], 3)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, shape, np.uint8)).save(path)


def deep(path: Path, low: int, high: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, np.linspace(low, high, 32 * 32).astype(np.uint16).reshape(32, 32))


def two(root: Path, count: int = 3, gray: bool = False) -> Path:
    for i in range(count):
        picture(root / "a" / f"{i}.png", i, gray=gray)
        picture(root / "b" / f"{i}.png", 100 + i, gray=gray)
    return root


def look(root: Path, decode: int | None = None, seed: int = 0) -> ImageDataReport:
    return inspect_images(discover([root]), decode, seed, workers=2)


def test_inspection_counts_modes_colors_and_sizes(tmp_path: Path) -> None:
    two(tmp_path)
    picture(tmp_path / "a" / "wide.png", 9, (100, 20), gray=True)
    (tmp_path / "a" / "notes.txt").write_text("")
    a, b = look(tmp_path).domains
    assert (a.inspected_count, a.usable_count, a.color_count, dict(a.modes)) == (4, 4, 3, {"RGB": 3, "L": 1})
    assert sorted(a.shorter_sides.tolist()) == [20, 32, 32, 32] and sorted(a.widths) == [40, 40, 40, 100]
    assert (b.inspected_count, b.files.ignored, a.files.ignored) == (3, 0, 1)


def test_report_text_describes_domains_and_settings(tmp_path: Path) -> None:
    two(tmp_path)
    (tmp_path / "a" / "zero.png").write_bytes(b"")
    text = look(tmp_path).format_text(ImageSettings(size=32))
    for line in (
        f"a  ({tmp_path}/a)",
        "  4 pictures; all inspected",
        "  sizes 40 x 32 pixels",
        "  modes RGB 3; 3 with color",
        "  8 bits",
        f"    {tmp_path}/a/zero.png: is empty (0 bytes)",
        "  a: only 3 pictures; expect overfitting",
        "  cut squares of 32 px without scaling (--resize-mode crop)",
        "  use color (--channels 3)",
        "  a: 3 train, 0 validation, 0 test",
    ):
        assert line in text.splitlines()


def test_report_text_has_the_split_sizes(tmp_path: Path) -> None:
    two(tmp_path, 20)
    picture(tmp_path / "b" / "test" / "0.png")
    text = look(tmp_path).format_text(ImageSettings(size=64))
    assert "  a: 16 train, 2 validation, 2 test" in text.splitlines()
    assert "  b: 18 train, 2 validation, 1 test (its test folder)" in text.splitlines()
    assert "21 pictures" in text and "smaller than 64 px" in text


def test_unreadable_files_are_listed_and_the_others_used(tmp_path: Path) -> None:
    two(tmp_path)
    bad = {"zero.png": b"", "text.jpg": b"hello", "short.png": (tmp_path / "a" / "0.png").read_bytes()[:200]}
    for name, data in bad.items():
        (tmp_path / "b" / name).write_bytes(data)
    report = look(tmp_path)
    assert {Path(p).name for p in report.unreadable} == set(bad)
    assert report.domains[1].usable_count == 3 and not report.errors
    assert any("3 files cannot be read" in w for w in report.list_warnings())
    report.require_usable()


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_usable_pictures_raise_work_error(tmp_path: Path, count: int) -> None:
    two(tmp_path)
    for i in range(count, 3):
        (tmp_path / "b" / f"{i}.png").write_bytes(b"")
    report = look(tmp_path)
    with pytest.raises(WorkError, match=r"domain 'b' has (no usable pictures|1 usable picture) \(.*empty.*at least 2"):
        report.require_usable()
    assert "Training is impossible" in report.format_text(ImageSettings())


def test_a_domain_of_one_picture_raises_work_error(tmp_path: Path) -> None:
    two(tmp_path)
    picture(tmp_path / "c" / "only.png")
    with pytest.raises(WorkError, match="domain 'c' has 1 usable picture; training needs at least 2"):
        look(tmp_path).require_usable()


def test_few_pictures_give_a_warning(tmp_path: Path) -> None:
    assert any("only 3 pictures" in w for w in look(two(tmp_path / "few")).list_warnings())
    assert not look(two(tmp_path / "enough", 20)).list_warnings()


def test_duplicates_across_domains(tmp_path: Path) -> None:
    two(tmp_path)
    (tmp_path / "b" / "copy.png").write_bytes((tmp_path / "a" / "1.png").read_bytes())
    (tmp_path / "a" / "again.png").write_bytes((tmp_path / "a" / "2.png").read_bytes())
    report = look(tmp_path)
    assert report.duplicates == ((str(tmp_path / "a" / "1.png"), str(tmp_path / "b" / "copy.png")),)
    assert "same content" in report.format_text()


def test_copies_within_a_domain(tmp_path: Path) -> None:
    two(tmp_path)
    assert look(tmp_path).copies == ()
    for name in ("again.png", "test/third.png"):
        (tmp_path / "a" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "a" / name).write_bytes((tmp_path / "a" / "2.png").read_bytes())
    report = look(tmp_path)
    assert {path for pair in report.copies for path in pair} == {
        str(tmp_path / "a" / name) for name in ("2.png", "again.png", "test/third.png")
    }
    (warning,) = [w for w in report.list_warnings() if "same content" in w]
    assert "2 files" in warning and "again.png" in warning and report.duplicates == ()


def test_files_of_equal_size_with_different_content_are_not_duplicates(tmp_path: Path) -> None:
    for name, value in (("a/0", 1), ("a/1", 2), ("b/0", 3), ("b/1", 4)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / f"{name}.bmp")
    assert look(tmp_path).duplicates == ()


def test_max_files_limits_the_decoded_files(tmp_path: Path) -> None:
    two(tmp_path, 12)
    for i in range(5):
        picture(tmp_path / "b" / "test" / f"{i}.png", 500 + i)
    seen: list[tuple[float, int]] = []
    domains = discover([tmp_path])
    report = inspect_images(domains, 10, seed=1, workers=2, progress=lambda done, total: seen.append((done, total)))
    assert [d.inspected_count for d in report.domains] == [5, 5] and seen == [(i, 10) for i in range(1, 11)]
    assert "5 inspected" in report.format_text()


def test_the_value_range_of_sixteen_bit_pictures_is_measured(tmp_path: Path) -> None:
    two(tmp_path, gray=True)
    for i in range(3):
        (tmp_path / "a" / f"{i}.png").unlink()
        deep(tmp_path / "a" / f"{i}.tif", 100 + i, 4000 + i)
    report = look(tmp_path)
    a, b = (image_statistics(domain) for domain in report.create_domains(1))
    assert (a.bits, a.low, a.high, a.color) == (16, 100, 4002, False)
    assert (b.bits, b.low, b.high) == (8, 0, 255) and report.resolve(ImageSettings(size=32)).num_channels == 1
    picture(tmp_path / "a" / "8.png", gray=True)
    mixed = look(tmp_path)
    assert image_statistics(mixed.domains[0].create_domain(1)).high == 255 * 257 and any(
        "8 and 16 bits" in w for w in mixed.list_warnings()
    )


@pytest.mark.parametrize(
    ("sizes", "resize_mode"),
    [
        ([(32, 32), (90, 40)], "crop"),
        ([(32, 32), (90, 41)], "scale"),
        ([(32, 31), (32, 32)], "scale"),
    ],
)
def test_resize_mode_auto_depends_on_picture_sizes(
    tmp_path: Path, sizes: list[tuple[int, int]], resize_mode: str
) -> None:
    for i, size in enumerate(sizes):
        for domain in "ab":
            picture(tmp_path / domain / f"{i}.png", i, size)
    assert look(tmp_path).resolve(ImageSettings(size=32)).resize_mode == resize_mode
    assert look(tmp_path).resolve(ImageSettings(size=32, resize_mode="scale")).resize_mode == "scale"


def test_channels_auto_depends_on_color(tmp_path: Path) -> None:
    two(tmp_path, gray=True)
    report = look(tmp_path)
    assert report.resolve(ImageSettings()).channels == 1
    assert report.resolve(ImageSettings(channels=3)).channels == 3
    picture(tmp_path / "b" / "red.png")
    report = look(tmp_path)
    assert report.resolve(ImageSettings()).num_channels == 3
    assert [image_statistics(d).color for d in report.create_domains(3)] == [False, True]
    assert report.resolve(ImageSettings(channels=1)).num_channels == 1
    assert not image_statistics(report.create_domains(1)[1]).color


@pytest.mark.parametrize("name", ["a.png", "a.npy", "a.nii", "a.tif", "float.tif"])
def test_files_are_not_called_damaged_if_too_many_are_open(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".png":
        picture(path)
    elif path.suffix == ".npy":
        np.save(path, np.zeros((8, 8), np.uint8))
    elif path.suffix == ".tif":
        tifffile.imwrite(path, np.zeros((8, 8, 3), np.float32 if name == "float.tif" else np.uint8), photometric="rgb")
    else:
        nibabel = pytest.importorskip("nibabel")
        nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 8), np.int16), np.eye(4)), path)
    assert isinstance(inspect_file(path, True, "auto"), ImageInspection)  # imports what it needs
    with no_more_open_files(path):
        with pytest.raises(ResourceLimitError, match=rf"{name}.*ulimit -n"):
            inspect_file(path, True, "auto")
        if name.endswith((".tif", ".nii")):
            with pytest.raises(ResourceLimitError, match=name):
                list_item_names(path, ImageSettings())

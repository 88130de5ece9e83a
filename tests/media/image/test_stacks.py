"""TIFF files with several pages: items of training that no split divides, and translations with all pages."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
import yaml
from conftest import TINY
from PIL import Image
from tiny_runs import Known, config, domain

from unpaired.cli.main import main
from unpaired.data.folders import discover
from unpaired.data.paths import ItemName, Paths, get_file_name, parse_item_name, split_item_path
from unpaired.data.split import split_files
from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media.image import page_spool
from unpaired.media.image.image_io import read_header, read_image
from unpaired.media.image.page_spool import PageSpool
from unpaired.media.image.settings import ImageSettings
from unpaired.media.image.stacks import count_stacks, get_group, list_items
from unpaired.media.image.tiff_directories import list_full_pages
from unpaired.training.train import resume, train
from unpaired.translate import Outcome, Translator, translate_files

pytestmark = pytest.mark.usefixtures("without_features")


def noise(*shape: int, dtype: str = "uint8", seed: int = 0) -> npt.NDArray[Any]:
    return np.random.default_rng(seed).integers(0, 250, shape).astype(dtype)


def write_stack(path: Path, pages: npt.NDArray[Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path, **options) as writer:
        for page in pages:
            writer.write(page, photometric="minisblack" if page.ndim == 2 else "rgb", metadata=None, contiguous=False)
    return path


@pytest.fixture
def translator() -> Translator:
    domains = [domain(name, color=False) for name in ("photos", "paintings")]
    return Translator(config(*domains, resize_mode="crop", channels=1), Known(-1.0), "cpu")


def go(translator: Translator, *inputs: Path, out: Path, **more: Any) -> Outcome:
    return translate_files(translator, inputs, out, translator.resolve_request("paintings"), **more)


@pytest.mark.parametrize("options", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_pages_are_listed_and_read(tmp_path: Path, options: dict[str, Any]) -> None:
    pages = noise(5, 20, 24)
    path = write_stack(tmp_path / "a.tif", pages, **options)
    assert list_full_pages(path) == [1, 2, 3, 4, 5]
    for i, page in enumerate(pages):
        assert np.array_equal(read_image(path / f"{i + 1:04}").pixels[..., 0], page)
        assert read_header(path / f"{i + 1:04}").losses == ()
    for number in (0, 6):
        with pytest.raises(UnreadableFileError, match=rf"a\.tif.{number:04}"):
            read_image(path / f"{number:04}")


def test_thumbnails_and_masks_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for subfile_type in (1, 0, 4, 0):
            pixels = noise(8, 8) > 100 if subfile_type == 4 else noise(8, 8)
            writer.write(pixels, subfiletype=subfile_type, photometric="minisblack", metadata=None, contiguous=False)
    assert list_full_pages(path) == [2, 4]


def test_damaged_directories_end_the_list(tmp_path: Path) -> None:
    data = write_stack(tmp_path / "a.tif", noise(3, 8, 8)).read_bytes()
    for size in (0, 2, 9, 30, len(data) // 2):
        (tmp_path / "b.tif").write_bytes(data[:size])
        assert len(list_full_pages(tmp_path / "b.tif")) < 3
    loop = struct.pack("<2sHIH", b"II", 42, 8, 0) + struct.pack("<I", 8)  # a directory that names itself as the next
    (tmp_path / "b.tif").write_bytes(loop)
    assert list_full_pages(tmp_path / "b.tif") == [1]


def test_names_of_items() -> None:
    assert parse_item_name("0012") == ItemName("", 12) and str(ItemName("", 12)) == "0012"
    assert parse_item_name("axial-0012") == ItemName("axial", 12) and str(ItemName("axial", 12)) == "axial-0012"
    assert parse_item_name("a.tif") is None and parse_item_name("²") is None
    assert split_item_path(Path("x/a.tif/0003")) == (Path("x/a.tif"), ItemName("", 3))
    assert split_item_path(Path("x/0003")) == (Path("x/0003"), None)
    assert get_file_name("x/a.nii.gz/axial-0003") == "x/a.nii.gz" and get_file_name("x.y/0003.png") == "x.y/0003.png"
    paths = Paths.from_files(Path("r"), [("a.tif/0001", 9), ("a.tif/0002", 9), ("b.png", 3)])
    assert list(paths.merge_items()) == ["a.tif", "b.png"] and list(paths.merge_items().sizes) == [9, 3]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_translations_have_all_pages(tmp_path: Path, dtype: str) -> None:
    kind = {"uint8": 8, "uint16": 16, "float32": 32}[dtype]
    domains = [domain(name, color=False, bits=kind, high=255) for name in ("photos", "paintings")]  # type: ignore[arg-type]
    translator = Translator(config(*domains, resize_mode="crop", channels=1), Known(-1.0), "cpu")
    pages = noise(19, 20, 24, dtype=dtype)
    write_stack(tmp_path / "in" / "a.tif", pages)
    Image.fromarray(noise(20, 24)).save(tmp_path / "in" / "b.png")
    fractions: list[float] = []
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out", progress=lambda done, _: fractions.append(done))
    assert outcome.done == 2 and not outcome.failed and not outcome.warnings
    result = tifffile.imread(tmp_path / "out" / "a.tif")
    assert result.dtype == pages.dtype and np.allclose(result, 255 - pages, atol=1e-4)
    assert any(0 < fraction < 1 for fraction in fractions)
    assert go(translator, tmp_path / "in", out=tmp_path / "out").skipped == 2


def test_memory_does_not_grow_with_the_pages(translator: Translator, tmp_path: Path) -> None:
    peaks = []
    for count in (20, 80):
        path = write_stack(tmp_path / f"{count}.tif", noise(count, 128, 128))
        tracemalloc.start()
        assert go(translator, path, out=tmp_path / "out").done == 1
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 20 * 128 * 128  # 60 further pages take less than 20 of them


def test_pages_of_several_sizes(translator: Translator, tmp_path: Path) -> None:
    pages = [noise(20, 24), noise(30, 18), noise(20, 24)]
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        for page in pages:
            writer.write(page, metadata=None, contiguous=False)
    go(translator, path, out=tmp_path / "out")
    with tifffile.TiffFile(tmp_path / "out" / "a.tif") as file:
        assert [np.array_equal(page.asarray(), 255 - given) for page, given in zip(file.pages, pages, strict=True)]


def test_a_damaged_page_fails_by_name(translator: Translator, tmp_path: Path) -> None:
    path = write_stack(tmp_path / "a.tif", noise(4, 20, 24))
    with tifffile.TiffFile(path) as file:
        page = file.pages[2]
        assert isinstance(page, tifffile.TiffPage)
        offset = page.tags[258].valueoffset
    data = bytearray(path.read_bytes())
    data[offset : offset + 2] = b"\x07\x00"  # 7 bits
    path.write_bytes(data)
    outcome = go(translator, path, out=tmp_path / "out")
    assert outcome.done == 0 and "0003" in outcome.failed[0][1] and not (tmp_path / "out" / "a.tif").exists()


def test_one_page_of_a_stack_in_memory(translator: Translator, tmp_path: Path) -> None:
    path = write_stack(tmp_path / "a.tif", noise(3, 20, 24))
    image = translator(path / "0002", "paintings")
    assert np.array_equal(np.asarray(image), 255 - noise(3, 20, 24)[1])
    with pytest.raises(UsageError, match="0001"):
        translator(path, "paintings")


def test_spool_returns_its_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    spool = PageSpool()
    pages = [noise(3, 4, 1), noise(5, 2, 3, dtype="float32")]
    for page in pages:
        spool.append(page[:, ::-1])
    assert all(np.array_equal(page, given[:, ::-1]) for page, given in zip(spool, pages, strict=True))
    assert spool.total_bytes == sum(page.nbytes for page in pages)
    monkeypatch.setattr(page_spool, "find_temporary_folder", lambda: tmp_path / "missing")
    with pytest.raises(WorkError, match="TMPDIR"):
        PageSpool()


@pytest.fixture
def stacks(tmp_path: Path) -> Path:
    """Return a folder with two domains of six stacks of four pages, and one plain picture each."""
    for k, name in enumerate(("day", "night")):
        for i in range(6):
            write_stack(tmp_path / "data" / name / f"{i}.tif", noise(4, 20, 18, seed=10 * k + i))
        Image.fromarray(noise(20, 18, seed=99 + k)).save(tmp_path / "data" / name / "single.png")
    return tmp_path / "data"


def test_a_stack_belongs_to_one_split(stacks: Path) -> None:
    for seed in range(5):
        files = list_items(discover([stacks])[0], ImageSettings())
        assert len(files.train) == 25 and count_stacks(files.train) == 6
        splits = split_files(files, 0.1, seed, (), get_group)
        parts = [{get_group(name) for name in paths} for paths in (splits.train, splits.validation, splits.test)]
        assert sum(map(len, parts)) == 7 == len(set.union(*parts)) and all(parts)


def test_ungrouped_splits_do_not_change() -> None:
    """Runs find their files again: the split of single files is that of earlier versions."""
    root = Path(__file__).parents[2] / "media" / "image"
    files = Paths.from_files(root, [(f"{i}.png", 1) for i in range(40)])
    order = np.argsort(files.hash_names("split/3", ignore_suffix=True), kind="stable")
    from unpaired.data.folders import DomainFiles
    from unpaired.media import MEDIA

    splits = split_files(DomainFiles("a", files, None, 0, medium=MEDIA["image"]), 0.1, 3)
    assert list(splits.test) == [files[int(i)] for i in np.sort(order[:4])]
    assert list(splits.validation) == [files[int(i)] for i in np.sort(order[4:8])]


def test_train_resume_evaluate(stacks: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(stacks), "--size", "16"]) == 0
    assert "25 pictures" in capsys.readouterr().out
    messages: list[str] = []
    run = train(stacks, out=tmp_path / "run", log=messages.append, steps=2, **TINY)
    assert any("6 files" in message for message in messages)
    listed = (run / "files" / "day.tsv").read_text() if (run / "files" / "day.tsv").exists() else ""
    listed = listed or next((run / "files").glob("day*")).read_text()
    assert ".tif/0004" in listed
    assert yaml.safe_load((run / "config.yaml").read_text())["medium_settings"]["channels"] == 1
    resume(run, steps=3, log=lambda _: None)
    assert main(["evaluate", str(run)]) == 0
    assert main(["evaluate", str(run), str(stacks)]) == 0
    (stacks / "day" / "0.tif").unlink()
    with pytest.raises(WorkError, match=r"0\.tif"):
        resume(run, steps=4, log=lambda _: None)


def test_two_stacks_alone_can_be_trained(tmp_path: Path) -> None:
    for k, name in enumerate(("day", "night")):
        write_stack(tmp_path / "data" / name / "a.tif", noise(3, 20, 18, seed=k))
    assert (
        train(tmp_path / "data", out=tmp_path / "run", log=lambda _: None, steps=1, **TINY) / "config.yaml"
    ).exists()


def test_a_row_of_a_table_labels_every_page(tmp_path: Path) -> None:
    rows = ["file,red,blue"]
    for i in range(8):
        write_stack(tmp_path / "data" / f"{i}.tif", noise(2, 20, 18, seed=i))
        rows.append(f"{i}.tif,{i % 2},{1 - i % 2}")
    (tmp_path / "data.csv").write_text("\n".join(rows) + "\n")
    given: dict[str, Any] = {"method": "stargan", "attributes": ("red|blue",), **TINY}
    run = train(tmp_path / "data", out=tmp_path / "run", log=lambda _: None, steps=1, **given)
    recorded = next((run / "files").glob("*.csv")).read_text()
    assert recorded.count(".tif") == 8 and "0001" not in recorded  # a row for each file
    resume(run, steps=2, log=lambda _: None)
    translator = Translator.load(run, device="cpu")
    outcome = translate_files(
        translator, [tmp_path / "data" / "0.tif"], tmp_path / "out", translator.resolve_request("red")
    )
    assert outcome.done == 1 and not outcome.failed

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import Known, config, domain, make_run

from unpaired.errors import UnreadableFileError, UsageError, WorkError
from unpaired.media.image import image_io as media
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.media.image.prepared_image import PreparedImage
from unpaired.media.video.pipeline import ClipPipeline
from unpaired.translate import Outcome, Translator, translate_files
from unpaired.translate.batching import group_into_batches
from unpaired.translate.jobs import TranslationJob
from unpaired.translate.manifest import DATABASE_NAME


def noise(*shape: int, high: int = 256, kind: str = "uint8") -> Any:
    return np.random.default_rng(0).integers(0, high, shape).astype(kind)


def picture(path: Path, array: Any = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(noise(20, 24, 3) if array is None else array).save(path)
    return path


def pixels(path: Path) -> Any:
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.fixture
def translator() -> Translator:
    return Translator(config(resize_mode="crop"), Known(-1.0), "cpu")


def go(translator: Translator, *inputs: Path, out: Path, to: str = "paintings", **more: Any) -> Outcome:
    options = more.pop("options", {})
    return translate_files(translator, inputs, out, translator.resolve_request(to, options=options), **more)


def crafted(translator: Translator, **options: str) -> ImagePipeline:
    craft = translator.create_pipeline(translator.resolve_request("paintings", options=options))
    assert isinstance(craft, ClipPipeline)
    return craft.pictures


def test_translate_files_with_a_loaded_run(tmp_path: Path) -> None:
    translator = Translator.load(make_run(tmp_path / "run"), device="cpu")
    shapes = [(16, 16, 3), (37, 53, 3), (5, 40), (16, 16, 3), (30, 9, 4)]
    for i, shape in enumerate(shapes):
        picture(tmp_path / "in" / f"{i}.png", noise(*shape))
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out", batch_size=2)
    assert outcome.done == 5 and not outcome.failed
    assert len(outcome.warnings) == 1 and "--scale native" in outcome.warnings[0]
    for i, shape in enumerate(shapes):
        made = pixels(tmp_path / "out" / f"{i}.png")
        assert made.shape[:2] == shape[:2] and made.shape[2] == (4 if shape[-1] == 4 else 3)
        craft = crafted(translator)
        item = craft.prepare_picture(tmp_path / "in" / f"{i}.png", ".png")
        (y,) = craft.run([item])
        assert isinstance(y, np.ndarray)
        alone = craft.restore_array(item, y, 8)
        assert np.array_equal(made[..., :3], alone[..., :3])


def test_outputs_keep_structure_and_names(translator: Translator, tmp_path: Path) -> None:
    root = tmp_path / "in"
    names = ["a.png", "b.JPG", "deep/er/c.webp", "deep/d.bmp", "deep/e.tif", "ü ñ.png"]
    for name in names:
        picture(root / name)
    (root / "notes.txt").write_text("no picture")
    picture(root / ".hidden.png")
    seen: list[tuple[int, int]] = []
    outcome = go(translator, root, out=tmp_path / "out", progress=lambda n, total: seen.append((n, total)))
    made = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert made == sorted([*names, DATABASE_NAME])
    assert (outcome.done, outcome.skipped, outcome.failed) == (6, 0, [])
    assert ".txt 1" in outcome.warnings[0] and ".hidden.png" in outcome.warnings[1]
    assert seen == [(i, 6) for i in range(1, 7)]
    for name in ("a.png", "deep/d.bmp", "deep/e.tif"):
        assert np.array_equal(pixels(tmp_path / "out" / name), 255 - pixels(root / name))


def test_files_and_folders_together(translator: Translator, tmp_path: Path) -> None:
    one, folder = picture(tmp_path / "x" / "one.png"), picture(tmp_path / "y" / "sub" / "two.png").parents[1]
    outcome = go(translator, one, folder, one, out=tmp_path / "out")  # a repeated input counts once
    assert outcome.done == 2
    assert (tmp_path / "out" / "one.png").exists() and (tmp_path / "out" / "sub" / "two.png").exists()


def test_sixteen_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "has_codecs", lambda: False)
    domains = (domain("t1", False, 16, 0, 4000), domain("t2", False, 16, 0, 4000), domain("rgb"))
    translator = Translator(config(*domains[:2], resize_mode="crop", channels=1), Known(), "cpu")
    array = noise(21, 30, high=4001, kind="uint16")
    for name in ("a.png", "a.tif"):
        picture(tmp_path / "in" / name, array)
    go(translator, tmp_path / "in", out=tmp_path / "out", to="t2")
    for name in ("a.png", "a.tif"):
        made = pixels(tmp_path / "out" / name)
        assert made.dtype == np.uint16 and np.abs(made.astype(int) - array).max() <= 1
    colored = Translator(config(domains[0], domains[2], resize_mode="crop"), Known(), "cpu")
    go(colored, tmp_path / "in" / "a.png", out=tmp_path / "rgb", to="rgb")
    made = pixels(tmp_path / "rgb" / "a.png")
    assert made.shape == (21, 30, 3) and np.abs(made[..., 0] - array / 4000 * 255).max() <= 0.51
    go(colored, tmp_path / "in", out=tmp_path / "gray", to="rgb", options={"mode": "input"})
    assert pixels(tmp_path / "gray" / "a.png").dtype == np.uint16
    real = (array / np.float32(4000)).astype(np.float32)
    picture(tmp_path / "real" / "f.tif", real)
    go(translator, tmp_path / "real", out=tmp_path / "out", to="t2")
    assert np.allclose(pixels(tmp_path / "out" / "f.tif"), real, atol=1e-6)


def test_same_model_and_settings_are_skipped(translator: Translator, tmp_path: Path) -> None:
    for i in range(4):
        picture(tmp_path / "in" / f"{i}.png")
    out = tmp_path / "out"

    def again(to: Translator = translator, **more: Any) -> tuple[int, int, int]:
        outcome = go(to, tmp_path / "in", out=out, **more)
        return outcome.done, outcome.skipped, len(outcome.failed)

    assert again() == (4, 0, 0)
    assert again() == (0, 4, 0)
    assert again(overwrite=True) == (4, 0, 0)
    assert again(options={"mode": "input"}) == (4, 0, 0)
    assert again(to=Translator(config(resize_mode="scale"), Known(-1.0), "cpu"), options={"mode": "input"}) == (
        4,
        0,
        0,
    )
    assert again() == (4, 0, 0)
    (out / "0.png").unlink()
    picture(tmp_path / "in" / "1.png", noise(8, 8, 3))
    assert again() == (2, 2, 0)
    assert pixels(out / "1.png").shape == (8, 8, 3)
    picture(out / "2.png")  # changed by the user: now a foreign file
    assert again() == (0, 3, 1)


def test_outputs_of_another_model_are_replaced(tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    settings = config(resize_mode="crop")
    first, other = (Translator.load(make_run(tmp_path / f"r{i}", settings, i), device="cpu") for i in range(2))
    assert go(first, tmp_path / "in", out=tmp_path / "out").done == 1
    before = pixels(tmp_path / "out" / "a.png")
    assert go(other, tmp_path / "in", out=tmp_path / "out").done == 1
    assert not np.array_equal(before, pixels(tmp_path / "out" / "a.png"))
    assert go(first, tmp_path / "in" / "a.png", out=tmp_path / "out", overwrite=True).done == 1


def test_foreign_files_are_kept_without_overwrite(translator: Translator, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    picture(tmp_path / "in" / "b.png")
    theirs = picture(tmp_path / "out" / "a.png", noise(3, 3, 3))
    before = theirs.read_bytes()
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out")
    assert outcome.done == 1 and outcome.failed[0][0] == tmp_path / "in" / "a.png"
    assert "--overwrite replaces it" in outcome.failed[0][1] and theirs.read_bytes() == before
    assert go(translator, tmp_path / "in", out=tmp_path / "out", overwrite=True).done == 2
    assert theirs.read_bytes() != before


def test_interrupted_translation_continues(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(6):
        picture(tmp_path / "in" / f"{i}.png")
    replace = Path.replace

    def dying(part: Path, path: Path) -> Path:
        if path.name == "3.png":
            raise KeyboardInterrupt
        return replace(part, path)

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        go(translator, tmp_path / "in", out=tmp_path / "out", batch_size=2)
    monkeypatch.undo()
    assert not list((tmp_path / "out").glob(".*.part"))
    # Outputs are recorded in order, even if other threads have already written later ones.
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out")
    assert (outcome.done, outcome.skipped, outcome.failed) == (3, 3, [])
    assert go(translator, tmp_path / "in", out=tmp_path / "out").skipped == 6


def test_output_without_finished_row_is_translated_again(translator: Translator, tmp_path: Path) -> None:
    """Simulate a SIGKILL between the renaming of the file and the update of its row."""
    picture(tmp_path / "in" / "a.png")
    go(translator, tmp_path / "in", out=tmp_path / "out")
    with sqlite3.connect(tmp_path / "out" / DATABASE_NAME) as record:
        record.execute("UPDATE made SET size = NULL, time = NULL")
    record.close()
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out")
    assert (outcome.done, outcome.failed) == (1, [])


def test_bad_files_are_reported_and_the_others_done(translator: Translator, tmp_path: Path) -> None:
    good = picture(tmp_path / "in" / "good.png")
    (tmp_path / "in" / "empty.png").touch()
    (tmp_path / "in" / "cut.png").write_bytes(good.read_bytes()[:200])
    (tmp_path / "in" / "text.jpg").write_text("hello")
    Image.fromarray(noise(4, 4).astype(np.float32) * 7).save(tmp_path / "in" / "float.tif")
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out")
    reasons = {path.name: why for path, why in outcome.failed}
    assert outcome.done == 1 and reasons.keys() == {"empty.png", "cut.png", "text.jpg", "float.tif"}
    assert reasons["empty.png"].startswith("is empty") and "--source-range" in reasons["float.tif"]
    assert {p.name for p in (tmp_path / "out").iterdir()} == {DATABASE_NAME, "good.png"}


def test_invalid_inputs_raise_usage_error_before_work(translator: Translator, tmp_path: Path) -> None:
    one, other = picture(tmp_path / "x" / "a.png"), picture(tmp_path / "y" / "a.png")
    out = tmp_path / "out"
    (tmp_path / "z").mkdir()
    (tmp_path / "notes.txt").touch()
    for inputs, place, reason in (
        ([one, other], out, "would both be written to"),
        ([tmp_path / "x", tmp_path / "y"], out, "would both be written to"),
        ([tmp_path / "x"], tmp_path / "x", "is also an input folder"),
        ([tmp_path / "x"], tmp_path / "z" / ".." / "x", "is also an input folder"),
        ([one], tmp_path / "x", "would overwrite an input"),
        ([tmp_path / "none.png"], out, "no such file or folder"),
        ([tmp_path / "notes.txt"], out, "this run translates pictures"),
        ([tmp_path / "z"], out, "no pictures in"),
        ([one], tmp_path / "notes.txt", "is a file; expected a folder"),
        ([one], tmp_path / "b.PNG", "is named like a file; expected a folder"),
    ):
        with pytest.raises(UsageError, match=reason):
            go(translator, *inputs, out=place, overwrite=True)
        assert not out.exists()
    with pytest.raises(UsageError, match="batch size 0"):
        go(translator, one, out=out, batch_size=0)


def test_out_within_the_input_is_not_translated(translator: Translator, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    for done, skipped in ((1, 0), (0, 1)):
        outcome = go(translator, tmp_path / "in", out=tmp_path / "in" / "out")
        assert (outcome.done, outcome.skipped) == (done, skipped)


def test_unlisted_folders_are_named(translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "in" / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if Path(path).name == "locked":
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out")
    assert outcome.done == 1
    assert outcome.failed == [(tmp_path / "in" / "locked", "cannot be listed (Permission denied)")]
    with pytest.raises(UsageError, match=r"no pictures in .*Permission denied"):
        go(translator, tmp_path / "in" / "locked", out=tmp_path / "out")


def test_out_that_cannot_be_written(translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = picture(tmp_path / "a.png")
    (tmp_path / "file").touch()
    with pytest.raises(WorkError, match="cannot be created"):
        go(translator, one, out=tmp_path / "file" / "out")
    monkeypatch.setattr(os, "access", lambda *args: False)
    with pytest.raises(WorkError, match="no permission to write"):
        go(translator, one, out=tmp_path / "out")


def test_full_disk_raises_work_error_with_progress(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(5):
        picture(tmp_path / "in" / f"{i}.png")
    go(translator, tmp_path / "in" / "0.png", out=tmp_path / "out")
    before = (tmp_path / "out" / "0.png").read_bytes()

    def full(*args: Any) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(media, "_encode", full)
    with pytest.raises(WorkError, match=r"the disk is full.*0 of 5 files are translated; run the same command"):
        go(translator, tmp_path / "in", out=tmp_path / "out", overwrite=True)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"0.png", DATABASE_NAME}
    assert (tmp_path / "out" / "0.png").read_bytes() == before


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
@pytest.mark.parametrize("place", ["PIL.Image.open", "unpaired.media.image.image_io._encode"])
def test_a_limit_of_the_process_stops_the_translation(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str, code: int
) -> None:
    for i in range(5):
        picture(tmp_path / "in" / f"{i}.png")

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(place, fail)
    with pytest.raises(WorkError, match=rf"0\.png: .*{os.strerror(code)}.*0 of 5 files") as caught:
        go(translator, tmp_path / "in", out=tmp_path / "out")
    assert not isinstance(caught.value, UnreadableFileError)


def test_one_file_that_cannot_be_written(translator: Translator, tmp_path: Path) -> None:
    for name in ("a.png", "b/c.png"):
        picture(tmp_path / "in" / name)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "b").touch()  # a file where a folder is needed
    outcome = go(translator, tmp_path / "in", out=tmp_path / "out")
    assert outcome.done == 1 and [path.name for path, _ in outcome.failed] == ["c.png"]


def test_damaged_manifest_raises_work_error(translator: Translator, tmp_path: Path) -> None:
    one = picture(tmp_path / "a.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / DATABASE_NAME).write_bytes(b"not a database" * 100)
    with pytest.raises(WorkError, match=r"damaged .*--overwrite"):
        go(translator, one, out=tmp_path / "out")


def test_batches_are_of_one_shape(tmp_path: Path) -> None:
    method = Known()
    translator = Translator(config(resize_mode="crop"), method, "cpu")
    for i in range(10):
        picture(tmp_path / "in" / f"{i}.png", noise(16, 16 + 8 * (i % 2), 3))
    go(translator, tmp_path / "in", out=tmp_path / "out", batch_size=4)
    assert sorted(method.seen) == [(1, 3, 16, 16), (1, 3, 16, 24), (4, 3, 16, 16), (4, 3, 16, 24)]


def test_few_pixels_wait_for_their_shape(tmp_path: Path) -> None:
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    craft = crafted(translator)
    begun = []

    def each() -> Iterator[tuple[TranslationJob, PreparedImage]]:
        for i in range(40):
            begun.append(i)
            picture = media.DecodedImage(noise(16 + 4 * i, 16, 3).astype(np.float32), None, 8, "RGB", True)
            yield TranslationJob(tmp_path / str(i), tmp_path / str(i)), craft.prepare_image(picture, True)

    groups = group_into_batches(each(), 8, 4 * 16 * 16)
    next(groups)
    assert len(begun) == 4  # 16 x (16 + 20 + 24 + 28) pixels are more than 1024
    assert 1 + sum(1 for _ in groups) == 40


@pytest.mark.parametrize("has_codecs", [True, False])
def test_suffix_determines_bit_depth(has_codecs: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(media, "has_codecs", lambda: has_codecs)
    translator = Translator(config(resize_mode="crop"), Known(), "cpu")
    deep = media.DecodedImage(noise(16, 16, 1, high=65536).astype(np.float32), None, 16, "I;16", False)
    gray = crafted(translator, mode="input").prepare_image(deep, False)
    color = crafted(translator).prepare_image(deep, False)
    get_output_bits = crafted(translator).get_output_bits
    kept = [get_output_bits(suffix, item) for suffix in (".png", ".TIF", ".jpg") for item in (gray, color)]
    assert kept == [16, 16 if has_codecs else 8, 16, 16, 8, 8]


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_skipped_pages_give_a_warning(
    suffix: str, translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without PyAV, an animation is the picture of its first frame."""
    monkeypatch.setattr("unpaired.media.video.pipeline.has_packages", lambda: False)
    first, second = (Image.new("RGB", (16, 16), color) for color in ("red", "blue"))
    first.save(tmp_path / f"many.{suffix}", save_all=True, append_images=[second])
    found = go(translator, tmp_path / f"many.{suffix}", out=tmp_path / "out")
    assert found.done == 1 and "only the first" in " ".join(found.warnings)

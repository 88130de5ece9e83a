"""Translations of large files, long names and two processes at once."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tiny_runs import Known, config

from unpaired.errors import WorkError
from unpaired.media.image.pipeline import ImagePipeline
from unpaired.runs.lock import FolderLock
from unpaired.translate import Outcome, Translator, files, translate_files


def picture(path: Path, side: int = 20) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)).save(path)
    return path


@pytest.fixture
def translator() -> Translator:
    return Translator(config(resize_mode="crop"), Known(-1.0), "cpu")


def translate(translator: Translator, folder: Path, out: Path, **more: Any) -> Outcome:
    return translate_files(translator, [folder], out, translator.resolve_request("paintings"), **more)


class InFlight:
    """Counts files between the start of reading and the end of writing."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lock, self.now, self.most = threading.Lock(), 0, 0
        prepare, write = ImagePipeline.prepare_file, ImagePipeline.write

        def counted_prepare(pipeline: ImagePipeline, path: Path, destination: Any) -> Any:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            return prepare(pipeline, path)

        def counted_write(pipeline: ImagePipeline, output: Path, item: Any, result: Any) -> Any:
            try:
                return write(pipeline, output, item, result)
            finally:
                with self.lock:
                    self.now -= 1

        patch.setattr(ImagePipeline, "prepare_file", counted_prepare)
        patch.setattr(ImagePipeline, "write", counted_write)


@pytest.mark.parametrize(("room", "most"), [(1, 1), (2, 2), (3, 3), (1000, 12)])
def test_decoded_bytes_in_flight_are_limited(
    room: int, most: int, translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(12):
        picture(tmp_path / "in" / f"{i:02}.png", side=40)
    monkeypatch.setattr(files, "WORKERS", 8)
    monkeypatch.setattr(files, "MAX_BYTES_IN_FLIGHT", room * 40 * 40 * 3 * 4)
    counted = InFlight(monkeypatch)
    outcome = translate(translator, tmp_path / "in", tmp_path / "out", batch_size=4)
    assert outcome.done == 12 and not outcome.failed
    assert counted.most <= most and counted.now == 0
    assert room < 1000 or counted.most > 3


def test_file_above_the_limit_is_translated_alone(
    translator: Translator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for i in range(3):
        picture(tmp_path / "in" / f"{i}.png", side=40)
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    monkeypatch.setattr(files, "MAX_BYTES_IN_FLIGHT", 10)
    outcome = translate(translator, tmp_path / "in", tmp_path / "out")
    assert outcome.done == 3 and [path.name for path, _ in outcome.failed] == ["broken.png"]


@pytest.mark.parametrize("stem", ["x" * 251, "日" * 83, "😀" * 60], ids=["ascii", "three bytes", "four bytes"])
def test_the_longest_names_are_translated(stem: str, translator: Translator, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png").rename(tmp_path / "in" / f"{stem}.png")
    outcome = translate(translator, tmp_path / "in", tmp_path / "out")
    assert outcome.done == 1 and (tmp_path / "out" / f"{stem}.png").is_file()


def test_locked_output_folder_raises_work_error(translator: Translator, tmp_path: Path) -> None:
    picture(tmp_path / "in" / "a.png")
    (tmp_path / "out").mkdir()
    with FolderLock(tmp_path / "out", "translates", "wait"), pytest.raises(WorkError, match="another process"):
        translate(translator, tmp_path / "in", tmp_path / "out")
    assert translate(translator, tmp_path / "in", tmp_path / "out").done == 1
    assert translate(translator, tmp_path / "in", tmp_path / "out").skipped == 1

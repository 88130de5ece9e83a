"""Translations beside their nearest training pictures: copies, the report, samples, and where nothing is measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY
from PIL import Image
from torch import Tensor
from torch.nn import functional

from unpaired import evaluate, train
from unpaired.data.batches import iterate_items
from unpaired.media.image import nearest_images
from unpaired.methods.cyclegan import CycleGAN
from unpaired.metrics import features
from unpaired.report.page import write_report
from unpaired.runs.files import build_item_transform, read_file_lists
from unpaired.runs.folder import RunFolder


class PooledPixels:
    """Stand-in for the feature network: means of 4 x 4 regions."""

    name, dimensions, digest = "pooled pixels", 48, "abc"

    def __init__(self, device: Any = "cpu") -> None:
        self.device = device

    def __call__(self, images: Tensor) -> Tensor:
        return functional.adaptive_avg_pool2d(images.float().cpu(), 4).flatten(1)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Train a run of one step whose features are pooled pixels; 8 training and 2 test pictures of each domain."""
    monkeypatch.setattr(features, "EfficientNetFeatures", PooledPixels)
    monkeypatch.setattr(features, "is_available", lambda: True)
    monkeypatch.setattr(features, "has_judges", lambda: False)
    generator = np.random.default_rng(0)
    folders = [tmp_path / name for name in ("red", "blue")]
    for folder, level in zip(folders, (60, 120), strict=True):
        folder.mkdir()
        for i in range(12):
            pixels = generator.integers(level, level + 100, (4, 4, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((16, 16), Image.Resampling.NEAREST).save(folder / f"{i:03}.png")
    settings = {**TINY, "steps": 1, "evaluate_every": 0, "sample_every": 0, "holdout_fraction": 0.2}
    return train(*folders, out=tmp_path / "run", log=lambda _: None, **settings)


def read_rows(run: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = json.loads((run / "nearest" / "nearest.json").read_text())["rows"]
    return rows


def test_rows_and_ratio_of_an_ordinary_run(run: Path) -> None:
    assert not (run / "nearest").exists()  # the evaluation after training is quick
    evaluation = evaluate(run, device="cpu")
    assert all(route.values["nearest_ratio"] > 0.5 for route in evaluation.routes)
    assert all(route.baselines["real to real"]["nearest_ratio"] == 1 for route in evaluation.routes)
    assert json.loads((run / "evaluation.json").read_text())["options"]["nearest"]
    rows = read_rows(run)
    assert [row["route"] for row in rows] == ["red -> blue"] * 2 + ["blue -> red"] * 2
    assert all((run / "nearest" / row["file"]).is_file() for row in rows)
    page = write_report(run).read_text()
    assert page.count("its translation, and") == 4
    assert "searched 8 training pictures" in page


def test_a_copied_training_picture_is_found_and_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate(run, device="cpu")
    ordinary = read_rows(run)[0]
    folder = RunFolder(run)
    config = folder.load_config()
    training = read_file_lists(folder, config).splits[1].train
    (item,) = iterate_items(training, config.domains[1], build_item_transform(config), [3])

    def copy(self: CycleGAN, x: Tensor, source: str, target: str) -> Tensor:
        return item.tensor.expand_as(x).to(x)

    monkeypatch.setattr(CycleGAN, "translate", copy)
    route = evaluate(run, device="cpu").routes[0]
    assert route.values["nearest_ratio"] == 0
    row = read_rows(run)[0]
    assert row["distance"] == 0 < ordinary["distance"]
    assert Path(row["nearest"]).stem == Path(training.get_path(3)).stem
    assert "copies of training items" in write_report(run).read_text()


def test_large_training_sets_are_sampled(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_images, "MAX_TRAINING_ITEMS", 3)
    evaluate(run, device="cpu")
    rows = read_rows(run)
    assert "searched 3, a fixed random sample of 8" in write_report(run).read_text()
    evaluate(run, device="cpu")
    assert read_rows(run) == rows


def test_nothing_is_measured_without_features_or_if_it_is_not_requested(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate(run, device="cpu")
    assert "nearest_ratio" not in evaluate(run, device="cpu", nearest=False).routes[0].values
    assert not (run / "nearest").exists()
    monkeypatch.setattr(features, "is_available", lambda: False)
    assert "nearest_ratio" not in evaluate(run, device="cpu").routes[0].values
    assert "Nearest training pictures" not in write_report(run).read_text()


def test_a_damaged_list_is_left_out_of_the_report(run: Path) -> None:
    evaluate(run, device="cpu")
    (run / "nearest" / "nearest.json").write_text("{")
    assert "Nearest training pictures" not in write_report(run).read_text()


def test_test_pictures_that_are_training_pictures_have_no_ratio(run: Path, tmp_path: Path) -> None:
    folder = RunFolder(run)
    for split in read_file_lists(folder, folder.load_config()).splits:
        (tmp_path / "copies" / split.name).mkdir(parents=True)
        shutil.copy(split.train.get_path(0), tmp_path / "copies" / split.name)
    evaluation = evaluate(run, [tmp_path / "copies"], device="cpu")
    assert all("nearest_ratio" not in route.values for route in evaluation.routes)
    assert torch.tensor([row["distance"] for row in read_rows(run)]).isfinite().all()

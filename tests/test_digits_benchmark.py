from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import digits, digits_data, digits_readers
from unpaired.translate import Translator


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write data of three digits that differ only in brightness; return the folder of digits."""
    rng = np.random.default_rng(0)
    for name, side in (("mnist", 28), ("usps", 16)):
        arrays: dict[str, Any] = {}
        for part, count in (("train", 24), ("test", 12)):
            arrays[f"y_{part}"] = labels = np.arange(count, dtype=np.uint8) % 3
            noise = rng.integers(0, 20, (count, side, side))
            arrays[f"x_{part}"] = (noise + 100 * labels[:, None, None].astype(int)).astype(np.uint8)
        np.savez(tmp_path / f"{name}.npz", **arrays)
    digits_data.main(tmp_path, tmp_path / "digits")
    return tmp_path / "digits"


def test_digits_data_writes_images_of_32_px_and_label_tables(root: Path) -> None:
    for name in ("mnist", "usps"):
        with digits_data.labels_file(root, name, "test").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["label"] for row in rows] == ["0", "1", "2"] * 4
        assert sorted(row["file"] for row in rows) == sorted(p.name for p in (root / name / "test").iterdir())
        with Image.open(root / name / "test" / "00002.png") as image:
            assert image.mode == "L" and image.size == (32, 32) and np.asarray(image).mean() > 200
    images, labels = digits.load(root, "usps", "train", limit=5)
    assert images.shape == (5, 1, 32, 32) and labels.tolist() == [0, 1, 2, 0, 1]
    assert images[0].max() < -0.8 < 0.5 < images[2].min()


def test_train_classifier_learns_and_caches_its_weights(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(digits_readers, "STEPS", 60)
    monkeypatch.setattr(digits_readers, "BATCH", 6)
    train_set = digits.load(root, "mnist", "train")
    net = digits_readers.train_classifier(train_set, 0, tmp_path / "cached.safetensors")
    assert digits_readers.accuracy(net, digits.load(root, "mnist", "test")) == 100
    assert digits_readers.accuracy(net, (train_set[0], (train_set[1] + 1) % 3)) == 0
    cached = digits_readers.train_classifier(train_set, 0, tmp_path / "cached.safetensors")
    assert torch.equal(cached(train_set[0]), net(train_set[0]))


def test_benchmark_measures_both_routes(root: Path, monkeypatch: pytest.MonkeyPatch, without_features: None) -> None:
    rows: list[dict[str, Any]] = []

    def record_row(benchmark: str, figures: dict[str, Any], seed: int) -> dict[str, Any]:
        rows.append(json.loads(json.dumps({"benchmark": benchmark, "seed": seed, "figures": figures})))
        return rows[-1]

    monkeypatch.setattr(digits, "append_row", record_row)
    monkeypatch.setattr(digits_readers, "STEPS", 60)
    monkeypatch.setattr(digits_readers, "BATCH", 6)
    monkeypatch.setattr(digits, "translate_digits", return_inputs)
    words = ["--steps", "2", "--method", "unit", "--preset", "tiny", "--width", "4", "--blocks", "1", "--threads", "1"]
    assert digits.main([str(root), *words, "--discriminator-width", "4", "--precision", "fp32", "--limit", "9"]) == 0
    ((there, figures),) = [(row, row["figures"]) for row in rows]
    assert there["benchmark"] == "digits" and figures["method"] == "unit" and figures["steps"] == 2
    assert set(figures["directions"]) == {"mnist -> usps", "usps -> mnist"}
    for route in figures["directions"].values():
        assert route["test_digits"] == 9 and route["learned_from"] == 24
        assert route["classifier_on_real_target"] == 100 == route["source_classifier_on_target"]
        assert route["translated_digits"] == route["classifier_on_untranslated"] == 100 == route["adapted_classifier"]


def test_teacher_option_registers_the_source_classifier_as_embedding(
    root: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    rows: list[dict[str, Any]] = []

    def record_row(_benchmark: str, figures: dict[str, Any], _seed: int) -> dict[str, Any]:
        rows.append(figures)
        return {"figures": {}}

    monkeypatch.setattr(digits, "append_row", record_row)
    for name, value in (("STEPS", 6), ("TEACHER_STEPS", 60), ("BATCH", 6)):
        monkeypatch.setattr(digits_readers, name, value)
    monkeypatch.setattr(digits_readers, "distort", lambda x: x.flip(3))
    words = [str(root), "--source", "usps", "--teacher", "--limit", "3", "--method", "dtn-baseline"]
    tiny = [
        "--steps",
        "1",
        "--preset",
        "tiny",
        "--width",
        "4",
        "--blocks",
        "1",
        "--discriminator-width",
        "4",
        "--threads",
        "1",
    ]
    assert digits.main([*words, *tiny, "--precision", "fp32"]) == 0
    (figures,) = rows
    assert list(figures["directions"]) == ["usps -> mnist"] and figures["labels_used_in_training"]
    assert 0 <= figures["directions"]["usps -> mnist"]["adapted_teacher"] <= 100
    assert figures["teacher_on_source"] == 100 == figures["teacher_on_target"]
    assert (
        figures["feature_extractor"] == figures["method_settings"]["feature_extractor"]
        and "own:Teacher-" in figures["feature_extractor"]
    )


def test_distort_keeps_shape_and_range() -> None:
    torch.manual_seed(0)
    x = torch.full((64, 1, 32, 32), -1.0)
    x[:, :, 8:24, 14:18] = 1
    y = digits_readers.distort(x)
    assert y.shape == x.shape and y.min() == -1 and y.max() <= 1
    ink = (y + 1).sum((1, 2, 3)) / (x + 1).sum((1, 2, 3))
    assert 0.1 < ink.min() < 0.6 and 1.4 < ink.max() < 6, "some are thinner, some thicker"
    assert (y != x).flatten(1).any(1).all()


def return_inputs(
    translator: Translator, inputs: digits_readers.Digits, source: str, target: str
) -> digits_readers.Digits:
    """Run the untrained translator, check the shape of its output, and return the inputs as a perfect translation."""
    y = translator(inputs[0][:2], to=target, source=source)
    assert y.shape == (2, 1, 32, 32)
    return inputs

"""Benchmark on digits: data, classifiers and rows."""

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

TINY_FLAGS = (
    *("--preset", "tiny", "--width", "4", "--blocks", "1", "--discriminator-width", "4"),
    *("--threads", "1", "--precision", "fp32"),
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write digit data sets of three classes that differ only in brightness; returns their folder."""
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


def test_digits_have_one_size_and_a_label_table(root: Path) -> None:
    for name in ("mnist", "usps"):
        with digits_data.table(root, name, "test").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        assert [row["label"] for row in rows] == ["0", "1", "2"] * 4
        assert sorted(row["file"] for row in rows) == sorted(p.name for p in (root / name / "test").iterdir())
        with Image.open(root / name / "test" / "00002.png") as image:
            assert image.mode == "L" and image.size == (32, 32) and np.asarray(image).mean() > 200
    images, labels = digits.load(root, "usps", "train", limit=5)
    assert images.shape == (5, 1, 32, 32) and labels.tolist() == [0, 1, 2, 0, 1]
    assert images[0].max() < -0.8 < 0.5 < images[2].min()


def test_classifier_trains_and_is_loaded_from_file(root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(digits_readers, "STEPS", 60)
    monkeypatch.setattr(digits_readers, "BATCH", 6)
    train_digits = digits.load(root, "mnist", "train")
    classifier = digits_readers.learned(train_digits, 0, tmp_path / "kept.safetensors")
    assert digits_readers.accuracy(classifier, digits.load(root, "mnist", "test")) == 100
    assert digits_readers.accuracy(classifier, (train_digits[0], (train_digits[1] + 1) % 3)) == 0
    kept = digits_readers.learned(train_digits, 0, tmp_path / "kept.safetensors")
    assert torch.equal(kept(train_digits[0]), classifier(train_digits[0]))


def test_benchmark_writes_one_row(root: Path, monkeypatch: pytest.MonkeyPatch, without_features: None) -> None:
    rows: list[dict[str, Any]] = []

    def record_row(benchmark: str, figures: dict[str, Any], seed: int) -> dict[str, Any]:
        rows.append(json.loads(json.dumps({"benchmark": benchmark, "seed": seed, "figures": figures})))
        return rows[-1]

    monkeypatch.setattr(digits, "append_row", record_row)
    monkeypatch.setattr(digits_readers, "STEPS", 60)
    monkeypatch.setattr(digits_readers, "BATCH", 6)
    monkeypatch.setattr(digits, "translated", return_untranslated)
    assert digits.main([str(root), "--steps", "2", "--method", "unit", "--limit", "9", *TINY_FLAGS]) == 0
    (row,) = rows
    figures = row["figures"]
    assert row["benchmark"] == "digits" and figures["method"] == "unit" and figures["steps"] == 2
    assert set(figures["directions"]) == {"mnist -> usps", "usps -> mnist"}
    for one in figures["directions"].values():
        assert one["test_digits"] == 9 and one["learned_from"] == 24
        assert one["classifier_on_real_target"] == 100 == one["source_classifier_on_target"]
        assert one["translated_digits"] == one["classifier_on_untranslated"] == 100 == one["adapted_classifier"]


def test_source_classifier_is_used_as_embedding(
    root: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    rows: list[dict[str, Any]] = []

    def record_row(_benchmark: str, figures: dict[str, Any], _seed: int) -> dict[str, Any]:
        rows.append(figures)
        return {"figures": {}}

    monkeypatch.setattr(digits, "append_row", record_row)
    for name, value in (("STEPS", 6), ("TEACHER_STEPS", 60), ("BATCH", 6)):
        monkeypatch.setattr(digits_readers, name, value)
    monkeypatch.setattr(digits_readers, "varied", lambda x: x.flip(3))
    arguments = [str(root), "--source", "usps", "--teacher", "--limit", "3", "--method", "dtn-baseline"]
    assert digits.main([*arguments, "--steps", "1", *TINY_FLAGS]) == 0
    (figures,) = rows
    assert list(figures["directions"]) == ["usps -> mnist"] and figures["labels_used_in_training"]
    assert 0 <= figures["directions"]["usps -> mnist"]["adapted_teacher"] <= 100
    assert figures["teacher_on_source"] == 100 == figures["teacher_on_target"]
    assert (
        figures["feature_extractor"] == figures["method_settings"]["feature_extractor"]
        and "own:Teacher-" in figures["feature_extractor"]
    )


def test_distortion_changes_stroke_width() -> None:
    torch.manual_seed(0)
    x = torch.full((64, 1, 32, 32), -1.0)
    x[:, :, 8:24, 14:18] = 1
    y = digits_readers.varied(x)
    assert y.shape == x.shape and y.min() == -1 and y.max() <= 1
    ink = (y + 1).sum((1, 2, 3)) / (x + 1).sum((1, 2, 3))
    assert 0.1 < ink.min() < 0.6 and 1.4 < ink.max() < 6, "digits must become thinner and thicker"
    assert (y != x).flatten(1).any(1).all()


def return_untranslated(
    translator: Translator, given: digits_readers.Digits, source: str, target: str
) -> digits_readers.Digits:
    """Call the translator, but return the untranslated digits, because an untrained translator is not informative."""
    y = translator(given[0][:2], to=target, source=source)
    assert y.shape == (2, 1, 32, 32)
    return given

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
    """Digits that are told by their brightness alone: 3 of them."""
    chance = np.random.default_rng(0)
    for name, side in (("mnist", 28), ("usps", 16)):
        arrays: dict[str, Any] = {}
        for part, count in (("train", 24), ("test", 12)):
            arrays[f"y_{part}"] = labels = np.arange(count, dtype=np.uint8) % 3
            noise = chance.integers(0, 20, (count, side, side))
            arrays[f"x_{part}"] = (noise + 100 * labels[:, None, None].astype(int)).astype(np.uint8)
        np.savez(tmp_path / f"{name}.npz", **arrays)
    digits_data.main(tmp_path, tmp_path / "digits")
    return tmp_path / "digits"


def test_digits_are_written_at_one_size_with_their_labels_beside(root: Path) -> None:
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


def test_a_classifier_learns_is_kept_and_is_counted(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(digits_readers, "STEPS", 60)
    monkeypatch.setattr(digits_readers, "BATCH", 6)
    lesson = digits.load(root, "mnist", "train")
    net = digits_readers.learned(lesson, 0, tmp_path / "kept.safetensors")
    assert digits_readers.accuracy(net, digits.load(root, "mnist", "test")) == 100
    assert digits_readers.accuracy(net, (lesson[0], (lesson[1] + 1) % 3)) == 0
    kept = digits_readers.learned(lesson, 0, tmp_path / "kept.safetensors")
    assert torch.equal(kept(lesson[0]), net(lesson[0]))


def test_the_whole_of_it(root: Path, monkeypatch: pytest.MonkeyPatch, without_features: None) -> None:
    rows: list[dict[str, Any]] = []

    def keep(benchmark: str, figures: dict[str, Any], seed: int) -> dict[str, Any]:
        rows.append(json.loads(json.dumps({"benchmark": benchmark, "seed": seed, "figures": figures})))
        return rows[-1]

    monkeypatch.setattr(digits, "append_row", keep)
    monkeypatch.setattr(digits_readers, "STEPS", 60)
    monkeypatch.setattr(digits_readers, "BATCH", 6)
    monkeypatch.setattr(digits, "translated", as_they_are)
    words = ["--steps", "2", "--method", "unit", "--preset", "tiny", "--width", "4", "--blocks", "1", "--threads", "1"]
    assert digits.main([str(root), *words, "--discriminator-width", "4", "--precision", "fp32", "--limit", "9"]) == 0
    ((there, figures),) = [(row, row["figures"]) for row in rows]
    assert there["benchmark"] == "digits" and figures["method"] == "unit" and figures["steps"] == 2
    assert set(figures["directions"]) == {"mnist -> usps", "usps -> mnist"}
    for one in figures["directions"].values():
        assert one["test_digits"] == 9 and one["learned_from"] == 24
        assert one["classifier_on_real_target"] == 100 == one["source_classifier_on_target"]
        assert one["translated_digits"] == one["classifier_on_untranslated"] == 100 == one["adapted_classifier"]


def test_a_teacher_of_the_source_is_the_embedding(
    root: Path, monkeypatch: pytest.MonkeyPatch, without_features: None
) -> None:
    rows: list[dict[str, Any]] = []

    def keep(_benchmark: str, figures: dict[str, Any], _seed: int) -> dict[str, Any]:
        rows.append(figures)
        return {"figures": {}}

    monkeypatch.setattr(digits, "append_row", keep)
    for name, value in (("STEPS", 6), ("TEACHER_STEPS", 60), ("BATCH", 6)):
        monkeypatch.setattr(digits_readers, name, value)
    monkeypatch.setattr(digits_readers, "varied", lambda x: x.flip(3))
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


def test_distorted_digits_are_digits() -> None:
    torch.manual_seed(0)
    x = torch.full((64, 1, 32, 32), -1.0)
    x[:, :, 8:24, 14:18] = 1
    y = digits_readers.varied(x)
    assert y.shape == x.shape and y.min() == -1 and y.max() <= 1
    ink = (y + 1).sum((1, 2, 3)) / (x + 1).sum((1, 2, 3))
    assert 0.1 < ink.min() < 0.6 and 1.4 < ink.max() < 6, "some are thinner, some thicker"
    assert (y != x).flatten(1).any(1).all()


def as_they_are(
    translator: Translator, given: digits_readers.Digits, source: str, target: str
) -> digits_readers.Digits:
    """A translator that is asked, and whose answer is put aside: an untrained one says nothing of the measure."""
    y = translator(given[0][:2], to=target, source=source)
    assert y.shape == (2, 1, 32, 32)
    return given

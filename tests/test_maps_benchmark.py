"""The race's task of invented maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.maps import STREET, STYLES, Town, draw_town, main


def test_test_towns_are_pairs_and_training_towns_are_not(tmp_path: Path) -> None:
    assert main([str(tmp_path), "--size", "32", "--train", "3", "--test", "2"]) == 0
    files = {path.relative_to(tmp_path / "maps").as_posix() for path in tmp_path.rglob("*.png")}
    assert files == {f"train/{s}/00{i}.png" for s in STYLES for i in range(3)} | {
        f"test/{s}/00{i}.png" for s in STYLES for i in range(2)
    }
    contents = {}
    for path in tmp_path.rglob("*.png"):
        with Image.open(path) as image:
            assert image.size == (32, 32) and image.mode == "RGB"
            contents[path.relative_to(tmp_path / "maps").as_posix()] = image.tobytes()
    assert len(set(contents.values())) == len(contents)
    again = tmp_path / "again"
    main([str(again), "--size", "32", "--train", "3", "--test", "2"])
    assert all((again / "maps" / name).read_bytes() == (tmp_path / "maps" / name).read_bytes() for name in files)


def test_shapes_have_the_colors_of_their_style() -> None:
    square = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)]
    road = [([(-1.0, 0.1), (2.0, 0.1)], 0.1)]
    town = Town(parks=[], water=[square], rivers=[], buildings=[], roads=road, highways=[])
    street = np.asarray(draw_town(town, "street", 40, np.random.default_rng(0)))
    assert tuple(street[20, 20]) == STREET["water"] and tuple(street[4, 20]) == STREET["road"]
    assert tuple(street[36, 36]) == STREET["ground"]
    aerial = np.asarray(draw_town(town, "aerial", 40, np.random.default_rng(0)), np.float64)
    assert aerial[20, 20].mean() < aerial[36, 36].mean() < street[36, 36].mean()

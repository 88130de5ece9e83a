"""Small worlds of pictures that tests train on."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch is imported: as the command does

import pytest
import torch
from PIL import Image, ImageDraw

torch.set_num_threads(1)

COLORS = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (40, 180, 60)}


def draw_domain(folder: Path, name: str, count: int, seed: int = 0) -> Path:
    """`count` pictures of a disc in the colour that `name` says, on white."""
    place = folder / name
    place.mkdir(parents=True)
    chance = random.Random(f"{name}{seed}")
    for i in range(count):
        picture = Image.new("RGB", (20, 18), (240, 240, 240))
        x, y = chance.randint(1, 8), chance.randint(1, 6)
        ImageDraw.Draw(picture).ellipse((x, y, x + 9, y + 8), fill=COLORS[name])
        picture.save(place / f"{i:03}.png")
    return place


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """A folder with the domains red and blue, 12 pictures each."""
    root = tmp_path / "discs"
    for name in ("red", "blue"):
        draw_domain(root, name, 12)
    return root


TINY: dict[str, Any] = {
    "preset": "tiny",
    "size": 16,
    "width": 4,
    "blocks": 1,
    "discriminator_width": 4,
    "batch_size": 2,
    "threads": 1,
    "precision": "fp32",
}
"""Settings that train in milliseconds."""


@pytest.fixture
def without_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the optional feature network is not installed; also what keeps a training test fast."""
    monkeypatch.setattr("unpaired.metrics.features.is_available", lambda: False)

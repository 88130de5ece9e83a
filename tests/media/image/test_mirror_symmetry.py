"""The test for a preferred side of pictures, and the setting `flip` "auto" that depends on it."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY
from PIL import Image
from torch import Tensor

from unpaired import train
from unpaired.media.image import preparation
from unpaired.media.image.mirror_symmetry import compute_mirror_p_value, has_preferred_side
from unpaired.media.image.settings import image_settings
from unpaired.runs.folder import RunFolder


def draw_noise(count: int, seed: int = 0) -> Tensor:
    """Return pictures (count, 3, 16, 16) of independent pixels, whose mirror images are as likely."""
    return torch.rand(count, 3, 16, 16, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def test_p_value_equals_that_of_all_sign_patterns() -> None:
    pictures = draw_noise(10)
    pictures[:, :, :, 3] += 0.3
    differences = (pictures - pictures.flip(3))[..., :8].flatten(1).double().numpy()
    units = differences / np.linalg.norm(differences, axis=1, keepdims=True)
    statistics = [np.square(np.array(signs) @ units).sum() for signs in itertools.product((1, -1), repeat=10)]
    exact = np.mean(np.array(statistics) >= statistics[0] - 1e-9)
    assert 0.002 < exact < 0.5, "the example must decide nothing"
    assert compute_mirror_p_value(pictures) == pytest.approx(exact, abs=0.02)


def test_symmetric_pictures_and_noise_have_no_preferred_side() -> None:
    pictures = draw_noise(40)
    assert compute_mirror_p_value(pictures + pictures.flip(3)) == 1
    assert sum(has_preferred_side(draw_noise(40, seed)) for seed in range(20)) == 0


def test_a_brighter_side_is_found_in_few_pictures() -> None:
    pictures = draw_noise(20)
    pictures[..., 8:] += 0.3
    assert has_preferred_side(pictures) and has_preferred_side(pictures.flip(3))


def test_many_pictures_of_a_preferred_side_are_not_mirrored(
    tmp_path: Path, without_features: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, side in (("even", 0), ("lit", 120)):
        (tmp_path / name).mkdir()
        for i, picture in enumerate(np.random.default_rng(len(name)).integers(0, 120, (16, 16, 16))):
            picture[:, 8:] += side
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / name / f"{i}.png")
    log: list[str] = []
    monkeypatch.setattr(preparation, "FEW_MIRRORED_FILES", 16)
    quick = {**TINY, "steps": 1, "evaluate_every": 0, "holdout_fraction": 0.0}
    lit = train(tmp_path / "even", tmp_path / "lit", out=tmp_path / "a", log=log.append, **quick)
    assert image_settings(RunFolder(lit).load_config()).flip is False
    assert any(line.startswith("flip: false") and "lit" in line and "even" not in line for line in log)
    monkeypatch.setattr(preparation, "FEW_MIRRORED_FILES", 17)
    few = train(tmp_path / "even", tmp_path / "lit", out=tmp_path / "few", log=log.append, **quick)
    assert image_settings(RunFolder(few).load_config()).flip is True
    monkeypatch.setattr(preparation, "FEW_MIRRORED_FILES", 16)
    given = train(tmp_path / "even", tmp_path / "lit", out=tmp_path / "b", log=log.append, flip=True, **quick)
    assert image_settings(RunFolder(given).load_config()).flip is True

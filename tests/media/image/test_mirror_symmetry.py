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
from unpaired.data.domain import Domain
from unpaired.data.paths import Paths
from unpaired.data.split import DomainSplits
from unpaired.media.image.mirror_symmetry import (
    compute_mirror_p_value,
    find_sided_domains,
    measure_novelty,
)
from unpaired.media.image.picture_samples import sample_pictures
from unpaired.media.image.settings import ImageSettings, ImageStatistics, image_settings
from unpaired.media.image.transform import ImageTransform
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
    assert find_sided_domains([draw_noise(40, seed) for seed in range(20)], 1000) == []


def test_a_brighter_side_is_found_in_few_pictures() -> None:
    pictures = draw_noise(20)
    pictures[..., 8:] += 0.3
    assert find_sided_domains([draw_noise(20), pictures, pictures.flip(3)], 1000) == [1, 2]


def test_novelty_equals_the_mean_over_all_pairs() -> None:
    pictures = draw_noise(7) + torch.linspace(-1, 1, 16)
    own = np.mean([((x - x.flip(2)) ** 2).mean() for x in pictures])
    pairs = [((x - y) ** 2).mean() for x, y in itertools.combinations(pictures, 2)]
    assert measure_novelty(pictures) == pytest.approx(own / np.mean(pairs), rel=1e-5)
    assert measure_novelty(pictures + pictures.flip(3)) == pytest.approx(0, abs=1e-9)
    assert measure_novelty(torch.ones(3, 1, 16, 16)) == 0


def test_few_pictures_are_mirrored_only_if_mirror_images_are_new() -> None:
    new = draw_noise(20)
    new[..., 8:] += 0.3
    half = draw_noise(20)
    alike = half + half.flip(3)
    alike[..., 8:] += 0.3
    assert measure_novelty(new) > 1 and measure_novelty(alike) < 0.9
    assert find_sided_domains([new, new], 399) == [] and find_sided_domains([new, new], 400) == [0, 1]
    assert find_sided_domains([new, alike], 399) == [0, 1]


def test_pictures_of_a_preferred_side_are_not_mirrored(tmp_path: Path, without_features: None) -> None:
    for name, side in (("even", 0), ("lit", 120)):
        (tmp_path / name).mkdir()
        for i, half in enumerate(np.random.default_rng(len(name)).integers(0, 120, (16, 16, 8))):
            picture = np.concatenate([half, half[:, ::-1] + side], axis=1)
            Image.fromarray(picture.astype(np.uint8)).save(tmp_path / name / f"{i}.png")
    log: list[str] = []
    quick = {**TINY, "steps": 1, "evaluate_every": 0, "holdout_fraction": 0.0}
    lit = train(tmp_path / "even", tmp_path / "lit", out=tmp_path / "a", log=log.append, **quick)
    assert image_settings(RunFolder(lit).load_config()).flip is False
    assert any(line.startswith("flip: false") and "lit" in line and "even" not in line for line in log)
    given = train(tmp_path / "even", tmp_path / "lit", out=tmp_path / "b", log=log.append, flip=True, **quick)
    assert image_settings(RunFolder(given).load_config()).flip is True


def test_samples_of_large_symmetric_pictures_are_symmetric(tmp_path: Path) -> None:
    half = np.random.default_rng(0).integers(0, 256, (3, 256, 128, 3), np.uint8)
    for i, picture in enumerate(np.concatenate([half, half[:, :, ::-1]], axis=2)):
        Image.fromarray(picture).save(tmp_path / f"{i}.png")
    files = Paths.from_files(tmp_path, [(f"{i}.png", 1) for i in range(3)])
    none = Paths.from_files(tmp_path, [])
    domain = Domain(name="even", sources=(), statistics=ImageStatistics(color=True))
    transform = ImageTransform(ImageSettings(size=256, resize_mode="crop", channels=3, flip=False))
    (sample,) = sample_pictures([domain], [DomainSplits("even", files, none, none, none, none, False)], transform)
    assert sample.pixels.shape == (3, 3, 64, 64) and sample.cells.shape == (3, 3, 16, 16)
    expected = torch.from_numpy(np.asarray(Image.open(files.get_path(1)), np.float32)).permute(2, 0, 1) / 127.5 - 1
    torch.testing.assert_close(sample.pixels[1], expected[:, ::4, ::4])
    torch.testing.assert_close(sample.cells[1], expected.reshape(3, 16, 16, 16, 16).mean((2, 4)))
    assert measure_novelty(sample.cells) == pytest.approx(0, abs=1e-9)

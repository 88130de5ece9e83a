"""Aligned inputs of generators (`match_colors`): a linear color transfer in front of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TINY
from PIL import Image

from unpaired import Translator
from unpaired.errors import UsageError
from unpaired.media.image.settings import image_statistics
from unpaired.networks.color_alignment import ColorAlignment
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.train import resume, train

SHORT: dict[str, Any] = {
    **TINY,
    "steps": 2,
    "evaluate_every": 0,
    "sample_every": 0,
    "holdout_fraction": 0.0,
    "match_colors": True,
}


def quiet(_: str) -> None:
    """Discard a message."""


def read_pixels(folder: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the pixels (N, 3) of the middle 16 x 16 squares of all pictures (20 x 18) of a folder, from -1 to 1."""
    pictures = [np.asarray(Image.open(file).crop((2, 1, 18, 17)), np.float64) for file in sorted(folder.iterdir())]
    return np.concatenate([picture.reshape(-1, 3) for picture in pictures]) / 127.5 - 1


def test_alignment_moves_mean_and_covariance_to_those_of_the_target() -> None:
    matrix = torch.tensor([[0.5, 0.1, 0.0], [0.1, 0.8, 0.0], [0.0, 0.0, 0.3]])
    offset = torch.tensor([0.1, -0.2, 0.0])
    x = (torch.rand(2, 3, 5, 7) * 2 - 1).to(torch.bfloat16)
    y = ColorAlignment(matrix, offset)(x)
    expected = [matrix @ x[b, :, i, j].float() + offset for b in range(2) for i in range(5) for j in range(7)]
    torch.testing.assert_close(y.permute(0, 2, 3, 1).reshape(-1, 3), torch.stack(expected).clamp(-1, 1))
    assert y.dtype == torch.float32 and not ColorAlignment(matrix, offset).state_dict()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ColorAlignment(matrix, offset)(x), y)


def test_colors_of_the_training_pictures_are_recorded(discs: Path, tmp_path: Path) -> None:
    run = train(discs, out=tmp_path / "run", log=quiet, **{**SHORT, "resize_mode": "crop"})
    for domain in RunFolder(run).load_config().domains:
        statistics, pixels = image_statistics(domain), read_pixels(discs / domain.name)
        assert statistics.color_mean is not None and statistics.color_covariance is not None
        np.testing.assert_allclose(statistics.color_mean, pixels.mean(0), atol=1e-6)
        np.testing.assert_allclose(statistics.color_covariance, np.cov(pixels.T, bias=True), atol=1e-6)


def test_translation_begins_with_the_color_transfer(discs: Path, tmp_path: Path) -> None:
    run = train(discs, out=tmp_path / "run", log=quiet, **SHORT)
    method = Translator.load(run, device="cpu").method
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    with torch.no_grad():
        there = method.G(method.align_y(x))  # type: ignore[operator]
        assert torch.equal(method.translate(x, "X", "Y"), there)
        assert not torch.equal(method.G(x), there)  # type: ignore[operator]
    assert method.align_y is not method.align_x


def test_resumed_training_equals_an_uninterrupted_one(discs: Path, tmp_path: Path) -> None:
    whole = train(discs, out=tmp_path / "whole", log=quiet, **{**SHORT, "steps": 4})
    part = train(
        discs, out=tmp_path / "part", log=quiet, on_step=lambda report: report.step < 2, **{**SHORT, "steps": 4}
    )
    resume(part, log=quiet)
    first, second = (
        read_tensors(list_checkpoints(RunFolder(run).checkpoints)[-1] / "state.safetensors")[0] for run in (whole, part)
    )
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_methods_without_aligned_inputs_refuse_the_setting(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"match_colors.*cut.*cyclegan"):
        train(discs, out=tmp_path / "run", log=quiet, method="cut", **SHORT)
    assert not (tmp_path / "run").exists()

"""The identity weight "auto": decided from the pictures, recorded as a number in the run's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import TINY
from PIL import Image

from unpaired import train
from unpaired.media.image import picture_samples, preparation
from unpaired.runs.folder import RunFolder


@pytest.fixture
def gray_folders(tmp_path: Path) -> Path:
    """Domains of squares in a corner: bright on dark, the same with other levels (dim, far), and dark on bright.

    A linear map of the levels turns dark into dim and far. No increasing one turns dark into bright, where most pixels
    are bright.
    """
    for name, level, square in (("dark", 20, 225), ("dim", 45, 150), ("far", 150, 245), ("bright", 225, 20)):
        (tmp_path / name).mkdir()
        for i in range(6):
            image = Image.new("RGB", (16, 16), (level + i,) * 3)
            image.paste((square + i,) * 3, (0, 0, 8, 8))
            image.save(tmp_path / name / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("target", "settings", "weight"),
    [
        ("dim", {}, 2.5),
        ("far", {}, 2.5),
        ("bright", {}, 0.0),
        ("far", {"match_colors": False}, 0.0),
        ("dim", {"identity_weight": 0}, 0.0),
        ("bright", {"preset": "paper"}, 5.0),
    ],
)
def test_auto_is_decided_from_the_pictures(
    gray_folders: Path, without_features: None, target: str, settings: dict[str, object], weight: float
) -> None:
    log: list[str] = []
    folders = gray_folders / "dark", gray_folders / target
    given = TINY | {"steps": 1, "evaluate_every": 0, "discriminator_layers": 1} | settings
    run = RunFolder(train(*folders, out=gray_folders / "run", log=log.append, **given))
    assert run.load_config().method_settings.model_dump()["identity_weight"] == weight
    assert f"identity_weight: {weight}" in run.config.read_text(encoding="utf-8")
    decisions = [line for line in log if line.startswith("identity_weight")]
    assert len(decisions) == (0 if settings.keys() & {"identity_weight", "preset"} else 1)
    assert not decisions or ("%" in decisions[0] and f"{weight:g}" in decisions[0])


def test_pixels_are_sampled_once(gray_folders: Path, without_features: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matched colors, residual generators and the identity weight depend on the same pixels."""
    calls: list[int] = []
    original = picture_samples.sample_pictures

    def sample(*arguments: Any) -> list[picture_samples.PictureSample]:
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(preparation, "sample_pictures", sample)
    folders = gray_folders / "dark", gray_folders / "dim"
    given = TINY | {"steps": 1, "evaluate_every": 0, "residual": "auto", "identity_weight": "auto"}
    run = RunFolder(train(*folders, out=gray_folders / "run", log=lambda _: None, **given))
    assert run.load_config().networks.residual is True
    assert run.load_config().method_settings.model_dump()["identity_weight"] == 2.5
    assert len(calls) == 1

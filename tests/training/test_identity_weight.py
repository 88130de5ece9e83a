"""The identity weight "auto": decided from the pictures, recorded as a number in the run's settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TINY
from PIL import Image

from unpaired import train
from unpaired.runs.folder import RunFolder


@pytest.fixture
def gray_folders(tmp_path: Path) -> Path:
    """Domains of squares in a corner: bright on dark, the same with less contrast (dim, far), and dark on bright.

    A linear map of the levels turns dark into dim and far. No increasing one turns dark into bright, where most pixels
    are bright.
    """
    for name, level, square in (("dark", 20, 225), ("dim", 45, 150), ("far", 150, 255), ("bright", 225, 20)):
        (tmp_path / name).mkdir()
        for i in range(6):
            image = Image.new("RGB", (16, 16), (level + i,) * 3)
            image.paste((square + i,) * 3, (0, 0, 8, 8))
            image.save(tmp_path / name / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("target", "settings", "weight"),
    [("dim", {}, 2.5), ("bright", {}, 0.0), ("dim", {"identity_weight": 0}, 0.0), ("bright", {"preset": "paper"}, 5.0)],
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
    assert len(decisions) == (0 if settings else 1)
    assert not decisions or ("%" in decisions[0] and f"{weight:g}" in decisions[0])


def test_residual_generators_depend_on_the_intensities_before_a_transfer(
    gray_folders: Path, without_features: None
) -> None:
    folders = gray_folders / "dark", gray_folders / "far"
    given = TINY | {"steps": 1, "evaluate_every": 0, "residual": "auto", "identity_weight": "auto"}
    config = RunFolder(train(*folders, out=gray_folders / "run", log=lambda _: None, **given)).load_config()
    assert config.networks.residual is False
    assert config.method_settings.model_dump()["identity_weight"] == 2.5

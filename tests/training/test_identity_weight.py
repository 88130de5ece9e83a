"""The identity weight "auto": decided from the pictures, recorded as a number in the run's settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from conftest import TINY
from PIL import Image

from unpaired import train
from unpaired.media.image import preparation
from unpaired.runs.folder import RunFolder


@pytest.fixture
def gray_folders(tmp_path: Path) -> Path:
    """Domains whose levels differ by 10 % (dark, dim) and 80 % (dark, bright) of the range."""
    for name, level in (("dark", 20), ("dim", 45), ("bright", 225)):
        (tmp_path / name).mkdir()
        for i in range(6):
            Image.new("RGB", (16, 16), (level + i,) * 3).save(tmp_path / name / f"{i}.png")
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


def test_the_distance_of_the_domains_is_measured_once(
    gray_folders: Path, without_features: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Residual generators and the identity weight depend on the same distance."""
    calls: list[int] = []
    original = preparation.measure_value_distance

    def measure(*arguments: Any) -> float:
        calls.append(1)
        return original(*arguments)

    monkeypatch.setattr(preparation, "measure_value_distance", measure)
    folders = gray_folders / "dark", gray_folders / "dim"
    given = TINY | {"steps": 1, "evaluate_every": 0, "residual": "auto", "identity_weight": "auto"}
    run = RunFolder(train(*folders, out=gray_folders / "run", log=lambda _: None, **given))
    assert run.load_config().networks.residual is True
    assert run.load_config().method_settings.model_dump()["identity_weight"] == 2.5
    assert len(calls) == 1

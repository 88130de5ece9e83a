"""Data that vanish or change during training: the state is saved, and the resumed run is bit-identical."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from conftest import TINY

from unpaired import resume, train
from unpaired.errors import WorkError
from unpaired.methods.base import Batch
from unpaired.runs.folder import RunFolder
from unpaired.runs.progress import list_checkpoints
from unpaired.runs.weights import read_tensors
from unpaired.training.step_report import StepReport
from unpaired.training.trainer import Trainer

SETTINGS = TINY | {"steps": 8, "evaluate_every": 0, "sample_every": 0, "workers": 0}


def read_model(run: Path) -> dict[str, torch.Tensor]:
    return read_tensors(RunFolder(run).model_path("last"))[0]


@pytest.mark.usefixtures("without_features")
def test_vanished_data_stop_training_with_the_state_saved(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unpaired.training.setup.BatchLoader", _make_loader_without_cache())

    def disconnect(report: StepReport) -> bool:
        if report.step == 3:
            discs.rename(tmp_path / "away")
        return True

    data = [discs / "red", discs / "blue"]
    run = tmp_path / "run"
    with pytest.raises(WorkError, match=r"discs/(red|blue).*--resume"):
        train(*data, out=run, on_step=disconnect, **SETTINGS)
    assert [path.name for path in list_checkpoints(RunFolder(run).checkpoints)] == ["step-000000003"]
    (tmp_path / "away").rename(discs)
    resume(run)
    whole = train(*data, out=tmp_path / "whole", **SETTINGS)
    one, other = read_model(run), read_model(whole)
    assert one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_a_rank_saves_and_stops_if_another_one_cannot_load_its_files() -> None:
    loaded: list[str] = []

    def load() -> list[Batch]:
        loaded.append("batch")
        return []

    def run_on_all(work: Callable[[], None]) -> None:
        work()
        raise WorkError("the data of rank 1 are gone")

    trainer = SimpleNamespace(
        loop=SimpleNamespace(distributed=SimpleNamespace(run_on_all=run_on_all, world_size=2)),
        _load_micro_batches=load,
        save=lambda: loaded.append("saved"),
    )
    with pytest.raises(WorkError, match="rank 1"):
        Trainer._load_or_save(cast(Any, trainer))
    assert loaded == ["batch", "saved"]


@pytest.mark.usefixtures("without_features")
def test_a_single_damaged_file_is_replaced_with_a_line(
    discs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("unpaired.training.setup.BatchLoader", _make_loader_without_cache())
    lines: list[str] = []

    def damage(report: StepReport) -> bool:
        if report.step == 1:
            for path in sorted((discs / "red").iterdir())[:6]:
                path.write_bytes(b"damaged")
        return True

    train(discs, out=tmp_path / "run", on_step=damage, log=lines.append, **SETTINGS)
    assert any("discs/red/" in line and "replaced" in line for line in lines)


def _make_loader_without_cache() -> object:
    """Return a BatchLoader that decodes every file again, as with collections larger than its cache."""
    from functools import partial

    from unpaired.data.batches import BatchLoader

    return partial(BatchLoader, cache_bytes=0)

"""Batch normalization: its running statistics belong to the training weights, so it excludes an EMA of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from test_train import quiet, state, stopped_after, trained

from unpaired.errors import UsageError
from unpaired.runs.folder import load_model
from unpaired.training.train import resume

pytestmark = pytest.mark.usefixtures("without_features")
SETTINGS: dict[str, Any] = {"norm": "batch", "steps": 4, "evaluate_every": 0, "sample_every": 0, "checkpoint_every": 2}


def test_batch_norm_with_ema_raises_usage_error(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"norm batch.*--ema-decay 0.*--norm instance"):
        trained(discs, tmp_path / "run", **SETTINGS)


def test_without_ema_model_equals_training_weights_and_resuming_is_exact(discs: Path, tmp_path: Path) -> None:
    settings = {**SETTINGS, "ema_decay": 0.0}
    whole, part = trained(discs, tmp_path / "whole", **settings), tmp_path / "part"
    stopped_after(discs, part, 3, settings)
    resume(part, log=quiet)
    one, other = state(whole), state(part)
    assert one.keys() == other.keys() and [name for name in one if not torch.equal(one[name], other[name])] == []
    saved = load_model(whole).method.get_submodule("G").state_dict()
    tracked = [name for name in saved if name.endswith("running_mean")]
    assert tracked and all(saved[name].abs().sum() > 0 for name in tracked)
    assert all(torch.equal(one[f"method/G.{name}"], tensor) for name, tensor in saved.items())

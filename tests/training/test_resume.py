"""Resuming: equal to the last bit in every layout and precision, and mended where a kill came between two files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from test_train import quiet, state, stopped_after, trained

from unpaired.training.train import resume

pytestmark = pytest.mark.usefixtures("without_features")


@pytest.mark.parametrize(
    "settings",
    [
        {"memory_format": "channels_last"},
        {"memory_format": "contiguous", "precision": "bf16-mixed", "accumulate": 2},
        {"memory_format": "channels_last", "preset": "paper", "critic_layers": 2, "memory": 3},
    ],
    ids=["channels last", "bf16 in micro-batches", "paper, channels last"],
)
def test_resumed_is_equal_in_every_layout_and_precision(settings: dict[str, Any], discs: Path, tmp_path: Path) -> None:
    settings = {"steps": 4, "checkpoint_every": 2, "evaluate_every": 0, "sample_every": 0, **settings}
    whole, part = trained(discs, tmp_path / "whole", **settings), tmp_path / "part"
    stopped_after(discs, part, 3, settings)
    resume(part, say=quiet)
    one, other = state(whole), state(part)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []

"""The setting --temporal-weight: training and resuming with it, and who refuses it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from test_train import quiet, state, stopped_after, trained

from unpaired.config.resolve import SettingsRequest, resolve_settings
from unpaired.errors import UsageError
from unpaired.media import MEDIA
from unpaired.runs.folder import RunFolder
from unpaired.runs.history import History
from unpaired.training.train import resume

pytestmark = pytest.mark.usefixtures("without_features")


def test_resumed_run_with_the_loss_is_bit_identical(discs: Path, tmp_path: Path) -> None:
    settings = {
        "steps": 4,
        "checkpoint_every": 2,
        "evaluate_every": 0,
        "sample_every": 0,
        "temporal_weight": 3.0,
        "grad_accumulation": 2,
    }
    uninterrupted, interrupted = trained(discs, tmp_path / "uninterrupted", **settings), tmp_path / "interrupted"
    stopped_after(discs, interrupted, 3, settings)
    resume(interrupted, log=quiet)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert [name for name in state_a if not torch.equal(state_a[name], state_b[name])] == []
    losses = History(RunFolder(uninterrupted).history).read("losses")[-1]["losses"]
    assert losses["generators.temporal"] > 0 and "discriminators.temporal" not in losses


def test_voice_refuses_the_setting() -> None:
    request = SettingsRequest.read("cyclegan", "tiny", {"temporal_weight": 1.0})
    with pytest.raises(UsageError, match=r"temporal_weight.*pictures only"):
        resolve_settings(request, MEDIA["voice"], "tiny")
    settings = resolve_settings(request, MEDIA["image"], "tiny").medium_settings
    assert settings.model_dump()["temporal_weight"] == 1.0


def test_method_that_translates_by_a_search_refuses_the_setting(discs: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"temporal_weight 2: cogan .*--temporal-weight 0"):
        trained(discs, tmp_path / "run", method="cogan", temporal_weight=2.0, steps=1)

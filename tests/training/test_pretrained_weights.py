"""Digests of embeddings in a run's configuration, which resuming verifies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import TINY
from test_train import quiet, state, stopped_after, trained
from torch import nn

from unpaired import Translator, resume, train
from unpaired.config.run_config import read_config, write_config
from unpaired.errors import UsageError, WorkError
from unpaired.networks import pretrained
from unpaired.networks.pretrained import hash_weights, register_embedding


def test_resuming_with_other_embedding_weights_raises_work_error(
    discs: Path, tmp_path: Path, without_features: None
) -> None:
    network = nn.Conv2d(3, 4, 4, 4)
    name = register_embedding(network)
    run = tmp_path / "run"
    train(discs, method="dtn-baseline", feature_extractor=name, out=run, log=quiet, **TINY | {"steps": 1})
    config = read_config(run / "config.yaml")
    assert config.pretrained == {name: hash_weights(network)}
    resume(run, steps=2, log=quiet)
    write_config(run / "config.yaml", config.model_copy(update={"pretrained": {name: "0" * 64}}))
    with pytest.raises(WorkError, match=r"not those that this run began with \(000000000000 \.\.\.\)"):
        resume(run, steps=3, log=quiet)
    assert Translator.load(run).routes == (("blue", "red"),)


def test_run_with_embedding_resumes_bit_identically_and_translates_without_it(
    discs: Path, tmp_path: Path, without_features: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = nn.Conv2d(3, 4, 4, 4)
    settings = TINY | {
        "method": "xgan",
        "feature_extractor": register_embedding(network),
        "teacher_weight": 2.0,
        "steps": 4,
    }
    settings |= {"checkpoint_every": 2, "evaluate_every": 0, "sample_every": 0}
    uninterrupted, interrupted = trained(discs, tmp_path / "uninterrupted", **settings), tmp_path / "interrupted"
    stopped_after(discs, interrupted, 3, settings)
    monkeypatch.setattr(pretrained, "_registered", {})
    with pytest.raises(UsageError, match=r"unpaired\.register_embedding"):
        resume(interrupted, log=quiet)
    register_embedding(network)
    resume(interrupted, log=quiet)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert state_a.keys() == state_b.keys() and {"R.0.weight"} <= {name.split("/")[-1] for name in state_a}
    assert [name for name in state_a if not torch.equal(state_a[name], state_b[name])] == []
    assert read_config(interrupted / "config.yaml").pretrained == {settings["feature_extractor"]: hash_weights(network)}
    monkeypatch.setattr(pretrained, "_registered", {})
    assert Translator.load(interrupted).routes == (("blue", "red"), ("red", "blue"))


def test_unknown_embedding_raises_usage_error_before_training(discs: Path, tmp_path: Path) -> None:
    for method in ("dtn-baseline", "xgan"):
        with pytest.raises(UsageError, match=r"unpaired\.register_embedding"):
            train(
                discs,
                method=method,
                feature_extractor="own:Gone-0",
                out=tmp_path / "run",
                log=quiet,
                **TINY | {"steps": 1},
            )
    assert not (tmp_path / "run").exists()


def test_run_without_embedding_records_no_digest(discs: Path, tmp_path: Path, without_features: None) -> None:
    train(discs, out=tmp_path / "run", log=quiet, **TINY | {"steps": 1})
    assert read_config(tmp_path / "run" / "config.yaml").pretrained == {}

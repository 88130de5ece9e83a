"""A run keeps the digests of the embeddings that it learned with, and goes on with no others."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TINY
from torch import nn

from unpaired import Translator, resume, train
from unpaired.errors import WorkError
from unpaired.networks.pretrained import digest_of, offer
from unpaired.runs.config import read_config, write_config


def quiet(_: str) -> None:
    pass


def test_a_run_goes_on_with_the_weights_that_it_began_with(discs: Path, tmp_path: Path, without_features: None) -> None:
    network = nn.Conv2d(3, 4, 4, 4)
    name = offer(network)
    run = tmp_path / "run"
    train(discs, method="dtn-baseline", embedding=name, out=run, say=quiet, **TINY | {"steps": 1})
    config = read_config(run / "config.yaml")
    assert config.pretrained == {name: digest_of(network)}
    resume(run, steps=2, say=quiet)
    write_config(run / "config.yaml", config.model_copy(update={"pretrained": {name: "0" * 64}}))
    with pytest.raises(WorkError, match=r"not those that this run began with \(000000000000 \.\.\.\)"):
        resume(run, steps=3, say=quiet)
    assert Translator.load(run).routes == (("blue", "red"),)


def test_runs_without_embeddings_keep_none(discs: Path, tmp_path: Path, without_features: None) -> None:
    train(discs, out=tmp_path / "run", say=quiet, **TINY | {"steps": 1})
    assert read_config(tmp_path / "run" / "config.yaml").pretrained == {}

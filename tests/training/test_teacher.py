"""Distillation from a teacher run: training, resuming, translation and errors."""

from __future__ import annotations

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import TINY, draw_domain
from test_train import quiet, state, stopped_after, trained

from unpaired import Translator
from unpaired.cli.main import main
from unpaired.config.run_config import read_config
from unpaired.errors import UsageError, WorkError
from unpaired.losses.distances import l1
from unpaired.methods.base import FrozenNetwork, StepContext
from unpaired.networks.blocks import Role
from unpaired.runs.folder import load_model
from unpaired.runs.method_builder import build_method
from unpaired.runs.weights import read_tensors
from unpaired.training.train import resume, train

pytestmark = pytest.mark.usefixtures("without_features")
SETTINGS: dict[str, Any] = {"steps": 3, "checkpoint_every": 1, "evaluate_every": 0, "sample_every": 0, "method": "gan"}
DEEP: dict[str, Any] = {**SETTINGS, "depth": 4, "seed": 1}


@pytest.fixture
def teacher(discs: Path, tmp_path: Path) -> Path:
    return trained(discs, tmp_path / "teacher", **SETTINGS, depth=2)


def test_frozen_network_is_unchanged_by_training() -> None:
    net = Role(torch.nn.Conv2d(3, 3, 1), torch.nn.BatchNorm2d(3))
    frozen = FrozenNetwork(net)
    modules = torch.nn.ModuleList([frozen]).train()
    assert not net.training and not any(p.requires_grad for p in net.parameters()) and not frozen.is_batch_independent
    x = torch.randn(2, 3, 4, 4, requires_grad=True)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    frozen(x).square().sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert all(torch.equal(tensor, before[name]) for name, tensor in net.state_dict().items())
    copied = copy.deepcopy(modules)
    assert copied[0] is frozen
    assert modules.to(torch.float64)[0].net[0].weight.dtype == torch.float64  # type: ignore[index, union-attr]


def test_distillation_loss_compares_with_teacher(discs: Path, tmp_path: Path, teacher: Path) -> None:
    run = trained(discs, tmp_path / "deep", **DEEP, teacher=teacher, distillation_weight=2.5)
    config = read_config(run / "config.yaml")
    assert config.teacher is not None and Path(config.teacher.file) == teacher / "model.safetensors"
    method = build_method(config)
    x = torch.rand(2, 3, 16, 16) * 2 - 1
    g = load_model(teacher).method
    with torch.no_grad():
        turn = next(iter(method.play({"X": x, "Y": x}, StepContext(0, 0.0))))
        assert not isinstance(turn, list)
        expected = l1(method.get_submodule("G")(x), g.translate(x, "X", "Y"))
    torch.testing.assert_close(turn.losses["distillation"], expected)
    assert method.loss_weight("generator", "distillation", StepContext(0, 0.0)) == 2.5
    without_teacher = build_method(config.model_copy(update={"teacher": None}))
    assert "distillation" not in without_teacher.loss_weights


def test_teacher_does_not_change_initial_weights(discs: Path, tmp_path: Path, teacher: Path) -> None:
    config = read_config(trained(discs, tmp_path / "deep", **DEEP, teacher=teacher) / "config.yaml")
    torch.manual_seed(0)
    with_teacher = build_method(config).get_submodule("G").state_dict()
    torch.manual_seed(0)
    baseline = build_method(config, include_teacher=False).get_submodule("G").state_dict()
    assert all(torch.equal(with_teacher[name], baseline[name]) for name in baseline)


def test_resuming_is_bit_identical_and_files_exclude_teacher(discs: Path, tmp_path: Path, teacher: Path) -> None:
    settings = {**DEEP, "teacher": teacher, "steps": 4}
    uninterrupted, interrupted = trained(discs, tmp_path / "uninterrupted", **settings), tmp_path / "interrupted"
    stopped_after(discs, interrupted, 2, settings)
    resume(interrupted, log=quiet)
    state_a, state_b = state(uninterrupted), state(interrupted)
    assert (
        state_a.keys() == state_b.keys()
        and [name for name in state_a if not torch.equal(state_a[name], state_b[name])] == []
    )
    for names in (state_a, read_tensors(uninterrupted / "model.safetensors")[0]):
        assert names and not [name for name in names if name.startswith(("g.", "method/g.", "ema/g."))]
    shutil.rmtree(teacher)
    assert Translator.load(uninterrupted, device="cpu").routes == (("blue", "red"),)


def test_resuming_with_changed_teacher_raises_work_error(discs: Path, tmp_path: Path, teacher: Path) -> None:
    run = tmp_path / "deep"
    stopped_after(discs, run, 2, {**DEEP, "teacher": teacher})
    resume(teacher, steps=4, log=quiet)
    with pytest.raises(WorkError, match=r"teacher .*: model\.safetensors is not .*Restore it, or train a new run"):
        resume(run, log=quiet)
    (teacher / "model.safetensors").unlink()
    with pytest.raises(WorkError, match="there is no such file"):
        resume(run, log=quiet)


def test_teacher_with_both_directions_and_swapped_domains_is_accepted(discs: Path, tmp_path: Path) -> None:
    both = trained(discs, tmp_path / "both", **{**SETTINGS, "method": "cyclegan", "steps": 1})
    run = train(discs / "red", discs / "blue", out=tmp_path / "deep", log=quiet, **TINY | DEEP, teacher=both)
    config = read_config(run / "config.yaml")
    assert [domain.name for domain in read_config(both / "config.yaml").domains] == ["blue", "red"]
    assert config.teacher is not None and (config.teacher.source, config.teacher.target) == ("Y", "X")
    x = torch.rand(1, 3, 16, 16) * 2 - 1
    g = build_method(config).get_submodule("g")
    with torch.no_grad():
        torch.testing.assert_close(g(x), load_model(both).method.translate(x, "Y", "X"))
    assert {name.split(".")[3] for name, _ in g.named_parameters()} == {"F"}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "cyclegan", "depth": None}, "--teacher: .*cyclegan; .*gan"),
        ({"size": 32}, "--size 16, .*--size 32"),
    ],
)
def test_incompatible_teacher_raises_usage_error(
    settings: dict[str, Any], message: str, discs: Path, tmp_path: Path, teacher: Path
) -> None:
    run_settings = {k: v for k, v in {**DEEP, **settings}.items() if v is not None}
    with pytest.raises(UsageError, match=message):
        trained(discs, tmp_path / "run", **run_settings, teacher=teacher)
    assert not (tmp_path / "run").exists()


def test_teacher_of_other_domains_or_direction_raises_usage_error(discs: Path, tmp_path: Path, teacher: Path) -> None:
    green = draw_domain(tmp_path, "green", 12)
    for target_folder, message in (
        (green, "'green'; its domains are blue and red"),
        (discs / "blue", "does not translate red to blue"),
    ):
        with pytest.raises(UsageError, match=message):
            train(discs / "red", target_folder, out=tmp_path / "run", log=quiet, **TINY | DEEP, teacher=teacher)
    with pytest.raises(UsageError, match="no such folder"):
        trained(discs, tmp_path / "run", **DEEP, teacher=tmp_path / "nowhere")
    with pytest.raises(UsageError, match="not a run"):
        trained(discs, tmp_path / "run", **DEEP, teacher=discs)
    assert main(["train", "--resume", str(teacher), "--teacher", str(teacher)]) == 2

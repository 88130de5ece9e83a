"""Training on a GPU: every method, every precision, compiled networks, and resuming on a CPU.

`pytest -m gpu` runs the tests on the first CUDA device; they are skipped where there is none. With the device "cpu" the
same tests run everywhere, in the precisions that a CPU supports, so that the tests themselves are tested.
"""

from __future__ import annotations

import functools
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from test_train import quiet, state, stopped_after, trained
from tiny_runs import config, domain
from torch import nn

from unpaired.methods import METHODS
from unpaired.methods.base import Batch, Method, StepContext
from unpaired.methods.capabilities import LabelConditionedMethod
from unpaired.networks.pretrained import register_embedding
from unpaired.runs.folder import RunFolder
from unpaired.runs.method_builder import build_method
from unpaired.training.distributed import Distributed
from unpaired.training.loop import TrainingLoop
from unpaired.training.precision import Precision
from unpaired.training.train import resume

pytestmark = pytest.mark.usefixtures("without_features")
GPU = (pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"))
DEVICES = [pytest.param("cpu", id="cpu"), pytest.param("cuda", id="cuda", marks=GPU)]
REDUCED: list[Any] = [
    pytest.param("cpu", "bf16-mixed", id="cpu-bf16"),
    pytest.param("cuda", "bf16-mixed", id="cuda-bf16", marks=GPU),
    pytest.param("cuda", "fp16-mixed", id="cuda-fp16", marks=GPU),
]
EVERY_METHOD: list[Any] = [
    pytest.param("cpu", "cyclegan", "bf16-mixed", id="cpu-cyclegan-bf16"),
    pytest.param("cpu", "fader", "fp32", id="cpu-fader-fp32"),
    *(
        pytest.param("cuda", method, precision, id=f"cuda-{method}-{precision}", marks=GPU)
        for method in METHODS
        for precision in ("fp32", "bf16-mixed", "fp16-mixed")
    ),
]
FAST: dict[str, Any] = {"evaluate_every": 0, "sample_every": 0}


def build(name: str, device: str) -> Method:
    """Build a tiny method for 16 px on a device; a small network replaces the pretrained one."""
    torch.manual_seed(0)
    settings: dict[str, Any] = {}
    if name.startswith("dtn"):
        embedding = nn.Sequential(nn.Conv2d(3, 6, 4, 4), nn.Tanh(), nn.Conv2d(6, 5, 3, padding=1))
        settings["feature_extractor"] = register_embedding(embedding)
    return build_method(config(domain("photos"), domain("paintings"), method=name, **settings)).to(device)


def draw_batch(method: Method, device: str) -> Batch:
    """Draw two items of each domain, with labels if the method takes them."""
    x, y = torch.rand(2, 2, 3, 16, 16, generator=torch.Generator().manual_seed(1)).to(device) * 2 - 1
    if not isinstance(method, LabelConditionedMethod):
        return {"X": x, "Y": y}
    label = torch.eye(2, device=device).repeat_interleave(2, 0)
    return {"x": torch.cat((x, y)), "label": label, "label_mask": torch.ones_like(label)}


def take_steps(method: Method, device: str, precision: Precision, steps: int = 4) -> list[dict[str, float]]:
    """Return the losses of some steps on one batch."""
    accelerator = "cuda" if device == "cuda" else "cpu"
    loop = TrainingLoop(method, Distributed(Fabric(accelerator=accelerator, devices=1)), precision)
    batch = draw_batch(method, device)
    return [
        {name: float(value) for name, value in loop.step([batch], StepContext(step, step / steps)).items()}
        for step in range(steps)
    ]


@pytest.mark.parametrize(("device", "name", "precision"), EVERY_METHOD)
def test_every_method_trains_in_every_precision(device: str, name: str, precision: Precision) -> None:
    method = build(name, device)
    before = {key: value.clone() for key, value in method.named_parameters()}
    losses = take_steps(method, device, precision)
    assert all(math.isfinite(value) for step in losses for value in step.values())
    assert all(p.device.type == device and p.dtype == torch.float32 for p in method.parameters())
    trained_roles = {role for player in method.players.values() for role in player.roles}
    for role in trained_roles:
        own = dict(method.get_submodule(role).named_parameters(prefix=role))
        # fp16 may skip steps while it searches for a loss scale; in the other precisions every role has moved.
        assert not own or precision == "fp16-mixed" or any(not torch.equal(before[key], own[key]) for key in own), role
    x = draw_batch(method, device).get("X", torch.zeros(2, 3, 16, 16, device=device))
    method.eval()
    with torch.no_grad():
        y = method.translate(x, "X", "Y")
    assert y.shape == x.shape and bool(y.isfinite().all())


@pytest.mark.parametrize(("device", "precision"), REDUCED)
def test_first_losses_in_reduced_precision_are_close_to_float32(device: str, precision: Precision) -> None:
    expected = take_steps(build("cyclegan", device), device, "fp32", steps=1)[0]
    actual = take_steps(build("cyclegan", device), device, precision, steps=1)[0]
    assert actual == pytest.approx(expected, rel=0.05, abs=0.02)
    assert actual != expected, "the precision has no effect"


@pytest.mark.parametrize("device", [DEVICES[1]])
def test_losses_on_a_gpu_are_close_to_those_on_a_cpu(device: str) -> None:
    expected = take_steps(build("cyclegan", "cpu"), "cpu", "fp32", steps=1)[0]
    assert take_steps(build("cyclegan", device), device, "fp32", steps=1)[0] == pytest.approx(expected, rel=1e-3)


@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.parametrize("device", DEVICES)
def test_compiled_networks_train_as_eager_ones(
    discs: Path, tmp_path: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if device == "cpu":  # code generation takes too long for this test; tracing is the same
        monkeypatch.setattr(nn.Module, "compile", functools.partialmethod(nn.Module.compile, backend="eager"))
    settings: dict[str, Any] = {"steps": 2, "device": device, "precision": "fp32", **FAST}
    eager = state(trained(discs, tmp_path / "eager", **settings))
    compiled = state(trained(discs, tmp_path / "compiled", compile=True, **settings))
    assert eager.keys() == compiled.keys()
    for key, value in eager.items():
        torch.testing.assert_close(compiled[key], value, rtol=1e-3, atol=1e-3, msg=key)


@pytest.mark.parametrize(("device", "precision"), REDUCED)
def test_resuming_continues_with_the_same_weights(
    discs: Path, tmp_path: Path, device: str, precision: Precision
) -> None:
    settings: dict[str, Any] = {"device": device, "precision": precision, **FAST}
    whole = state(trained(discs, tmp_path / "whole", steps=4, **settings))
    stopped_after(discs, tmp_path / "parts", 3, {"steps": 4, **settings})
    resume(tmp_path / "parts", log=quiet)
    resumed = state(tmp_path / "parts")
    assert resumed.keys() == whole.keys()
    assert precision != "fp16-mixed" or any("scale" in key for key in whole), "the loss scale is not saved"
    tolerance = 0.0 if device == "cpu" else 1e-2  # some backward kernels of GPUs add in no fixed order
    for key, value in whole.items():
        torch.testing.assert_close(resumed[key], value, rtol=tolerance, atol=tolerance / 10, msg=key)


@pytest.mark.parametrize(("device", "precision"), [*REDUCED, pytest.param("cuda", "auto", id="cuda-auto", marks=GPU)])
def test_run_resumes_on_a_cpu(discs: Path, tmp_path: Path, device: str, precision: str) -> None:
    run = trained(discs, tmp_path / "run", steps=2, device=device, precision=precision, **FAST)
    assert RunFolder(run).load_config().training.device == device
    resume(run, log=quiet, steps=4, device="cpu", precision="fp32")
    training = RunFolder(run).load_config().training
    assert training.device == "cpu" and training.precision == "fp32"
    assert all(bool(value.isfinite().all()) for value in state(run).values() if value.is_floating_point())

"""Tests of CycleGAN against values of the authors' code, computed in float64 and stored as float32."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_methods import build
from torch import Tensor

from unpaired.methods import base, cyclegan
from unpaired.methods.base import StepContext
from unpaired.testing.tiny_methods import create_loop

DATA = Path(__file__).parents[1] / "data_files"
ROLES = {"G": "G_A", "F": "G_B", "D_y": "D_A", "D_x": "D_B"}
LOSSES = {
    "G_A": ("generators", "adversarial"),
    "G_B": ("generators", "adversarial"),
    "cycle_A": ("generators", "cycle"),
    "cycle_B": ("generators", "cycle"),
    "idt_A": ("generators", "identity"),
    "idt_B": ("generators", "identity"),
    "D_A": ("discriminators", "adversarial"),
    "D_B": ("discriminators", "adversarial"),
}
"""Names of the authors' losses, in the order of a step here, with the player and loss that each belongs to."""


def in_order(trace: dict[str, Tensor], prefix: str) -> list[Tensor]:
    """Return the parameters of one of the authors' networks by layer, weight before bias."""
    keys = [key for key in trace if key.startswith(prefix + ".")]
    keys.sort(key=lambda key: ([int(n) for n in re.findall(r"\.(\d+)", key)], key.endswith("bias")))
    return [trace[key].double() for key in keys]


def near(got: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-6)


def recording(loss: Callable[..., Tensor], into: list[tuple[Tensor, Tensor]]) -> Callable[..., Tensor]:
    """Return the loss function, wrapped to record its first argument and its value."""

    def record(first: Tensor, *others: Tensor) -> Tensor:
        value = loss(first, *others)
        into.append((first.detach().clone(), value.detach()))
        return value

    return record


def test_images_losses_and_parameters_equal_those_of_the_authors(monkeypatch: pytest.MonkeyPatch) -> None:
    trace = load_file(DATA / "cyclegan_trace.safetensors")
    losses = json.loads((DATA / "cyclegan_trace_losses.json").read_text())
    small = {"width": 8, "discriminator_width": 8, "blocks": 6}
    method = build("cyclegan", small, size=64, pool_size=0)
    for role, theirs in ROLES.items():
        ours = list(method.get_submodule(role).parameters())
        for mine, its in zip(ours, in_order(trace, f"init.{theirs}"), strict=True):
            mine.data.copy_(its)
    called: list[tuple[Tensor, Tensor]] = []
    for module, name in ((cyclegan, "generator_loss"), (cyclegan, "l1"), (base, "discriminator_loss")):
        monkeypatch.setattr(module, name, recording(getattr(module, name), called))
    loop = create_loop(method)
    x, y = trace["real_A"].double(), trace["real_B"].double()
    with torch.no_grad():
        near(method.translate(x, "X", "Y"), trace["step0.fake_B"].double())
        near(method.translate(y, "Y", "X"), trace["step0.fake_A"].double())
    for step in range(3):
        called.clear()
        step_losses = loop.step([{"X": x, "Y": y}], StepContext(step, 0.0))
        weights = {name: method.loss_weight(*part, StepContext(step, 0.0)) for name, part in LOSSES.items()}
        values = {name: weights[name] * value.item() for name, (_, value) in zip(LOSSES, called, strict=True)}
        expected = dict(losses[step])
        whole = expected.pop("G_total")
        assert values == pytest.approx(expected, abs=1e-6, rel=0)
        generators = {t: step_losses[f"generators.{t}"].item() for t in ("adversarial", "cycle", "identity")}
        total = sum(
            value * method.loss_weight("generators", t, StepContext(step, 0.0)) for t, value in generators.items()
        )
        assert total == pytest.approx(whole, abs=1e-6, rel=0)
        if step == 0:
            for name, (image, _) in zip(("rec_A", "rec_B", "idt_A", "idt_B"), called[2:6], strict=True):
                near(image, trace[f"step0.{name}"].double())
    for role, theirs in ROLES.items():
        ours = list(method.get_submodule(role).parameters())
        for mine, its in zip(ours, in_order(trace, f"after3.{theirs}"), strict=True):
            near(mine.data, its)


def test_comparison_detects_a_learning_rate_off_by_one_percent() -> None:
    """Parameters change by much more than the tolerance, so the test detects a learning rate 1 % off."""
    trace = load_file(DATA / "cyclegan_trace.safetensors")
    for theirs in ROLES.values():
        before, after = in_order(trace, f"init.{theirs}"), in_order(trace, f"after3.{theirs}")
        moved = max((a - b).abs().max().item() for a, b in zip(after, before, strict=True))
        assert 0.01 * moved > 1e-6

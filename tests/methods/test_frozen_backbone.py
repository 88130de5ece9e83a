"""Tests of a frozen part of a role: it is saved and part of the EMA, but no optimizer changes it."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from tiny_methods import build
from torch import Tensor

from unpaired.methods.base import StepContext
from unpaired.runs.weights import collect_state
from unpaired.testing.tiny_methods import create_batches, create_loop


def frozen_parameters(role: torch.nn.Module) -> Iterator[Tensor]:
    """The parameters of a role's first convolution, which the test freezes."""
    yield from first_convolution(role).parameters()


def first_convolution(role: torch.nn.Module) -> torch.nn.Module:
    return next(module for module in role.modules() if isinstance(module, torch.nn.Conv2d))


def test_frozen_part_of_a_role_is_constant_and_saved() -> None:
    method = build("cyclegan")
    for role in ("G", "D_y"):
        first_convolution(method.get_submodule(role)).requires_grad_(False)
    before = {role: [p.clone() for p in frozen_parameters(method.get_submodule(role))] for role in ("G", "D_y")}
    loop = create_loop(method)
    trainable = {id(p) for optimizer in loop.optimizers.values() for p in optimizer.parameters}
    assert not any(id(p) in trainable for role in before for p in frozen_parameters(method.get_submodule(role)))
    moved = next(p for p in method.get_submodule("G").parameters() if p.requires_grad)
    start = moved.clone()
    for step, batch in enumerate(create_batches(method, 2)):
        loop.step([batch], StepContext(step, step / 2))
    assert not torch.equal(moved, start)
    for role, parameters in before.items():
        assert all(
            torch.equal(a, b) for a, b in zip(parameters, frozen_parameters(method.get_submodule(role)), strict=True)
        )
    averaged = loop.ema.method.get_submodule("G")
    assert all(torch.equal(a, b) for a, b in zip(before["G"], frozen_parameters(averaged), strict=True))
    names = {name for name, _ in method.get_submodule("G").named_parameters()}
    assert {f"G.{name}" for name in names} <= collect_state(method, ["G"]).keys()

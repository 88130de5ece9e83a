"""Tests that methods in the training loop equal reference implementations with explicit freezing and detaching."""

from __future__ import annotations

import copy
from typing import Any, Protocol

import pytest
import torch
from tiny_methods import LIGHT, build
from torch import Tensor, nn

from benchmarks.straight_line import Pool, StraightCycleGAN, StraightGAN, StraightUNIT
from unpaired.methods.base import ImagePool, Method, StepContext
from unpaired.testing.tiny_methods import NETWORKS, create_batches, create_loop
from unpaired.training.loop import derive_seed


class Straight(Protocol):
    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]: ...


def assert_equal_steps(method: Method, twin: Method, straight: Straight, steps: int, items: int = 1) -> None:
    """Run the same steps from the same initial weights; check that losses and parameters are equal in float64."""
    loop = create_loop(method)
    for step, batch in enumerate(create_batches(method, steps, items=items)):
        losses = loop.step([batch], StepContext(step, 0.0))
        torch.manual_seed(derive_seed(0, step, 0))
        expected = straight.step(batch["X"], batch["Y"])
        assert {k: v.item() for k, v in losses.items()} == pytest.approx(
            {k: v.item() for k, v in expected.items()}, abs=1e-10, rel=0
        )
    for (name, ours), theirs in zip(method.named_parameters(), twin.parameters(), strict=True):
        # A bias before an instance norm has no effect: its gradient is a rounding error, which Adam divides by 1e-8.
        tolerance = 1e-8 if name.endswith("bias") else 1e-10
        difference = (ours - theirs).abs().max().item()
        assert difference < tolerance, f"{name} differs by {difference}"


def twin_of(method: Method) -> tuple[Method, dict[str, nn.Module]]:
    twin = copy.deepcopy(method)
    return twin, dict(twin.named_children())


def assert_equal_pools(pool: nn.Module, expected_pool: Pool) -> None:
    assert isinstance(pool, ImagePool)
    torch.testing.assert_close(pool.memory, torch.cat(expected_pool.images), rtol=0, atol=1e-10)


@pytest.mark.parametrize("memory", [0, 4])
def test_cyclegan(memory: int) -> None:
    method = build("cyclegan", pool_size=memory)
    twin, nets = twin_of(method)
    straight = StraightCycleGAN(nets, memory=memory)
    assert_equal_steps(method, twin, straight, 14)
    if memory:
        assert_equal_pools(method.get_submodule("pool_x"), straight.pool_x)
        assert_equal_pools(method.get_submodule("pool_y"), straight.pool_y)


def test_cyclegan_without_identity_loss() -> None:
    method = build("cyclegan", identity_weight=0.0)
    twin, nets = twin_of(method)
    assert_equal_steps(method, twin, StraightCycleGAN(nets, identity=0.0), 4)


def test_image_pool_of_the_cyclegan_test_swaps_images() -> None:
    """The expected_pool swaps images in that test, so it would fail if the swaps differed."""
    with_memory, without = build("cyclegan", pool_size=4), build("cyclegan", pool_size=0)
    for method in (with_memory, without):
        loop = create_loop(method)
        for step, batch in enumerate(create_batches(method, 14)):
            loop.step([batch], StepContext(step, 0.0))
    discriminators = zip(
        with_memory.get_submodule("D_y").parameters(), without.get_submodule("D_y").parameters(), strict=True
    )
    assert max((a - b).abs().max().item() for a, b in discriminators) > 1e-5


def test_cyclegan_of_several_items_with_image_pool() -> None:
    method = build("cyclegan", pool_size=4)
    twin, nets = twin_of(method)
    assert_equal_steps(method, twin, StraightCycleGAN(nets, memory=4), 5, items=3)


@pytest.mark.parametrize("networks", [NETWORKS, {**LIGHT, "discriminator": "patch"}])
@pytest.mark.parametrize("depth", [None, 4])
def test_gan(depth: int | None, networks: dict[str, Any]) -> None:
    method = build("gan", networks, depth=depth, pool_size=4)
    twin, nets = twin_of(method)
    assert_equal_steps(method, twin, StraightGAN(nets, memory=4), 10)


@pytest.mark.parametrize("items", [1, 2])
def test_unit(items: int) -> None:
    method = build("unit")
    twin, nets = twin_of(method)
    assert_equal_steps(method, twin, StraightUNIT(nets), 6, items)

"""Tests of DualGAN against a reference implementation, with weight clipping and with the gradient penalty."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from test_straight_line import assert_equal_steps, twin_of
from tiny_methods import build
from torch import Tensor, nn

from benchmarks.straight_line import freeze
from unpaired.methods.base import StepContext
from unpaired.testing.tiny_methods import create_batches, create_loop
from unpaired.training.memory_limits import SavedTensors, estimate_step_bytes


class StraightDualGAN:
    """Reference implementation; `penalised` replaces weight clipping by the gradient penalty."""

    def __init__(self, nets: dict[str, nn.Module], penalised: bool, cycle: float = 500.0, turns: int = 3) -> None:
        self.G, self.F, self.D_x, self.D_y = (nets[name] for name in ("G", "F", "D_x", "D_y"))
        self.penalised, self.cycle, self.turns, self.steps = penalised, cycle, turns, 0
        generators, discriminators = (
            [*a.parameters(), *b.parameters()] for a, b in ((self.G, self.F), (self.D_x, self.D_y))
        )
        self.generator_optimizer = torch.optim.RMSprop(generators, lr=5e-5)
        self.discriminator_optimizer = torch.optim.RMSprop(discriminators, lr=5e-5)

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        fake_y, fake_x = self.G(x), self.F(y)
        discriminators = (self.D_x, self.D_y)
        freeze(discriminators, False)
        self.discriminator_optimizer.zero_grad()
        pairs = ((self.D_y, y, fake_y.detach()), (self.D_x, x, fake_x.detach()))
        discriminator_loss = torch.stack(
            [discriminator(fake).mean() - discriminator(real).mean() for discriminator, real, fake in pairs]
        ).sum()
        losses = {"discriminators.adversarial": discriminator_loss}
        if self.penalised:
            losses["discriminators.gradient_penalty"] = torch.stack([self.penalty(*pair) for pair in pairs]).sum()
        (discriminator_loss + 10 * losses.get("discriminators.gradient_penalty", torch.zeros(()))).backward()
        self.discriminator_optimizer.step()
        if not self.penalised:
            with torch.no_grad():
                for parameter in (p for discriminator in discriminators for p in discriminator.parameters()):
                    parameter.clamp_(-0.01, 0.01)
        if self.steps % self.turns == 0:
            freeze(discriminators, True)
            self.generator_optimizer.zero_grad()
            generator_loss = -self.D_y(fake_y).mean() - self.D_x(fake_x).mean()
            cycle = (self.F(fake_y) - x).abs().mean() + (self.G(fake_x) - y).abs().mean()
            (generator_loss + self.cycle * cycle).backward()
            self.generator_optimizer.step()
            losses |= {"generators.adversarial": generator_loss, "generators.cycle": cycle}
        self.steps += 1
        return losses

    def penalty(self, discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
        fraction = torch.rand(len(real), 1, 1, 1, dtype=real.dtype)
        excess = []
        for a, r, f in zip(fraction, real, fake, strict=True):
            between = (a * r + (1 - a) * f)[None].requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(between).mean(), between, create_graph=True)
            excess.append((slope.square().sum().sqrt() - 1).square())
        return torch.stack(excess).mean()


@pytest.mark.parametrize("items", [1, 2])
@pytest.mark.parametrize("lipschitz_constraint", ["weight-clip", "gradient-penalty"])
def test_steps_equal_a_reference_implementation(lipschitz_constraint: str, items: int) -> None:
    method = build("dualgan", lipschitz_constraint=lipschitz_constraint)
    twin, nets = twin_of(method)
    assert_equal_steps(method, twin, StraightDualGAN(nets, lipschitz_constraint == "gradient-penalty"), 5, items)


@pytest.mark.parametrize(
    ("settings", "largest"),
    [({}, 0.01), ({"weight_clip": 0.002}, 0.002), ({"lipschitz_constraint": "gradient-penalty"}, None)],
)
def test_weight_clipping_applies_only_to_discriminators(settings: dict[str, Any], largest: float | None) -> None:
    method = build("dualgan", **settings)
    loop = create_loop(method)
    loop.step(create_batches(method, 1)[0:1], StepContext(0, 0.0))
    sizes = {role: max(p.abs().max().item() for p in net.parameters()) for role, net in method.named_children()}
    assert sizes["G"] > 0.02 and sizes["F"] > 0.02
    assert sizes["D_x"] == sizes["D_y"] == largest if largest else min(sizes["D_x"], sizes["D_y"]) > 0.02


def test_memory_grows_linearly_with_the_micro_batches_that_keep_the_generators_graph() -> None:
    def measure_peak(count: int) -> float:
        method = build("dualgan")
        with SavedTensors() as saved:
            create_loop(method).step(create_batches(method, 1) * count, StepContext(0, 0.0))
        return saved.peak_bytes

    peaks = {count: measure_peak(count) for count in (1, 2, 4)}
    assert peaks[4] > 1.5 * peaks[1]
    assert estimate_step_bytes(4, 4, peaks.__getitem__) == pytest.approx(peaks[4], rel=0.02)

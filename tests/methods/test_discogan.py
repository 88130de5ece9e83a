"""Tests of DiscoGAN against a reference implementation, and of its weights and feature matching."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_straight_line import assert_equal_steps, twin_of
from tiny_methods import LIGHT, build
from torch import Tensor, nn

from benchmarks.straight_line import entropy, freeze
from unpaired.methods.base import StepContext, Turn


def extract_features(discriminator: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the scores and the outputs of all activations except the first."""
    found = []
    for layer in discriminator.children():
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            found.append(x.clone())
    return x, found[1:]


class StraightDiscoGAN:
    """Reference implementation after the authors' code: compute all losses, and use those of the moving player."""

    def __init__(self, nets: dict[str, nn.Module], later: bool) -> None:
        self.G, self.F, self.D_x, self.D_y = (nets[name] for name in ("G", "F", "D_x", "D_y"))
        self.rate, self.steps = 0.5 if later else 0.01, 0
        generators, discriminators = (
            [*a.parameters(), *b.parameters()] for a, b in ((self.G, self.F), (self.D_x, self.D_y))
        )
        settings = {"lr": 2e-4, "betas": (0.5, 0.999), "weight_decay": 1e-5}
        self.generator_optimizer = torch.optim.Adam(generators, **settings)  # type: ignore[arg-type]
        self.discriminator_optimizer = torch.optim.Adam(discriminators, **settings)  # type: ignore[arg-type]

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        is_discriminator_step = self.steps % 3 == 0
        self.steps += 1
        freeze((self.D_x, self.D_y), not is_discriminator_step)
        freeze((self.G, self.F), is_discriminator_step)
        fake_y, fake_x = self.G(x), self.F(y)
        discriminator_loss, generator_loss, features = (torch.zeros((), dtype=x.dtype) for _ in range(3))
        for discriminator, real, fake in ((self.D_y, y, fake_y), (self.D_x, x, fake_x)):
            (real_score, real_features), (fake_score, fake_features) = (
                extract_features(discriminator, real),
                extract_features(discriminator, fake),
            )
            discriminator_loss = discriminator_loss + entropy(real_score, True) + entropy(fake_score, False)
            generator_loss = generator_loss + entropy(fake_score, True)
            for r, f in zip(real_features, fake_features, strict=True):
                features = features + (r.mean(0) - f.mean(0)).square().mean()
        if is_discriminator_step:
            self.discriminator_optimizer.zero_grad()
            (0.5 * discriminator_loss).backward()
            self.discriminator_optimizer.step()
            return {"discriminators.adversarial": discriminator_loss}
        restored = F.mse_loss(self.F(fake_y), x) + F.mse_loss(self.G(fake_x), y)
        self.generator_optimizer.zero_grad()
        ((0.1 * generator_loss + 0.9 * features) * (1 - self.rate) + restored / 4 * self.rate).backward()
        self.generator_optimizer.step()
        return {
            "generators.adversarial": generator_loss,
            "generators.feature_matching": features,
            "generators.reconstruction": restored,
        }


@pytest.mark.parametrize("items", [1, 3])
@pytest.mark.parametrize("later", [False, True])
def test_steps_equal_a_reference_implementation(later: bool, items: int) -> None:
    method = build("discogan", reconstruction_switch=0 if later else 10_000)
    twin, nets = twin_of(method)
    assert_equal_steps(method, twin, StraightDiscoGAN(nets, later), 6, items)


@pytest.mark.parametrize(
    ("after", "early", "later"),
    [(10, StepContext(9, 0.9), StepContext(10, 0.0)), (0.25, StepContext(99, 0.2), StepContext(0, 0.25))],
)
def test_reconstruction_weight_starts_low_by_steps_or_budget_fraction(
    after: float, early: StepContext, later: StepContext
) -> None:
    method = build("discogan", reconstruction_switch=after)
    terms = ("adversarial", "feature_matching", "reconstruction")
    assert [method.loss_weight("generators", t, early) for t in terms] == pytest.approx([0.099, 0.891, 0.0025])
    assert [method.loss_weight("generators", t, later) for t in terms] == pytest.approx([0.05, 0.45, 0.125])
    assert method.loss_weight("discriminators", "adversarial", early) == 0.5


def test_feature_matching_is_zero_for_equal_items_with_augmentation() -> None:
    method = build("discogan", {**LIGHT, "augment": ("color", "translation", "cutout")})
    for role in ("G", "F"):
        setattr(method, role, nn.Identity())
    x = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    (turn,) = method.play({"X": x, "Y": x}, StepContext(1, 0.0))
    assert isinstance(turn, Turn) and turn.losses["feature_matching"] == 0

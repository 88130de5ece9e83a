"""DiscoGAN through the loop equals the same method written straight; its weights and what its critics share."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from test_straight_line import assert_equal_steps, twin_of
from tiny_methods import LIGHT, build
from torch import Tensor, nn

from benchmarks.straight_line import entropy, freeze
from unpaired.methods.base import StepContext, Turn


def seen(critic: nn.Module, x: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The scores, and what the activations after the first give."""
    found = []
    for layer in critic.children():
        x = layer(x)
        if isinstance(layer, nn.LeakyReLU):
            found.append(x.clone())
    return x, found[1:]


class StraightDiscoGAN:
    """As the authors' code: all losses are computed, and those of whose step it is are used."""

    def __init__(self, nets: dict[str, nn.Module], later: bool) -> None:
        self.G, self.F, self.D_x, self.D_y = (nets[name] for name in ("G", "F", "D_x", "D_y"))
        self.rate, self.steps = 0.5 if later else 0.01, 0
        generators, critics = ([*a.parameters(), *b.parameters()] for a, b in ((self.G, self.F), (self.D_x, self.D_y)))
        settings = {"lr": 2e-4, "betas": (0.5, 0.999), "weight_decay": 1e-5}
        self.generator_optimizer = torch.optim.Adam(generators, **settings)  # type: ignore[arg-type]
        self.critic_optimizer = torch.optim.Adam(critics, **settings)  # type: ignore[arg-type]

    def step(self, x: Tensor, y: Tensor) -> dict[str, Tensor]:
        critics_move = self.steps % 3 == 0
        self.steps += 1
        freeze((self.D_x, self.D_y), not critics_move)
        freeze((self.G, self.F), critics_move)
        fake_y, fake_x = self.G(x), self.F(y)
        spot, fool, features = (torch.zeros((), dtype=x.dtype) for _ in range(3))
        for critic, real, fake in ((self.D_y, y, fake_y), (self.D_x, x, fake_x)):
            (real_score, real_seen), (fake_score, fake_seen) = seen(critic, real), seen(critic, fake)
            spot = spot + entropy(real_score, True) + entropy(fake_score, False)
            fool = fool + entropy(fake_score, True)
            for r, f in zip(real_seen, fake_seen, strict=True):
                features = features + (r.mean(0) - f.mean(0)).square().mean()
        if critics_move:
            self.critic_optimizer.zero_grad()
            (0.5 * spot).backward()
            self.critic_optimizer.step()
            return {"discriminators.adversarial": spot}
        restored = F.mse_loss(self.F(fake_y), x) + F.mse_loss(self.G(fake_x), y)
        self.generator_optimizer.zero_grad()
        ((0.1 * fool + 0.9 * features) * (1 - self.rate) + restored / 4 * self.rate).backward()
        self.generator_optimizer.step()
        return {
            "generators.adversarial": fool,
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

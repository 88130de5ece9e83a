"""Tests of cyclegan's guess discriminator, which decides which of two images is the reconstruction."""

from __future__ import annotations

import pytest
import torch
from tiny_methods import build
from torch import Tensor

from unpaired.methods.base import StepContext
from unpaired.methods.cyclegan import guess_loss
from unpaired.networks.blocks import Role
from unpaired.testing.tiny_methods import create_batches, create_loop


class Brighter(torch.nn.Module):
    """Half the first channel minus half the second: 1 for white before black, -1 for the reverse."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, :1] - x[:, 1:]) / 2


def test_guess_loss_is_small_for_the_correct_order_and_pulls_the_pair_together() -> None:
    discriminator = Role(Brighter())
    white, black = torch.ones(2, 1, 4, 4), -torch.ones(2, 1, 4, 4, requires_grad=True)
    # Scores 1 and -1: (1 - 1)^2 + (-1)^2 in the correct order, (-1 - 1)^2 + 1^2 in the reverse.
    right, wrong = guess_loss(discriminator, white, black), guess_loss(discriminator, black, white)
    assert (right.item(), wrong.item()) == (1.0, 5.0)
    (gradient,) = torch.autograd.grad(wrong, black)
    assert (gradient < 0).all(), "a reconstruction darker than its input is to become brighter"


def test_zero_weight_builds_no_discriminator_and_changes_no_value() -> None:
    plain, without, with_it = (
        build("cyclegan"),
        build("cyclegan", guess_weight=0.0),
        build("cyclegan", guess_weight=2.0),
    )
    assert plain.state_dict().keys() == without.state_dict().keys() < with_it.state_dict().keys()
    losses = [create_loop(method).step(create_batches(method, 1), StepContext(0, 0.0)) for method in (plain, with_it)]
    assert losses[1].keys() - losses[0].keys() == {"generators.guess", "discriminators.guess"}
    shared = ("generators.cycle", "generators.adversarial")
    assert [losses[1][name].item() for name in shared] == pytest.approx([losses[0][name].item() for name in shared])

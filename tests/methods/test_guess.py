"""The guess critic of cyclegan: which of two pictures is the reconstruction."""

from __future__ import annotations

import pytest
import torch
from tiny_methods import build, loop_of, random_batches
from torch import Tensor

from unpaired.methods.base import StepContext
from unpaired.methods.cyclegan import guess_loss
from unpaired.networks.blocks import Role


class Brighter(torch.nn.Module):
    """Half the first channel less half the second: 1 for white before black, -1 the other way round."""

    def forward(self, x: Tensor) -> Tensor:
        return (x[:, :1] - x[:, 1:]) / 2


def test_guess_loss_is_small_for_the_correct_order_and_pulls_the_pair_together() -> None:
    critic = Role(Brighter())
    white, black = torch.ones(2, 1, 4, 4), -torch.ones(2, 1, 4, 4, requires_grad=True)
    # scores 1 and -1: (1 - 1)^2 + (-1)^2 the right way round, (-1 - 1)^2 + 1^2 the other.
    right, wrong = guess_loss(critic, white, black), guess_loss(critic, black, white)
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
    terms = [loop_of(method).step(random_batches(method, 1), StepContext(0, 0.0)) for method in (plain, with_it)]
    assert terms[1].keys() - terms[0].keys() == {"generators.guess", "discriminators.guess"}
    shared = ("generators.cycle", "generators.adversarial")
    assert [terms[1][name].item() for name in shared] == pytest.approx([terms[0][name].item() for name in shared])

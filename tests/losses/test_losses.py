from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor

from unpaired.losses.adversarial import AnyAdversarialLoss, discriminator_loss, generator_loss
from unpaired.losses.distances import l1, mse
from unpaired.losses.prior import kl_divergence, kl_divergence_unit_variance

KINDS: tuple[AnyAdversarialLoss, ...] = ("lsgan", "bce", "hinge", "wgan")


def double(*numbers: float) -> Tensor:
    return torch.tensor(numbers, dtype=torch.float64, requires_grad=True)


def log_sigmoid(x: float) -> float:
    return -math.log(1 + math.exp(-x))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lsgan", (0.25 + 9) / 2),  # scores .5 and -2: (.5 - 1)^2, (-2 - 1)^2
        ("bce", -(log_sigmoid(0.5) + log_sigmoid(-2)) / 2),
        ("hinge", 0.75),
        ("wgan", 0.75),
    ],
)
def test_generator_loss_equals_computed_values(kind: AnyAdversarialLoss, expected: float) -> None:
    assert generator_loss(double(0.5, -2), kind).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lsgan", (1 + 4) / 2 + (0.25 + 4) / 2),  # real 2, -1; fake .5, -2
        ("bce", -(log_sigmoid(2) + log_sigmoid(-1)) / 2 - (log_sigmoid(-0.5) + log_sigmoid(2)) / 2),
        ("hinge", (0 + 2) / 2 + (1.5 + 0) / 2),
        ("wgan", -0.75 - 0.5),
    ],
)
def test_discriminator_loss_equals_computed_values(kind: AnyAdversarialLoss, expected: float) -> None:
    assert discriminator_loss(double(2, -1), double(0.5, -2), kind).item() == pytest.approx(expected, abs=1e-12)


def test_least_squares_are_zero_at_their_targets() -> None:
    assert generator_loss(torch.ones(2, 1, 3, 3)) == 0
    assert discriminator_loss(torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3)) == 0
    assert discriminator_loss(torch.ones(3), -torch.ones(3), "hinge") == 0
    assert discriminator_loss(torch.full((3,), 50.0), torch.full((3,), -50.0), "bce").item() == pytest.approx(
        0, abs=1e-12
    )


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_descent_increases_generator_scores(kind: AnyAdversarialLoss) -> None:
    scores = double(-0.5, 0.3)
    generator_loss(scores, kind).backward()
    assert scores.grad is not None and (scores.grad < 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient_descent_separates_real_and_fake_scores(kind: AnyAdversarialLoss) -> None:
    real, fake = double(-0.5, 0.3), double(0.5, 0.1)
    discriminator_loss(real, fake, kind).backward()
    assert real.grad is not None and (real.grad < 0).all()
    assert fake.grad is not None and (fake.grad > 0).all()


def test_hinge_has_no_gradient_beyond_the_margin() -> None:
    real, fake = double(1.5), double(-1.5)
    discriminator_loss(real, fake, "hinge").backward()
    assert real.grad == 0 and fake.grad == 0


def test_bce_stays_finite_for_huge_scores() -> None:
    scores = torch.tensor([-1e4, 1e4])
    assert generator_loss(scores, "bce").item() == 5000
    assert discriminator_loss(scores, scores, "bce").item() == 10000


def test_discriminator_loss_weights_real_and_fake_batches_equally() -> None:
    one, many = torch.full((1,), 3.0), torch.full((7,), 2.0)
    assert discriminator_loss(one, many).item() == 4 + 4


def test_l1_equals_computed_values() -> None:
    assert l1(double(1, -2, 0), double(0, 1, 0)).item() == pytest.approx(4 / 3, abs=1e-12)
    x = torch.randn(2, 3, 4, 4)
    assert l1(x, x) == 0


def test_l1_gradient_points_to_the_target() -> None:
    x = double(1, -1)
    l1(x, double(0, 0)).backward()
    assert x.grad is not None
    torch.testing.assert_close(x.grad, torch.tensor([0.5, -0.5], dtype=torch.float64))


def test_unit_normal_prior_is_twice_the_divergence_per_element() -> None:
    mean = double(1, -3)
    term = kl_divergence_unit_variance(mean)
    assert term.item() == 5
    codes = torch.distributions.Normal(mean, torch.ones_like(mean))
    target = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    torch.testing.assert_close(term, 2 * torch.distributions.kl_divergence(codes, target).mean())
    term.backward()
    torch.testing.assert_close(mean.grad, mean.detach())
    assert kl_divergence_unit_variance(torch.zeros(4)) == 0


def test_squared_distance_equals_computed_values() -> None:
    assert mse(double(1, -2, 0), double(0, 1, 0)).item() == pytest.approx(10 / 3, abs=1e-12)
    x = double(1, -1)
    mse(x, double(0, 0)).backward()
    torch.testing.assert_close(x.grad, x.detach())


def test_normal_prior_is_the_divergence_per_element() -> None:
    mean, log_variance = double(1, -3, 0), double(0, math.log(4), -1)
    codes = torch.distributions.Normal(mean, (log_variance / 2).exp())
    target = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
    term = kl_divergence(mean, log_variance)
    torch.testing.assert_close(term, torch.distributions.kl_divergence(codes, target).mean())
    assert term.item() == pytest.approx((0.5 + (9 + 4 - math.log(4) - 1) / 2 + math.exp(-1) / 2) / 3, abs=1e-12)
    assert kl_divergence(torch.zeros(4), torch.zeros(4)) == 0


def discriminator_loss_of(x: Tensor, kind: AnyAdversarialLoss) -> Tensor:
    return discriminator_loss(x, x.flip(0), kind)


TERMS: dict[str, Callable[[Tensor], Tensor]] = {
    "l1": lambda x: l1(x, x.flip(0)),
    "squared": lambda x: mse(x, x.flip(0)),
    "normal": lambda x: kl_divergence(x, x.flip(0)),
    "unit_normal": kl_divergence_unit_variance,
    **{f"generator {kind}": partial(generator_loss, kind=kind) for kind in KINDS},
    **{f"discriminator {kind}": partial(discriminator_loss_of, kind=kind) for kind in KINDS},
}


@pytest.mark.parametrize("name", TERMS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
def test_losses_are_scalars_in_at_least_float32(name: str, dtype: torch.dtype) -> None:
    x = torch.linspace(-3, 3, 32).reshape(2, 1, 4, 4).to(dtype)
    term = TERMS[name](x)
    wide = torch.float64 if dtype == torch.float64 else torch.float32
    assert term.shape == () and term.dtype == wide
    torch.testing.assert_close(term, TERMS[name](x.to(wide)), rtol=0, atol=0)


@pytest.mark.parametrize("name", TERMS)
def test_loss_gradients_match_finite_differences(name: str) -> None:
    x = torch.tensor([[0.3, -0.4, 2.2], [0.7, -1.3, 0.1]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(TERMS[name], (x,))

"""Tests of the gradient penalty against computed gradients and a loop implementation."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from unpaired.losses.gradient_penalty import gradient_penalty


def batch(*items: tuple[float, ...], dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.tensor(items, dtype=dtype)


def test_penalty_of_a_linear_discriminator_equals_computed_values() -> None:
    """D(x) = 3 a - 4 b has gradient norm 5 everywhere: the penalty is 16, and its gradient 2 (5 - 1) w / 5."""
    weights = torch.tensor([3.0, -4.0], dtype=torch.float64, requires_grad=True)
    real, fake = batch((1, 2), (0, -1)), batch((3, 5), (1, 1))
    penalty = gradient_penalty(lambda x: (x * weights).sum(1), real, fake)
    assert penalty.item() == pytest.approx(16, abs=1e-12)
    penalty.backward()
    torch.testing.assert_close(weights.grad, torch.tensor([4.8, -6.4], dtype=torch.float64))


def test_penalty_is_zero_for_gradient_norm_one_and_finite_for_zero() -> None:
    real, fake = torch.randn(2, 3, 1, 4, 4, dtype=torch.float64)
    assert gradient_penalty(lambda x: x.flatten(1).sum(1) / 4, real, fake).item() == pytest.approx(0, abs=1e-12)
    scale = torch.zeros((), dtype=torch.float64, requires_grad=True)
    penalty = gradient_penalty(lambda x: (x * scale).sum(), real, fake)
    penalty.backward()
    assert penalty == 1 and scale.grad is not None and scale.grad.isfinite()


def test_points_are_between_each_real_item_and_its_fake() -> None:
    """D(x) = x^2 / 2 has the gradient x: between 3 and 5 the penalty is in (4, 16), with one random point per item."""
    seen: list[Tensor] = []

    def discriminator(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.square().sum(1) / 2

    torch.manual_seed(0)
    real, fake = torch.full((50, 1), 3.0), torch.full((50, 1), 5.0)
    penalty = gradient_penalty(discriminator, real, fake)
    assert seen[0].min() > 3 and seen[0].max() < 5 and seen[0].unique().numel() > 40
    assert penalty.item() == pytest.approx((seen[0] - 1).square().mean().item(), rel=1e-5)


def test_scores_are_summed_per_item_as_in_a_loop_implementation() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Conv2d(4, 1, 3)).double()
    real, fake = torch.randn(2, 3, 2, 8, 8, dtype=torch.float64)
    torch.manual_seed(1)
    penalty = gradient_penalty(net, real, fake)
    torch.manual_seed(1)
    share = torch.rand(3, 1, 1, 1, dtype=torch.float64)
    slow = 0.0
    for a, r, f in zip(share, real, fake, strict=True):
        x = (a * r + (1 - a) * f).requires_grad_()
        total = sum(score for score in net(x[None]).flatten())
        assert isinstance(total, Tensor)
        slow += (torch.autograd.grad(total, x)[0].square().sum().sqrt().item() - 1) ** 2
    assert penalty.item() == pytest.approx(slow / 3, abs=1e-12)


def test_gradient_reaches_only_the_discriminator_and_matches_finite_differences() -> None:
    torch.manual_seed(0)
    real, fake = torch.randn(2, 2, 1, 5, 5, dtype=torch.float64, requires_grad=True)

    def of(weight: Tensor) -> Tensor:
        torch.manual_seed(3)
        return gradient_penalty(lambda x: torch.tanh(nn.functional.conv2d(x, weight)), real, fake)

    weight = torch.randn(1, 1, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(of, (weight,))
    assert all(g is None for g in torch.autograd.grad(of(weight), [real, fake], allow_unused=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_float32_under_autocast_and_for_half_inputs(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    net = nn.Conv2d(1, 1, 3)
    real, fake = torch.randn(2, 2, 1, 5, 5).to(dtype)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        penalty = gradient_penalty(net, real, fake)
        assert torch.is_autocast_enabled("cpu")
    torch.manual_seed(1)
    assert penalty.dtype == torch.float32
    assert torch.equal(penalty, gradient_penalty(net, real.float(), fake.float()))


def test_penalty_of_a_compiled_discriminator_uses_eager_layers() -> None:
    class Critic(nn.Conv2d):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).tanh()

    calls: list[int] = []

    def backend(graph: torch.fx.GraphModule, _: object) -> Callable[..., object]:
        calls.append(1)
        return graph.forward

    torch.manual_seed(0)
    net, (real, fake) = Critic(1, 2, 3), torch.randn(2, 2, 1, 6, 6)
    torch.manual_seed(1)
    plain = gradient_penalty(net, real, fake)
    net.compile(backend=backend)
    torch.manual_seed(1)
    assert torch.equal(gradient_penalty(net, real, fake), plain) and not calls
    net(real)
    assert calls

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from unpaired.config.settings import Norm
from unpaired.networks.blocks import NonAffineGroupNorm, ResidualBlock, conv, norm
from unpaired.parameters import count_parameters


def gradients(net: nn.Module, x: Tensor, upstream: Tensor) -> tuple[Tensor, Tensor]:
    x = x.detach().clone(memory_format=torch.preserve_format).requires_grad_()
    y = net(x)
    y.backward(upstream)
    assert x.grad is not None
    return y, x.grad


def test_non_affine_group_norm_equals_instance_norm() -> None:
    torch.manual_seed(0)
    x, upstream = torch.randn(2, 4, 5, 6, dtype=torch.float64) * 3 + 1, torch.randn(2, 4, 5, 6, dtype=torch.float64)
    ours = gradients(norm("instance", 4), x, upstream)
    theirs = gradients(nn.InstanceNorm2d(4), x, upstream)
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_non_affine_group_norm_equals_manual_computation(groups: int) -> None:
    x = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    y = NonAffineGroupNorm(groups)(x)
    for item in range(2):
        for group in range(groups):
            part = x[item].chunk(groups)[group]
            expected = (part - part.mean()) / (part.var(correction=0) + 1e-5).sqrt()
            torch.testing.assert_close(y[item].chunk(groups)[group], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 3e-2)]
)
@pytest.mark.parametrize("kind", ["instance", "group", "none"])
@pytest.mark.parametrize("shape", [(2, 32, 6, 6), (1, 32, 4, 8)])
def test_norms_have_correct_gradients_in_channels_last(
    kind: Norm, shape: tuple[int, ...], dtype: torch.dtype, tolerance: float
) -> None:
    """Every dtype and memory layout has its own kernel; all must agree with contiguous float64."""
    torch.manual_seed(0)
    x, upstream = torch.randn(2, *shape, dtype=torch.float64).to(dtype)
    net = norm(kind, 32)
    plain = gradients(net.double(), x.double(), upstream.double())
    for layout in (torch.contiguous_format, torch.channels_last):
        for upstream_layout in (torch.contiguous_format, torch.channels_last):
            given = x.contiguous(memory_format=layout), upstream.contiguous(memory_format=upstream_layout)
            y, gradient = gradients(net.to(dtype), *given)
            torch.testing.assert_close((y.double(), gradient.double()), plain, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_residual_block_passes_the_gradient_check(layout: torch.memory_format) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, "instance").double().to(memory_format=layout)  # type: ignore[call-overload]
    x = torch.randn(1, 4, 4, 4, dtype=torch.float64).contiguous(memory_format=layout).requires_grad_()
    assert torch.autograd.gradcheck(block, (x,))


def test_residual_block_with_zero_weights_is_the_identity() -> None:
    block = ResidualBlock(4, "none")
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 4, 5, 5)
    assert torch.equal(block(x), x)


@pytest.mark.parametrize(("kernel", "stride", "size"), [(3, 1, 10), (7, 1, 10), (3, 2, 5)])
def test_conv_keeps_or_halves_the_size(kernel: int, stride: int, size: int) -> None:
    assert conv(1, 2, kernel, "reflect", stride)(torch.zeros(1, 1, 10, 10)).shape == (1, 2, size, size)


def test_shared_parameters_are_counted_once() -> None:
    a, b = nn.Linear(2, 3), nn.Linear(3, 4)
    b.bias = a.bias
    assert count_parameters(a) == 9 and count_parameters(a, b) == 9 + 12 == count_parameters(nn.Sequential(a, b), a)

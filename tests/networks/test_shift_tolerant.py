"""The network of ST-LPIPS against a slow loop with random weights; with the extra, also its weights."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unpaired import packages
from unpaired.errors import UsageError, WorkError
from unpaired.networks import shift_tolerant
from unpaired.networks.shift_tolerant import WIDTHS, BlurPool, PerceptualDistance, ShiftTolerantAlexNet

needs_extra = pytest.mark.skipif(not shift_tolerant.is_available(), reason="the extra 'judges' is not installed")


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def reflect(i: int, size: int) -> int:
    """Index in 0..size-1 of a position outside, mirrored at the border pixels."""
    return -i if i < 0 else 2 * (size - 1) - i if i >= size else i


def test_the_blur_is_binomial_and_reflects_two_pixels() -> None:
    x = pictures(1, 2, 6, 5).double()
    found = BlurPool()(x)
    assert found.shape == (1, 2, 4, 4)
    weights = (0.25, 0.5, 0.25)
    for c in range(2):
        for i in range(4):
            for j in range(4):
                total = 0.0
                for a, wa in enumerate(weights):
                    for b, wb in enumerate(weights):
                        total += wa * wb * x[0, c, reflect(2 * i + a - 2, 6), reflect(2 * j + b - 2, 5)].item()
                assert found[0, c, i, j].item() == pytest.approx(total)


def test_the_stages_of_the_trunk_are_those_of_alexnet() -> None:
    maps = ShiftTolerantAlexNet()(pictures(1, 3, 64, 64))
    # 64 -> 58 by the first convolution, 30 by a blur; pooled to 28, blurred to 15; pooled to 13, blurred to 8.
    assert [tuple(m.shape[1:]) for m in maps] == [
        (WIDTHS[0], 30, 30),
        (WIDTHS[1], 15, 15),
        *((width, 8, 8) for width in WIDTHS[2:]),
    ]
    assert all(m.min() >= 0 for m in maps)


def test_the_distance_is_the_weighted_sum_of_normalized_differences() -> None:
    network = PerceptualDistance().eval()
    with torch.no_grad():
        for parameter in network.channel_weights:
            parameter.copy_(pictures(len(parameter), seed=3).abs())
        x, y = pictures(2, 3, 32, 28), pictures(2, 3, 32, 28, seed=1)
        found = network(x, y)
        for n in range(2):
            expected = 0.0
            for a, b, w in zip(
                network.trunk(x[n : n + 1]), network.trunk(y[n : n + 1]), network.channel_weights, strict=True
            ):
                height, width = a.shape[2:]
                for i in range(height):
                    for j in range(width):
                        p, q = (m[0, :, i, j] / m[0, :, i, j].norm().clamp(min=1e-10) for m in (a, b))
                        expected += (w * (p - q) ** 2).sum().item() / (height * width)
            assert found[n].item() == pytest.approx(expected, rel=1e-4)
        assert network(x, x).abs().max() == 0


def test_raises_errors_without_the_extra_and_for_damaged_weights(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(shift_tolerant, "PACKAGE", "no_such_package_anywhere")
    assert not shift_tolerant.is_available()
    with pytest.raises(UsageError, match=r"pip install 'unpaired\[judges\]'"):
        shift_tolerant.load()
    spec = ModuleSpec("package", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(packages, "find_spec", lambda _: spec)
    with pytest.raises(WorkError, match=r"alex_shift_tolerant\.pth"):
        shift_tolerant.load()
    path = shift_tolerant.locate_weights()
    path.parent.mkdir(parents=True)
    torch.save({"unknown": torch.zeros(1)}, path)
    with pytest.raises(WorkError, match=r"alex_shift_tolerant\.pth"):
        shift_tolerant.load()


@needs_extra
def test_weights_are_read_without_importing_the_package() -> None:
    before = torch.get_rng_state()
    network = shift_tolerant.load()
    assert shift_tolerant.PACKAGE not in sys.modules
    assert torch.equal(before, torch.get_rng_state())
    saved = torch.load(shift_tolerant.locate_weights(), map_location="cpu", weights_only=True)
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    names = ("slice1.0", "slice2.5", "slice3.9", "slice4.11", "slice5.13")
    for module, name, i in zip(convolutions, names, range(5), strict=True):
        assert torch.equal(module.weight, saved[f"net.{name}.weight"])
        assert module.bias is not None and torch.equal(module.bias, saved[f"net.{name}.bias"])
        assert torch.equal(network.channel_weights[i], saved[f"lin{i}.model.1.weight"].flatten())
    x = pictures(1, 3, 4, 4).repeat_interleave(16, 2).repeat_interleave(16, 3)
    with torch.no_grad():  # values of the reference implementation, stlpips-pytorch 0.0.2
        shifted = network(x, x.roll(1, 3)).item()
        noisy = network(x, (x + 0.3 * pictures(1, 3, 64, 64, seed=1)).clamp(-1, 1)).item()
    assert shifted == pytest.approx(0.009867090, abs=1e-5) and noisy == pytest.approx(0.222678751, abs=1e-5)

"""Measures between pictures against hand-worked values and a slow loop."""

from __future__ import annotations

import itertools
import math
import statistics

import pytest
import torch
from torch import Tensor

from unpaired.metrics.paired import edge_correlation, gaussian_ssim, l1, psnr, ssim


def pictures(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def test_l1_and_psnr_by_hand_one_value_per_picture() -> None:
    x, y = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    y[0, 0] = 0.3
    y[1] = 1
    assert l1(x, y).tolist() == pytest.approx([0.1, 1.0])
    assert psnr(x, y).tolist() == pytest.approx([15.2287875, 0.0])


def test_psnr_of_equal_pictures_is_100() -> None:
    x = pictures(1, 1, 4, 4)
    assert psnr(x, x).item() == 100
    assert psnr(x, x + 1e-7).item() == 100


def test_ssim_equals_a_slow_loop() -> None:
    x, y = pictures(1, 2, 10, 9), pictures(1, 2, 10, 9, seed=1)
    y = 0.5 * x + 0.5 * y
    found = []
    for c in range(2):
        for top in range(4):
            for left in range(3):
                a, b = (t[0, c, top : top + 7, left : left + 7].flatten().tolist() for t in (x, y))
                m, n = statistics.mean(a), statistics.mean(b)
                cov = statistics.covariance(a, b)
                top_part = (2 * m * n + 0.0001) * (2 * cov + 0.0009)
                low_part = (m * m + n * n + 0.0001) * (statistics.variance(a) + statistics.variance(b) + 0.0009)
                found.append(top_part / low_part)
    assert ssim(x, y).item() == pytest.approx(statistics.mean(found), abs=1e-6)


def test_gaussian_ssim_equals_a_slow_loop() -> None:
    x, noise = pictures(1, 2, 13, 12), pictures(1, 2, 13, 12, seed=1)
    y = 0.5 * x + 0.5 * noise
    weights = torch.tensor([[math.exp(-(i * i + j * j) / 4.5) for j in range(-5, 6)] for i in range(-5, 6)]).double()
    weights /= weights.sum()
    values = []
    for channel, top, left in itertools.product(range(2), range(3), range(2)):
        a, b = (t[0, channel, top : top + 11, left : left + 11].double() for t in (x, y))
        m, n = (weights * a).sum(), (weights * b).sum()
        variances = (weights * (a - m) ** 2).sum() + (weights * (b - n) ** 2).sum()
        covariance = (weights * (a - m) * (b - n)).sum()
        values.append((2 * m * n + 1e-4) * (2 * covariance + 9e-4) / ((m**2 + n**2 + 1e-4) * (variances + 9e-4)))
    assert gaussian_ssim(x, y).item() == pytest.approx(torch.stack(values).mean().item(), abs=1e-6)
    assert gaussian_ssim(torch.cat([x, y]), torch.cat([x, x])).shape == (2,)
    with pytest.raises(ValueError, match="10 x 13"):
        gaussian_ssim(x[..., :10], y[..., :10])


def test_ssim_knows_equal_inverted_and_flat() -> None:
    x = pictures(2, 3, 16, 16)
    assert ssim(x, x).tolist() == pytest.approx([1, 1])
    assert (ssim(x, 1 - x) < -0.5).all()
    flat = torch.full((1, 1, 8, 8), 0.25)
    assert ssim(flat, flat * 2).item() == pytest.approx((2 * 0.125 + 0.0001) / (0.0625 + 0.25 + 0.0001))


def test_edges_disregard_color_and_inverted_contrast_and_not_place() -> None:
    x = pictures(2, 3, 16, 16)
    gray = x.mean(1, keepdim=True)
    assert edge_correlation(x, 1 - x).tolist() == pytest.approx([1, 1])
    assert edge_correlation(x, 0.3 * gray + 0.2).tolist() == pytest.approx([1, 1], abs=1e-5)
    assert (edge_correlation(x, pictures(2, 3, 16, 16, seed=5)).abs() < 0.3).all()
    assert (edge_correlation(x, torch.full_like(x, 0.5)) == 0).all()


def test_edge_correlation_by_hand() -> None:
    # 3 x 4: two inner pixels, so two gradients each; two different values correlate at 1 or -1.
    x, y = torch.zeros(1, 1, 3, 4), torch.zeros(1, 1, 3, 4)
    x[0, 0, 1, 0] = 1
    y[0, 0, 1, 3] = 1
    assert edge_correlation(x, x).item() == pytest.approx(1)
    assert edge_correlation(x, y).item() == pytest.approx(-1)


def test_unequal_shapes_and_small_sides_are_errors() -> None:
    with pytest.raises(ValueError, match="expected equal"):
        l1(pictures(1, 1, 4, 4), pictures(1, 1, 4, 5))
    with pytest.raises(ValueError, match="expected equal"):
        edge_correlation(pictures(1, 1, 4, 4), pictures(1, 1, 4, 5))
    with pytest.raises(ValueError, match="7 x 7"):
        ssim(pictures(1, 1, 6, 9), pictures(1, 1, 6, 9))

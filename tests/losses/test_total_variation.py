from __future__ import annotations

import math

import torch

from unpaired.losses.classification import class_cross_entropy
from unpaired.losses.total_variation import total_variation


def test_total_variation_equals_computed_values() -> None:
    x = torch.tensor([[[[0.0, 3.0], [4.0, 0.0]]]])
    # (0,0): right 3, down 4 -> 5; (0,1): down -3 -> 3; (1,0): right -4 -> 4; (1,1): none
    assert total_variation(x).item() == (5 + 3 + 4 + 0) / 4


def test_constant_image_has_zero_total_variation_and_finite_gradient() -> None:
    x = torch.full((2, 3, 4, 5), 0.3, requires_grad=True)
    total_variation(x).backward()
    assert total_variation(x).item() == 0 and x.grad is not None and not x.grad.any()


def test_gradient_lowers_a_peak_and_half_precision_is_converted() -> None:
    x = torch.zeros(1, 1, 3, 3)
    x[0, 0, 1, 1] = 1
    x.requires_grad_()
    total_variation(x).backward()
    assert x.grad is not None and x.grad[0, 0, 1, 1] > 0 and x.grad[0, 0, 1, 2] < 0
    assert total_variation(x.detach().bfloat16()).dtype == torch.float32


def test_class_cross_entropy_averages_over_views_and_positions() -> None:
    even = torch.zeros(2, 6, 2, 2)
    assert math.isclose(class_cross_entropy(even, 1, 3).item(), math.log(3), rel_tol=1e-6)
    scores = torch.zeros(1, 6, 1, 1)
    scores[0, 1], scores[0, 5] = math.log(2), math.log(4)
    # first view: 2 of 1 + 2 + 1; second: 1 of 1 + 1 + 4
    assert math.isclose(class_cross_entropy(scores, 1, 3).item(), (math.log(4 / 2) + math.log(6 / 1)) / 2, rel_tol=1e-6)
    assert class_cross_entropy(20 * torch.tensor([[0.0, 1.0, 0.0]]), 1, 3) < 1e-6


def test_class_cross_entropy_increases_the_class_score() -> None:
    scores = torch.zeros(2, 3, 2, 2, requires_grad=True)
    class_cross_entropy(scores, 2, 3).backward()
    assert scores.grad is not None and (scores.grad[:, 2] < 0).all() and (scores.grad[:, :2] > 0).all()

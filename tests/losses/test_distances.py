from __future__ import annotations

import pytest
import torch

from unpaired.losses.distances import feature_matching


def test_distance_of_means_equals_computed_values() -> None:
    """Means (2, 0) and (1, 1) give (1 + 1) / 2; 3 and 1 in a second layer give 4."""
    some = [torch.tensor([[1.0, 0], [3, 0]]), torch.tensor([[3.0]])]
    others = [torch.tensor([[1.0, 2], [1, 0]]), torch.tensor([[1.0]])]
    assert feature_matching(some, others).item() == 5


def test_only_the_means_of_batches_count() -> None:
    x = torch.randn(4, 3, 2, 2)
    assert feature_matching([x], [x]) == 0
    assert feature_matching([x], [x.flip(0)]).item() == pytest.approx(0, abs=1e-12)


def test_gradient_descent_reduces_the_distance_of_means_in_at_least_float32() -> None:
    x = torch.tensor([[1.0], [3.0]], requires_grad=True)
    feature_matching([x], [torch.zeros(2, 1)]).backward()
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full((2, 1), 2.0))
    assert feature_matching([x.bfloat16()], [x.bfloat16()]).dtype == torch.float32
    with pytest.raises(ValueError, match="shorter"):
        feature_matching([x, x], [x])

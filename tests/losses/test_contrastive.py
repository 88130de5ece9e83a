"""Tests of the contrastive loss against a loop implementation and computed values."""

from __future__ import annotations

import math

import pytest
import torch

from unpaired.losses.contrastive import info_nce, multilayer_nce


def test_loss_equals_a_loop_implementation() -> None:
    torch.manual_seed(0)
    queries, keys = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    total = 0.0
    for item in range(3):
        for i in range(5):
            q = queries[item, i].tolist()
            alike = []
            for j in range(5):
                k = keys[item, j].tolist()
                dot = sum(a * b for a, b in zip(q, k, strict=True))
                alike.append(math.exp(dot / math.hypot(*q) / math.hypot(*k) / 0.3))
            total -= math.log(alike[i] / sum(alike))
    assert info_nce(queries, keys, 0.3).item() == pytest.approx(total / 15, abs=1e-12)


def test_loss_equals_computed_values() -> None:
    """Two orthogonal patches: exp(1/t) for the own key, exp(0) for the other; the reverse if they are exchanged."""
    codes = torch.tensor([[[2.0, 0], [0, 0.5]]], dtype=torch.float64)
    assert info_nce(codes, codes, 0.5).item() == pytest.approx(math.log(1 + math.exp(-2)), abs=1e-12)
    assert info_nce(codes, codes.flip(1), 0.5).item() == pytest.approx(math.log(1 + math.exp(2)), abs=1e-12)


def test_equal_codes_give_the_logarithm_of_the_number_of_patches() -> None:
    assert info_nce(torch.ones(2, 7, 3), torch.ones(2, 7, 3)).item() == pytest.approx(math.log(7), abs=1e-6)
    assert info_nce(torch.randn(2, 1, 3), torch.randn(2, 1, 3)) == 0


def test_other_items_are_not_negatives() -> None:
    torch.manual_seed(0)
    queries, keys = torch.randn(2, 2, 6, 4, dtype=torch.float64)
    apart = (info_nce(queries[:1], keys[:1]) + info_nce(queries[1:], keys[1:])) / 2
    torch.testing.assert_close(info_nce(queries, keys), apart, rtol=0, atol=1e-12)


def test_gradient_descent_moves_a_query_to_its_key() -> None:
    torch.manual_seed(0)
    queries, keys = torch.randn(2, 1, 6, 4, dtype=torch.float64)
    queries.requires_grad_()
    (slope,) = torch.autograd.grad(info_nce(queries, keys), queries)
    nearer = torch.cosine_similarity(queries - 1e-3 * slope, keys, dim=-1)
    before = torch.cosine_similarity(queries, keys, dim=-1)
    assert (nearer - before).mean() > 0
    assert torch.autograd.gradcheck(lambda q, k: info_nce(q, k, 0.5), (queries, keys.clone().requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_float32_under_autocast_and_for_half_codes(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    queries, keys = torch.randn(2, 2, 6, 4).to(dtype)
    with torch.autocast("cpu", torch.bfloat16):
        term = info_nce(queries, keys)
    assert term.dtype == torch.float32
    assert torch.equal(term, info_nce(queries.float(), keys.float()))


def test_layers_have_equal_weight_for_any_number_of_patches() -> None:
    torch.manual_seed(0)
    one, other = torch.randn(2, 1, 8, 4), torch.randn(2, 1, 3, 4)
    expected = (info_nce(one[0], one[1], 0.2) + info_nce(other[0], other[1], 0.2)) / 2
    torch.testing.assert_close(multilayer_nce([one[0], other[0]], [one[1], other[1]], 0.2), expected)
    with pytest.raises(ValueError, match="shorter"):
        multilayer_nce([one[0], other[0]], [one[1]])

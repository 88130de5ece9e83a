"""KID and FID compared with slow loops and closed forms; bias and standard errors."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from unpaired.metrics import kid as module
from unpaired.metrics.kid import explain_fid_bias, fid, kid, kid_estimate, kid_of_real_halves


def normal(n: int, d: int, seed: int, shift: float = 0.0, scale: float = 1.0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale + shift


def test_kid_equals_a_slow_loop_over_pairs() -> None:
    x, y = normal(5, 3, 0).tolist(), normal(4, 3, 1, shift=0.5).tolist()

    def kernel(a: list[float], b: list[float]) -> float:
        return float((sum(p * q for p, q in zip(a, b, strict=True)) / 3 + 1) ** 3)

    within = [
        sum(kernel(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j) / (len(s) * (len(s) - 1))
        for s in (x, y)
    ]
    across = sum(kernel(a, b) for a in x for b in y) / 20
    expected = sum(within) - 2 * across
    assert kid(torch.tensor(x), torch.tensor(y)) == pytest.approx(expected, rel=1e-5)


def test_kid_by_hand() -> None:
    # D = 1: k(0, 0) = 1, k(2, 2) = 27... pairs (0, 1): 1; (2, 3): 343; across: 1, 1, 27, 64.
    value = kid(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [3.0]]))
    assert value == pytest.approx(1 + 343 - 2 * (1 + 1 + 27 + 64) / 4)


def test_kid_is_unbiased_for_equal_distributions() -> None:
    values = torch.tensor([kid(normal(20, 4, 2 * i), normal(20, 4, 2 * i + 1)) for i in range(400)])
    assert abs(values.mean()) < 3 * values.std() / 20
    assert (values < 0).any()


def test_float32_features_are_compared_in_float64() -> None:
    x, y = normal(50, 8, 0, shift=30).float(), normal(50, 8, 1, shift=30).float()
    assert kid(x, y) == pytest.approx(kid(x.double(), y.double()), rel=1e-9)


def test_estimate_of_small_sets_uses_all_items_and_has_a_calibrated_error() -> None:
    estimates = [kid_estimate(normal(60, 4, 2 * i, shift=0.4), normal(60, 4, 2 * i + 1)) for i in range(60)]
    assert estimates[3].value == pytest.approx(kid(normal(60, 4, 6, shift=0.4), normal(60, 4, 7)))
    scatter = torch.tensor([e.value for e in estimates]).std().item()
    stated = torch.tensor([e.error for e in estimates]).mean().item()
    assert 0.7 < stated / scatter < 1.4


def test_estimate_of_large_sets_uses_subsets(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = normal(400, 4, 0, shift=0.4), normal(300, 4, 1)
    whole = kid_estimate(x, y)
    monkeypatch.setattr(module, "MAX_EXACT_ITEMS", 100)
    parts = kid_estimate(x, y, subset=60, subsets=100)
    assert parts.value != whole.value
    assert abs(parts.value - whole.value) < 2 * whole.error
    assert 0.5 < parts.error / whole.error < 2


def test_estimates_are_repeatable_and_do_not_change_the_global_random_state() -> None:
    x, y = normal(30, 4, 0), normal(30, 4, 1)
    before = torch.get_rng_state()
    assert kid_estimate(x, y) == kid_estimate(x, y)
    assert kid_of_real_halves(x) == kid_of_real_halves(x)
    assert torch.equal(before, torch.get_rng_state())


def test_error_of_tiny_sets_is_infinite() -> None:
    assert math.isinf(kid_estimate(normal(3, 2, 0), normal(9, 2, 1)).error)


def test_kid_of_real_halves_is_below_kid_of_different_sets() -> None:
    real = normal(80, 4, 0)
    floor = kid_of_real_halves(real)
    assert 0 < floor < kid(real, normal(80, 4, 1, shift=0.5))
    assert kid_of_real_halves(torch.ones(8, 4)) == pytest.approx(0, abs=1e-12)


def test_fid_of_known_moments() -> None:
    # Four points with mean 0 and covariance diag(a, b): +-sqrt(3 a / 2) and +-sqrt(3 b / 2) on the axes.
    def cross(a: float, b: float, shift: float) -> Tensor:
        p, q = math.sqrt(1.5 * a), math.sqrt(1.5 * b)
        return torch.tensor([[p, 0], [-p, 0], [0, q], [0, -q]], dtype=torch.float64) + shift

    expected = 2 * 3.0**2 + (math.sqrt(4) - math.sqrt(1)) ** 2 + (math.sqrt(9) - math.sqrt(2)) ** 2
    assert fid(cross(4, 9, 0), cross(1, 2, 3)) == pytest.approx(expected)


def test_fid_equals_the_root_by_eigenvalues_and_both_forms_agree() -> None:
    x, y = normal(40, 6, 0), normal(30, 6, 1, shift=0.3, scale=1.5)
    product = torch.cov(x.T) @ torch.cov(y.T)
    root = torch.linalg.eigvals(product).real.clamp(min=0).sqrt().sum()
    expected = (x.mean(0) - y.mean(0)).square().sum() + torch.cov(x.T).trace() + torch.cov(y.T).trace() - 2 * root
    assert fid(x, y) == pytest.approx(expected.item(), rel=1e-9)
    # Fewer items than dimensions: padding with zero dimensions selects the other formula and gives the same value.
    wide = [torch.cat((s, torch.zeros(len(s), 50, dtype=s.dtype)), 1) for s in (x, y)]
    assert fid(*wide) == pytest.approx(expected.item(), rel=1e-9)


def test_fid_of_equal_sets_is_zero_and_small_sets_give_a_warning() -> None:
    x = normal(20, 30, 0)
    assert fid(x, x) == pytest.approx(0, abs=1e-9)
    warning = explain_fid_bias(x, x)
    assert warning is not None and "20 items" in warning and "30 dimensions" in warning
    assert explain_fid_bias(torch.empty(2048, 10), torch.empty(3000, 10)) is None
    assert explain_fid_bias(torch.empty(2048, 2048), torch.empty(3000, 2048)) is not None


@pytest.mark.parametrize("measure", [kid, fid, kid_estimate])
def test_raises_value_error_for_wrong_shapes(measure: object) -> None:
    assert callable(measure)
    with pytest.raises(ValueError, match="expected"):
        measure(torch.zeros(3, 4), torch.zeros(3, 5))
    with pytest.raises(ValueError, match="at least 2"):
        measure(torch.zeros(1, 4), torch.zeros(3, 4))

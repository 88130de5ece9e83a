"""Spent fraction of the budget, learning rate schedule and schedule of evaluations."""

from __future__ import annotations

import pytest

from unpaired.runs.progress import Budget
from unpaired.training.schedule import compute_lr_factor, is_evaluation_due


def test_spent_fraction_of_steps_and_minutes() -> None:
    assert Budget(200, None).spent_fraction(50, 1e9) == 0.25
    assert Budget(None, 2.0).spent_fraction(10**6, 30.0) == 0.25
    assert Budget(10, None).spent_fraction(11, 0) == 1


def test_learning_rate_is_constant_then_linear_to_zero() -> None:
    assert [compute_lr_factor(s, 0.5) for s in (0.0, 0.5, 0.75, 1.0)] == [1.0, 1.0, 0.5, 0.0]
    assert compute_lr_factor(0.3, 1.0) == 1.0


def test_remaining_time() -> None:
    assert Budget(100, None).remaining_s(40, 0, 2.0) == 120
    assert Budget(None, 1.0).remaining_s(40, 15, 2.0) == 45


def test_evaluation_is_due_at_tenths_within_a_tenth_of_the_time() -> None:
    assert is_evaluation_due(0.2, 0.19, spent_s=100, evaluation_s=0, cost_s=5)
    assert not is_evaluation_due(0.25, 0.2, spent_s=100, evaluation_s=0, cost_s=5)
    assert not is_evaluation_due(0.3, 0.2, spent_s=30, evaluation_s=2, cost_s=5)


@pytest.mark.parametrize(("step_s", "cost_s"), [(1.0, 0.1), (1.0, 5.0), (1.0, 30.0)])
def test_evaluations_of_a_run_take_under_a_tenth_of_the_time(step_s: float, cost_s: float) -> None:
    spent, evaluations, last = 0.0, 0.0, 0.0
    for step in range(1, 1000):
        spent += step_s
        if is_evaluation_due(step / 1000, last, spent, evaluations, cost_s):
            last = step / 1000
            evaluations += cost_s
    evaluations += cost_s  # the final evaluation
    assert cost_s < evaluations <= 0.1 * spent

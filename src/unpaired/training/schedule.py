"""What follows from the share of the budget that is spent: the rates, and when to evaluate."""

from __future__ import annotations


def compute_lr_factor(budget_fraction: float, lr_decay_start: float) -> float:
    """The learning rate's factor: 1 until `decay_from` of the budget, then linearly to zero at its end."""
    return 1.0 if budget_fraction <= lr_decay_start else max(0.0, (1 - budget_fraction) / (1 - lr_decay_start))


def is_evaluation_due(
    budget_fraction: float, last_fraction: float, spent_s: float, evaluation_s: float, cost_s: float
) -> bool:
    """Whether to evaluate now, when unset: at every tenth of the budget, if all evaluations stay under a tenth of it.

    `evaluation_s` were spent on evaluations so far; one is expected to take `cost_s`, and there will be one at the end.
    """
    return (
        int(budget_fraction * 10) > int(last_fraction * 10)
        and evaluation_s + 2 * cost_s <= 0.1 * spent_s / budget_fraction
    )

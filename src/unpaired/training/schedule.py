"""Schedules over the spent fraction of the budget: learning rate and evaluations."""

from __future__ import annotations


def compute_lr_factor(budget_fraction: float, lr_decay_start: float) -> float:
    """Return the learning rate factor: 1 until `lr_decay_start` of the budget, then linear to 0 at its end."""
    return 1.0 if budget_fraction <= lr_decay_start else max(0.0, (1 - budget_fraction) / (1 - lr_decay_start))


def is_evaluation_due(
    budget_fraction: float, last_fraction: float, spent_s: float, evaluation_s: float, cost_s: float
) -> bool:
    """Return whether to evaluate now if no interval is set: at every tenth of the budget, within a tenth of the time.

    `evaluation_s` seconds were spent on evaluations so far. One takes about `cost_s` seconds, and the end of training
    needs one more.
    """
    return (
        int(budget_fraction * 10) > int(last_fraction * 10)
        and evaluation_s + 2 * cost_s <= 0.1 * spent_s / budget_fraction
    )

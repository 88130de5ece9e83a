"""Report of a training step for the callback `on_step`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class StepReport:
    """Argument of `on_step`: number of finished steps, spent fraction of the budget in [0, 1], seconds and losses.

    `losses` maps `player.loss` to the unweighted value. On a GPU it is empty in most steps, because reading the values
    would synchronize the device.
    """

    step: int
    budget_fraction: float
    spent_s: float
    losses: Mapping[str, float]


OnStep = Callable[[StepReport], bool | None]
"""Callback that the first rank calls after each step; if it returns False, training saves its state and stops."""

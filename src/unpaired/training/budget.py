"""How much of a run is spent, and what follows from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Steps or minutes (exactly one is set). Minutes count the time in steps alone, summed over resumes."""

    steps: int | None
    minutes: float | None

    def share(self, step: int, spent_s: float) -> float:
        """The share spent after `step` steps and `spent_s` seconds of steps, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.minutes is not None
        return min(1.0, spent_s / (60 * self.minutes))

    def remaining_s(self, step: int, spent_s: float, step_s: float) -> float:
        """Seconds of steps still to come, from the present seconds per step."""
        if self.steps is not None:
            return max(0, self.steps - step) * step_s
        assert self.minutes is not None
        return max(0.0, 60 * self.minutes - spent_s)

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.minutes:g} minutes"


def rate_factor(share: float, decay_from: float) -> float:
    """The learning rate's factor: 1 until `decay_from` of the budget, then linearly to zero at its end."""
    return 1.0 if share <= decay_from else max(0.0, (1 - share) / (1 - decay_from))


def evaluation_due(share: float, last_share: float, spent_s: float, evaluation_s: float, cost_s: float) -> bool:
    """Whether to evaluate now, when unset: at every tenth of the budget, if all evaluations stay under a tenth of it.

    `evaluation_s` were spent on evaluations so far; one is expected to take `cost_s`, and there will be one at the end.
    """
    return int(share * 10) > int(last_share * 10) and evaluation_s + 2 * cost_s <= 0.1 * spent_s / share

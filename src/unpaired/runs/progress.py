"""Where a run stands: what is done, of which budget, and which checkpoints are saved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from unpaired.config.settings import StrictModel


class Progress(StrictModel):
    """Where a run stands. The step counts finished steps; the next step's data and randomness follow from it.

    `best_value` is the value of the medium's validation metric at `best_step`.
    """

    step: int = 0
    spent_s: float = 0.0
    evaluation_s: float = 0.0
    evaluated_fraction: float = 0.0
    evaluation_cost_s: float = 0.0
    best_step: int | None = None
    best_value: float | None = None
    world_size: int = 1


@dataclass(frozen=True)
class Budget:
    """Steps or minutes (exactly one is set). Minutes count the time in steps alone, summed over resumes."""

    steps: int | None
    minutes: float | None

    def spent_fraction(self, step: int, spent_s: float) -> float:
        """Return the fraction spent after `step` steps and `spent_s` seconds of steps, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.minutes is not None
        return min(1.0, spent_s / (60 * self.minutes))

    def remaining_s(self, step: int, spent_s: float, step_s: float) -> float:
        """Return the seconds of steps still to come, from the present seconds per step."""
        if self.steps is not None:
            return max(0, self.steps - step) * step_s
        assert self.minutes is not None
        return max(0.0, 60 * self.minutes - spent_s)

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.minutes:g} minutes"


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints in `folder`, oldest first."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if re.fullmatch(r"step-\d{9}", p.name))

"""Progress of a run: finished steps, budget, and saved checkpoints."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from unpaired.config.settings import StrictModel


class Progress(StrictModel):
    """Progress of a run. `step` is the number of finished steps, which determines the next step's data and randomness.

    `spent_s` and `evaluation_s` are the seconds of steps and of evaluations so far; `evaluated_fraction` is the spent
    fraction of the budget at the last evaluation, which took `evaluation_cost_s` seconds. `best_value` is the value of
    the medium's validation metric at `best_step`, and `evaluations_since_best` the number of values that were measured
    later. `pending_fraction` is the spent fraction before the last step if training was interrupted before its samples
    and its evaluation, which the resumed run then makes. `world_size` is the number of ranks.
    """

    step: int = 0
    spent_s: float = 0.0
    evaluation_s: float = 0.0
    evaluated_fraction: float = 0.0
    evaluation_cost_s: float = 0.0
    best_step: int | None = None
    best_value: float | None = None
    evaluations_since_best: int = 0
    pending_fraction: float | None = None
    world_size: int = 1

    def is_out_of_patience(self, patience: int | None) -> bool:
        """Return whether `patience` evaluations have not improved the validation metric; False if it is None."""
        return patience is not None and self.evaluations_since_best >= patience


@dataclass(frozen=True)
class Budget:
    """Training budget in steps or in minutes (exactly one is set).

    Minutes include only training steps, summed over all resumptions.
    """

    steps: int | None
    minutes: float | None

    def spent_fraction(self, step: int, spent_s: float) -> float:
        """Return the fraction spent after `step` steps and `spent_s` seconds of steps, in [0, 1]."""
        if self.steps is not None:
            return min(1.0, step / self.steps)
        assert self.minutes is not None
        return min(1.0, spent_s / (60 * self.minutes))

    def remaining_s(self, step: int, spent_s: float, step_s: float) -> float:
        """Return the remaining seconds of training if a step takes `step_s` seconds."""
        if self.steps is not None:
            return max(0, self.steps - step) * step_s
        assert self.minutes is not None
        return max(0.0, 60 * self.minutes - spent_s)

    def __str__(self) -> str:
        return f"{self.steps} steps" if self.steps is not None else f"{self.minutes:g} minutes"


_REPLACED_SUFFIX = ".old"
_CHECKPOINT_NAME = re.compile(r"step-\d{9}(\.old)?")


def list_checkpoints(folder: Path) -> list[Path]:
    """Return the complete checkpoints in `folder`, oldest first.

    One that is being replaced counts until its replacement has its name: a killed process may have left it.
    """
    if not folder.is_dir():
        return []
    replaced = set(list_replaced_checkpoints(folder))
    return sorted(p for p in folder.glob("step-*") if _CHECKPOINT_NAME.fullmatch(p.name) and p not in replaced)


def list_replaced_checkpoints(folder: Path) -> list[Path]:
    """Return old checkpoints whose replacement is complete."""
    return [p for p in folder.glob(f"step-*{_REPLACED_SUFFIX}") if p.with_suffix("").exists()]


def get_replaced_path(checkpoint: Path) -> Path:
    """Return the name of a checkpoint while one of the same step replaces it."""
    return checkpoint.with_name(f"{checkpoint.name}{_REPLACED_SUFFIX}")

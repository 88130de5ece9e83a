"""Plan of a depth search (`stages.json`) and the rule that chooses the depth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from unpaired.atomic import atomic_write
from unpaired.config.settings import StrictModel
from unpaired.errors import UsageError, WorkError
from unpaired.metrics.base import Metric
from unpaired.metrics.significance import significantly_lower

PLAN_FILE = "stages.json"
TRIAL_DEPTHS = (2, 4, 6, 8)
"""Generator depths in the order of the trials."""
TRIAL_BUDGET_DIVISOR = 8
"""Each trial gets 1 / 8 of the budget; the deep run gets the remainder, at least half."""
EXTRA_DEPTH = 4
"""Default number of layers that the deep generator has more than the chosen one."""


class DepthSearchPlan(StrictModel):
    """Arguments of a depth search; its intermediate results are in the runs in the same folder."""

    format: int = 1
    data: tuple[str, ...]
    method: str
    preset: str | None
    config: str | None
    pairs: bool
    threshold: float | None = Field(description="value of the validation metric (KID x1000) at which a depth suffices")
    steps: int | None = Field(description="total budget in steps")
    minutes: float | None = Field(description="total budget in minutes")
    settings: dict[str, Any] = Field(description="settings for `train`, without the budget")

    def get_stage_budget(self, trial_count: int | None = None) -> dict[str, Any]:
        """Return the budget of one trial; with `trial_count`, the budget of the deep run after that many trials."""
        if self.steps is not None:
            trial_steps = max(1, self.steps // TRIAL_BUDGET_DIVISOR)
            return {"steps": trial_steps if trial_count is None else max(1, self.steps - trial_count * trial_steps)}
        assert self.minutes is not None
        trial_minutes = self.minutes / TRIAL_BUDGET_DIVISOR
        return {"minutes": trial_minutes if trial_count is None else self.minutes - trial_count * trial_minutes}

    def write(self, folder: Path) -> None:
        """Write the plan atomically; raises WorkError."""
        with atomic_write(folder / PLAN_FILE) as temporary:
            temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_plan(folder: Path) -> DepthSearchPlan:
    """Read the plan from a folder; raises WorkError if it is missing or damaged."""
    try:
        return DepthSearchPlan.model_validate_json((folder / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise WorkError(f"{folder / PLAN_FILE}: cannot be read as the plan of a depth search ({error})") from error


@dataclass(frozen=True)
class DepthTrial:
    """Result of a trial: the validation metric with its standard error, and its reference value for real items."""

    depth: int
    metric: Metric
    value: float
    error: float
    reference: float

    def __str__(self) -> str:
        return f"depth {self.depth}: {self.metric.short} {self.value:.0f} (+- {self.error:.0f})"


def choose_depth(trials: Sequence[DepthTrial], threshold: float | None, is_last: bool) -> DepthTrial | None:
    """Return the shallowest sufficient depth; None if a deeper one must be tried; the best depth after the last trial.

    With a `threshold`, a depth suffices if its value reaches the threshold. Without one, a depth suffices if its value
    does not differ significantly from that of real items, or if the next depth is not significantly better.
    """
    newest = trials[-1]
    loss = newest.metric.loss
    if threshold is not None:
        if loss(newest.value) <= loss(threshold):
            return newest
    elif not significantly_lower(loss(newest.reference), loss(newest.value), newest.error):
        return newest
    elif len(trials) > 1:
        previous = trials[-2]
        if not significantly_lower(loss(newest.value), loss(previous.value), newest.error, previous.error):
            return previous
    return min(trials, key=lambda trial: loss(trial.value)) if is_last else None


def compute_max_depth(size: int) -> int:
    """Return the maximum depth (even) of a generator for items of `size`: two layers per halving of the size."""
    halvings = (size & -size).bit_length() - 1
    return 2 * halvings


def list_trial_depths(size: int, deep_depth: int | None) -> list[int]:
    """Return the depths to try for items of `size`, all below `deep_depth` (None: unbounded).

    Raises UsageError if `deep_depth` allows no trial.
    """
    max_depth = compute_max_depth(size) if deep_depth is None else deep_depth - 1
    trial_depths = [depth for depth in TRIAL_DEPTHS if depth <= max_depth]
    if not trial_depths:
        raise UsageError(
            f"--depth {deep_depth}: expected more than {TRIAL_DEPTHS[0]}, the depth of the shallowest trial"
        )
    return trial_depths

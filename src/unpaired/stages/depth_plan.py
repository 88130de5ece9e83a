"""What a search for a depth is asked to do, as it stands in its folder, and how it decides."""

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
"""Depths that are tried, in this order."""
TRIAL_BUDGET_DIVISOR = 8
"""Each trial gets this fraction of the budget (one part in 8); the deep run gets the rest, at least half."""
EXTRA_DEPTH = 4
"""Layers by which the deep generator is deeper than the one found, unless a depth is given."""


class DepthSearchPlan(StrictModel):
    """The arguments of a search; what was found so far is in the runs beside it."""

    format: int = 1
    data: tuple[str, ...]
    method: str
    preset: str | None
    config: str | None
    pairs: bool
    threshold: float | None = Field(
        description="value of the validation metric (KID x1000) from which a depth suffices, if any"
    )
    steps: int | None = Field(description="the whole budget, in steps")
    minutes: float | None = Field(description="the whole budget, in minutes")
    settings: dict[str, Any] = Field(description="as given to `train`, without budget")

    def get_stage_budget(self, trial_count: int | None = None) -> dict[str, Any]:
        """Return the budget of a trial, or after `trial_count` trials that of the deep run."""
        if self.steps is not None:
            trial_steps = max(1, self.steps // TRIAL_BUDGET_DIVISOR)
            return {"steps": trial_steps if trial_count is None else max(1, self.steps - trial_count * trial_steps)}
        assert self.minutes is not None
        trial_minutes = self.minutes / TRIAL_BUDGET_DIVISOR
        return {"minutes": trial_minutes if trial_count is None else self.minutes - trial_count * trial_minutes}

    def write(self, folder: Path) -> None:
        """Write it whole or not at all; raises WorkError."""
        with atomic_write(folder / PLAN_FILE) as temporary:
            temporary.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_plan(folder: Path) -> DepthSearchPlan:
    """Read the plan in a folder of stages; raises WorkError where it is damaged."""
    try:
        return DepthSearchPlan.model_validate_json((folder / PLAN_FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise WorkError(f"{folder / PLAN_FILE}: cannot be read as a plan of stages ({error})") from error


@dataclass(frozen=True)
class DepthTrial:
    """A trained depth: the validation metric with its standard error, and that of real items against real ones."""

    depth: int
    metric: Metric
    value: float
    error: float
    reference: float

    def __str__(self) -> str:
        return f"depth {self.depth}: {self.metric.short} {self.value:.0f} (+- {self.error:.0f})"


def choose_depth(trials: Sequence[DepthTrial], threshold: float | None, is_last: bool) -> DepthTrial | None:
    """Return the shallowest sufficient depth, or None where a deeper one is to be tried; after the last, the best.

    A depth suffices if its value is under the threshold. Without one: a depth whose translations do not differ from
    real items, or one that the next depth does not beat; two standard errors are within chance.
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
    """Return the most layers (an even number) of a stack for pictures of this size: it halves them half as often."""
    halvings = (size & -size).bit_length() - 1
    return 2 * halvings


def list_trial_depths(size: int, deep_depth: int | None) -> list[int]:
    """Return the depths to try for pictures of `size`, all below `deep_depth` (None: no stack, so no bound)."""
    max_depth = compute_max_depth(size) if deep_depth is None else deep_depth - 1
    trial_depths = [depth for depth in TRIAL_DEPTHS if depth <= max_depth]
    if not trial_depths:
        raise UsageError(
            f"--depth {deep_depth}: the deep generator must be deeper than the shallowest, {TRIAL_DEPTHS[0]}"
        )
    return trial_depths

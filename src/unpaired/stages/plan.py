"""What a search for a depth is asked to do, as it stands in its folder, and how it decides."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from unpaired.atomic import whole
from unpaired.errors import UsageError, WorkError
from unpaired.evaluation.standing import SURE
from unpaired.settings import Section

FILE = "stages.json"
DEPTHS = (2, 4, 6, 8)
"""The depths that are tried, in this order."""
TRIAL = 8
"""Each trial gets one part in so many of the budget; the deep run gets what is left, at least half."""
DEEPER = 4
"""By so many layers the deep generator is deeper than the one found, unless a depth is asked for."""


class Plan(Section):
    """All that a search needs to begin, or to go on; what was found so far stands in the runs beside it."""

    format: int = 1
    data: tuple[str, ...]
    method: str
    preset: str | None
    config: str | None
    pairs: bool
    threshold: float | None = Field(description="KID x 1000 under which a depth is enough, if any")
    steps: int | None = Field(description="the whole budget, in steps")
    minutes: float | None = Field(description="the whole budget, in minutes")
    settings: dict[str, Any] = Field(description="as given to `train`, without budget")

    def budget(self, trials: int | None = None) -> dict[str, Any]:
        """The budget of a trial, or after so many `trials` that of the deep run."""
        if self.steps is not None:
            each = max(1, self.steps // TRIAL)
            return {"steps": each if trials is None else max(1, self.steps - trials * each)}
        assert self.minutes is not None
        each_minutes = self.minutes / TRIAL
        return {"minutes": each_minutes if trials is None else self.minutes - trials * each_minutes}

    def write(self, folder: Path) -> None:
        """Write it whole or not at all; raises WorkError."""
        with whole(folder / FILE) as part:
            part.write_text(self.model_dump_json(indent=1) + "\n", encoding="utf-8")


def read_plan(folder: Path) -> Plan:
    """The plan in a folder of stages; raises WorkError where it is damaged."""
    try:
        return Plan.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValidationError, UnicodeDecodeError) as error:
        raise WorkError(f"{folder / FILE}: cannot be read as a plan of stages ({error})") from error


@dataclass(frozen=True)
class Trial:
    """A trained depth: its KID to the target on held-back items with its standard error, and that of real to real."""

    depth: int
    kid: float
    error: float
    floor: float

    def __str__(self) -> str:
        return f"depth {self.depth}: KID {self.kid:.0f} (+- {self.error:.0f})"


def enough(trials: Sequence[Trial], threshold: float | None, last: bool) -> Trial | None:
    """The shallowest depth that is enough, or None where a deeper one is to be tried; after the `last`, the nearest.

    Enough is a KID under the threshold. Without one: a depth whose translations cannot be told from real pictures, or
    one that the next does not beat; two standard errors are within chance.
    """
    newest = trials[-1]
    if threshold is not None:
        if newest.kid <= threshold:
            return newest
    elif newest.kid <= newest.floor + SURE * newest.error:
        return newest
    elif len(trials) > 1:
        before = trials[-2]
        if before.kid - newest.kid <= SURE * math.hypot(before.error, newest.error):
            return before
    return min(trials, key=lambda trial: trial.kid) if last else None


def deepest(size: int) -> int:
    """The most layers (an even number) of a stack for pictures of this size: it halves them half as many times."""
    halvings = (size & -size).bit_length() - 1
    return 2 * halvings


def depths(size: int, deep: int | None) -> list[int]:
    """The depths to try for pictures of `size`, all below `deep`, the deep run's (None: no stack, so no bound)."""
    most = deepest(size) if deep is None else deep - 1
    found = [depth for depth in DEPTHS if depth <= most]
    if not found:
        raise UsageError(f"--depth {deep}: the deep generator must be deeper than the shallowest, {DEPTHS[0]}")
    return found

"""What a command that trains does when it is interrupted."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from unpaired.training.trainer import TrainingInterrupt


def report_interrupt(interrupt: TrainingInterrupt) -> int:
    """Say how to go on; returns the exit code. Other ranks' is 0, for a launcher kills the first when one fails."""
    if not str(interrupt):
        return 0
    sys.stderr.write(f"{interrupt}\n")
    return 128 + interrupt.signal

"""What a command that trains does when it is interrupted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unpaired.console import log_to_terminal

if TYPE_CHECKING:
    from unpaired.training.trainer import TrainingInterrupt


def report_interrupt(interrupt: TrainingInterrupt) -> int:
    """Say how to go on; returns the exit code. Other ranks' is 0, for a launcher kills the first when one fails."""
    if not str(interrupt):
        return 0
    log_to_terminal(str(interrupt))
    return 128 + interrupt.signal

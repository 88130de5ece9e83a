"""Exit of a training command after an interrupt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from unpaired.console import log_to_terminal

if TYPE_CHECKING:
    from unpaired.training.trainer import TrainingInterrupt


def report_interrupt(interrupt: TrainingInterrupt) -> int:
    """Log how to continue and return the exit code.

    The code is 0 on ranks other than 0, because a launcher kills rank 0 when another rank fails.
    """
    if not str(interrupt):
        return 0
    log_to_terminal(str(interrupt))
    return 128 + interrupt.signal

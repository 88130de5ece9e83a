"""What a person sees while something works: lines, a bar, and durations in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LogCallback = Callable[[str], None]
"""Takes a whole line that a person should read."""
ProgressCallback = Callable[[int, int], None]
"""Told how much of the work is done, and of how much."""


def ignore_progress(done: int, total: int) -> None:
    """Show no progress."""


def log_to_terminal(message: str) -> None:
    """Write a line to standard error, where progress belongs (results go to standard output)."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


def format_duration(seconds: float) -> str:
    """Seconds as a person reads them: `48 s`, `12 min 5 s`, `3 h 20 min`."""
    total_s = round(seconds)
    if total_s < 60:
        return f"{total_s} s"
    if total_s < 3600:
        return f"{total_s // 60} min {total_s % 60} s"
    return f"{total_s // 3600} h {total_s % 3600 // 60} min"


@contextmanager
def progress_bar(description: str) -> Iterator[ProgressCallback]:
    """A bar on standard error from the first progress on, so that what goes wrong before stands alone."""
    # here, for most who import this module show no bar
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    bar = Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    task = bar.add_task(description, total=None)

    def advance(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()

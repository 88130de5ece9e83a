"""What a person sees while something works: lines, a bar, and durations in words."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]
"""Takes a whole line that a person should read."""
Advance = Callable[[int, int], None]
"""Told how much of the work is done, and of how much."""


def unseen(done: int, total: int) -> None:
    """Show no progress."""


def to_terminal(words: str) -> None:
    """Write a line to standard error, where progress belongs (results go to standard output)."""
    sys.stderr.write(words + "\n")
    sys.stderr.flush()


def duration(seconds: float) -> str:
    """Seconds as a person reads them: `48 s`, `12 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


@contextmanager
def progress_bar(words: str) -> Iterator[Advance]:
    """A bar on standard error from the first progress on, so that what goes wrong before stands alone."""
    # here, for most who import this module show no bar
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    bar = Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    )
    task = bar.add_task(words, total=None)

    def advance(done: int, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()

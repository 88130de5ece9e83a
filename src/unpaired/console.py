"""What a person sees while something works: lines, a bar, and durations in words."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

LogCallback = Callable[[str], None]
"""Receives a whole line that a person should read."""
ProgressCallback = Callable[[int, int], None]
"""Receives how much of the work is done, and of how much."""


def ignore_progress(done: int, total: int) -> None:
    """Show no progress."""


def prepare_streams() -> None:
    """Make standard output and error take every text: letters that their encoding lacks are escaped, and a stream that
    was closed before the start becomes one that goes nowhere.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence_stream(stream: TextIO | None) -> None:
    """Send what is still written to a broken stream nowhere, its buffer at the interpreter's end included."""
    with suppress(OSError, ValueError, AttributeError):
        assert stream is not None
        target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, stream.fileno())
        os.close(target)


def log_to_terminal(message: str) -> None:
    """Write a line to standard error, where progress belongs (results go to standard output).

    A terminal or pipe that is gone does not end the work: an hour of training must not depend on its listener.
    """
    stream = TolerantStream(sys.stderr)
    stream.write(message + "\n")
    stream.flush()


class TolerantStream:
    """A text stream that goes on, silently, once its terminal or pipe is gone."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` where that is possible; returns its length."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Flush where that is possible."""
        self._try("flush")

    def _try(self, name: str, *arguments: Any) -> None:
        try:
            getattr(self._stream, name)(*arguments)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            escaped = [text.encode(encoding, "backslashreplace").decode(encoding) for text in arguments]
            self._try(name, *escaped)
        except (OSError, ValueError, AttributeError):  # gone, closed, or None
            silence_stream(self._stream)

    def __getattr__(self, name: str) -> Any:
        """Return anything else that the stream has (encoding, isatty, fileno)."""
        return getattr(self._stream, name)


def format_duration(seconds: float) -> str:
    """Seconds as a person reads them: `48 s`, `12 min 5 s`, `3 h 20 min`."""
    total_s = round(seconds)
    if total_s < 60:
        return f"{total_s} s"
    if total_s < 3600:
        return f"{total_s // 60} min {total_s % 60} s"
    return f"{total_s // 3600} h {total_s % 3600 // 60} min"


def create_error_console() -> Console:
    """Return rich's console on standard error, which goes on where the terminal is gone."""
    from rich.console import Console  # noqa: PLC0415

    return Console(file=TolerantStream(sys.stderr or io.StringIO()))  # type: ignore[arg-type]


@contextmanager
def progress_bar(description: str) -> Iterator[ProgressCallback]:
    """A bar on standard error from the first progress on, so that what goes wrong before stands alone."""
    # here, for most who import this module show no bar
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    bar = Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=create_error_console()
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

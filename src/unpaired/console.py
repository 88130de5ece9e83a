"""Terminal output during work: log lines, progress bars and formatted durations."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

LogCallback = Callable[[str], None]
"""Receives one line of text for the user."""
ProgressCallback = Callable[[float, int], None]
"""Receives the number of finished units of work, which may be a fraction, and their total."""
FractionCallback = Callable[[float], None]
"""Receives the finished fraction of one unit of work, in [0, 1]."""


def ignore_progress(done: float, total: int) -> None:
    """Do nothing: a callback for callers that show no progress."""


def ignore_fraction(fraction: float) -> None:
    """Do nothing: a callback for callers that show no progress within a unit."""


def prepare_streams() -> None:
    """Make standard output and standard error accept any text.

    Characters that the encoding lacks are escaped; a stream that was closed before the start is replaced by the null
    device.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115, PTH123 - open until exit
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def silence_stream(stream: TextIO | None) -> None:
    """Redirect a broken stream to the null device, so that flushing its buffer at exit raises no error."""
    with suppress(OSError, ValueError, AttributeError):
        assert stream is not None
        target = os.open(os.devnull, os.O_WRONLY)
        os.dup2(target, stream.fileno())
        os.close(target)


def log_to_terminal(message: str) -> None:
    """Write a line to standard error; results go to standard output.

    A closed terminal or pipe raises no error, so that it cannot end a training run.
    """
    stream = TolerantStream(sys.stderr)
    stream.write(escape_control_characters(message) + "\n")
    stream.flush()


_CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def escape_control_characters(text: str) -> str:
    """Escape characters that control a terminal, which names of files may contain; keep tabs and line feeds."""
    return _CONTROL_CHARACTERS.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


class TolerantStream:
    """A text stream that discards its text without an error once its terminal or pipe is closed."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write `text` if the stream is open; return the length of `text`."""
        self._try("write", text)
        return len(text)

    def flush(self) -> None:
        """Flush if the stream is open."""
        self._try("flush")

    def _try(self, name: str, *arguments: Any) -> None:
        try:
            getattr(self._stream, name)(*arguments)
        except UnicodeEncodeError:
            encoding = getattr(self._stream, "encoding", None) or "ascii"
            escaped = [text.encode(encoding, "backslashreplace").decode(encoding) for text in arguments]
            self._try(name, *escaped)
        except (OSError, ValueError, AttributeError):  # broken, closed, or None
            silence_stream(self._stream)

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the stream (encoding, isatty, fileno)."""
        return getattr(self._stream, name)


def format_duration(seconds: float) -> str:
    """Format a duration as `48 s`, `12 min 5 s` or `3 h 20 min`."""
    total_s = round(seconds)
    if total_s < 60:
        return f"{total_s} s"
    if total_s < 3600:
        return f"{total_s // 60} min {total_s % 60} s"
    return f"{total_s // 3600} h {total_s % 3600 // 60} min"


def create_error_console() -> Console:
    """Return a rich console on standard error that tolerates a closed terminal.

    It leaves the wrapping of long lines to the terminal, so that a command in them can be copied whole.
    """
    from rich.console import Console  # noqa: PLC0415

    return Console(file=TolerantStream(sys.stderr or io.StringIO()), soft_wrap=True)  # type: ignore[arg-type]


@contextmanager
def progress_bar(description: str) -> Iterator[ProgressCallback]:
    """Show a progress bar on standard error from the first update on; earlier errors appear without a bar."""
    # Imported here, because most users of this module show no bar.
    from rich.progress import MofNCompleteColumn, Progress, TimeRemainingColumn  # noqa: PLC0415

    bar = Progress(
        *Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn(), console=create_error_console()
    )
    task = bar.add_task(description, total=None)

    def advance(done: float, total: int) -> None:
        bar.start()
        bar.update(task, completed=done, total=total)

    try:
        yield advance
    finally:
        if bar.live.is_started:
            bar.stop()

"""Signals that stop training between two steps."""

from __future__ import annotations

import signal
import sys
import time
from types import FrameType, TracebackType
from typing import Any

DUPLICATE_SIGNAL_S = 1.0
"""A second signal within this many seconds counts as the first one, because launchers forward signals to all ranks."""


class StopSignals:
    """Context that records the first SIGINT (Ctrl-C), SIGTERM or SIGHUP (closed terminal) in `received`.

    A second Ctrl-C raises KeyboardInterrupt. SIGHUP is not handled if the process ignores it (nohup). In threads other
    than the main one, where Python cannot install handlers, the context does nothing.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._received_at = 0.0
        self._previous_handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        try:
            self._previous_handlers = {number: signal.signal(number, self._handle) for number in list_stop_signals()}
        except ValueError:  # not the main thread: the calling program handles signals
            self._previous_handlers = {}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous_handlers.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _: FrameType | None) -> None:
        if self.received is None:
            self.received, self._received_at = number, time.monotonic()
        elif number == signal.SIGINT and time.monotonic() - self._received_at > DUPLICATE_SIGNAL_S:
            raise KeyboardInterrupt


def list_stop_signals() -> list[signal.Signals]:
    """Return the signals after which training saves its state and stops."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers

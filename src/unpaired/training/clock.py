"""Clock of training time, which excludes pauses of the process, and detection of slow steps."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from types import TracebackType

BEAT_S = 1.0
"""Seconds between two readings of the clock."""
MIN_PAUSE_S = 5.0
"""Shortest gap in seconds that counts as a pause."""
MAX_CPU_FRACTION = 0.1
"""Highest ratio of CPU time to wall time of a paused process.

A process that used more was running, and a long operation only delayed the reading.
"""
WINDOW_S, MIN_WINDOW_STEPS = 10.0, 5
"""Minimum duration in seconds and number of steps of the window whose median step time is compared."""
SLOW_FACTOR = 3.0
"""Ratio of the median step time to the expected one above which steps are slow."""


class WorkClock:
    """Clock that excludes the time in which the process was stopped (Ctrl-Z, a scheduler, a suspended machine).

    Inside the context, a thread reads the clock every second. If a reading is seconds late and the process used almost
    no CPU time in between, the process was stopped. Outside the context, pauses are counted.
    """

    def __init__(
        self,
        wall_time: Callable[[], float] = time.perf_counter,
        cpu_time: Callable[[], float] = time.process_time,
    ) -> None:
        self._wall_time, self._cpu_time = wall_time, cpu_time
        self._lock = threading.Lock()
        self._last_wall_s, self._last_cpu_s = wall_time(), cpu_time()
        self._paused_s = 0.0
        self._reported_s = 0.0
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> WorkClock:
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(BEAT_S):
            self.now()

    def now(self) -> float:
        """Return the seconds without pauses since an arbitrary instant."""
        with self._lock:
            wall_s, cpu_s = self._wall_time(), self._cpu_time()
            gap_s = wall_s - self._last_wall_s
            was_idle = cpu_s - self._last_cpu_s < MAX_CPU_FRACTION * gap_s
            if self._thread is not None and gap_s > MIN_PAUSE_S and was_idle:
                self._paused_s += gap_s - BEAT_S / 2
            self._last_wall_s, self._last_cpu_s = wall_s, cpu_s
            return wall_s - self._paused_s

    def take_pause_s(self) -> float:
        """Return the seconds of pauses since the last call."""
        with self._lock:
            pause_s, self._reported_s = self._paused_s - self._reported_s, self._paused_s
            return pause_s


class SpeedMonitor:
    """Detector of steps that take much longer than expected, or than earlier in the run if nothing is expected."""

    def __init__(self, expected_s: float | None = None) -> None:
        self.expected_s = expected_s
        self._window: list[float] = []
        self._is_warmed_up = False
        self._is_reported = False

    def add_step(self, seconds: float) -> tuple[float, float] | None:
        """Record the seconds of a step; return (current, expected) seconds per step when steps become slow, else None.

        Compares the median over windows of ten seconds with the expected time. Reports once. Ignores the first step,
        which includes warm-up.
        """
        if self._is_reported:
            return None
        if not self._is_warmed_up:
            self._is_warmed_up = True
            return None
        self._window.append(seconds)
        if len(self._window) < MIN_WINDOW_STEPS or sum(self._window) < WINDOW_S:
            return None
        median_s = statistics.median(self._window)
        self._window.clear()
        if self.expected_s is not None and median_s > SLOW_FACTOR * self.expected_s:
            self._is_reported = True
            return median_s, self.expected_s
        self.expected_s = median_s if self.expected_s is None else min(self.expected_s, median_s)
        return None


def format_step_time(seconds: float) -> str:
    """Return the time of a step as text, in ms below one second."""
    return f"{seconds * 1000:.0f} ms a step" if seconds < 1 else f"{seconds:.1f} s a step"

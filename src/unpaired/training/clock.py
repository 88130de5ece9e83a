"""Time that a run spends at work: pauses of the whole process are not counted, and slow steps are noticed."""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable
from types import TracebackType

BEAT_S = 1.0
"""Seconds between two looks at the clock."""
MIN_PAUSE_S = 5.0
"""A shorter pause is counted as work."""
MAX_CPU_FRACTION = 0.1
"""A process that used more of a processor than this between two looks was not paused; it only did not look."""
WINDOW_S, MIN_WINDOW_STEPS = 10.0, 5
SLOW_FACTOR = 3.0


class WorkClock:
    """Seconds of work, without the time in which the process was stopped (Ctrl-Z, a scheduler, a sleeping machine).

    A thread looks at the clock every second. Where a look comes seconds late and the process has used no processor
    time meanwhile, the process was stopped. Use it as a context.
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
        """Return seconds of work since an arbitrary instant."""
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
    """Notices steps that take much longer than was promised, or than they took earlier in the run."""

    def __init__(self, expected_s: float | None = None) -> None:
        self.expected_s = expected_s
        self._window: list[float] = []
        self._is_warmed_up = False
        self._is_reported = False

    def add_step(self, seconds: float) -> tuple[float, float] | None:
        """Record a step; return (seconds now, seconds expected) the first time that steps are three times as slow.

        Steps are compared by the median of ten seconds. The first step, which is slower, is left out.
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

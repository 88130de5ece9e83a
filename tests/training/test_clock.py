"""Clock of training time without pauses, and detection of slow steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unpaired.training.clock import SLOW_FACTOR, SpeedMonitor, WorkClock


class Times:
    """Wall time and CPU time that the test sets."""

    def __init__(self) -> None:
        self.wall_s = self.cpu_s = 100.0

    def advance(self, wall_s: float, cpu_s: float) -> None:
        self.wall_s += wall_s
        self.cpu_s += cpu_s


@pytest.fixture
def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    monkeypatch.setattr(WorkClock, "_run", lambda _: None)  # only the test reads the clock
    return Times()


@pytest.mark.parametrize(
    ("wall_s", "cpu_s", "is_pause"),
    [(40, 0.0, True), (40, 39.0, False), (3, 0.0, False), (100_000, 1.0, True)],
    ids=["stopped", "a step that holds the interpreter", "short", "a night"],
)
def test_gap_without_cpu_time_is_a_pause(wall_s: float, cpu_s: float, is_pause: bool, times: Times) -> None:
    with WorkClock(lambda: times.wall_s, lambda: times.cpu_s) as clock:
        before = clock.now()
        times.advance(wall_s, cpu_s)
        counted = clock.now() - before
        pause_s = clock.take_pause_s()
        assert (counted < 2) == is_pause and (pause_s > wall_s - 2) == is_pause
        assert counted + pause_s == pytest.approx(wall_s) and clock.take_pause_s() == 0


def test_clock_outside_its_context_counts_pauses(times: Times) -> None:
    clock = WorkClock(lambda: times.wall_s, lambda: times.cpu_s)
    before = clock.now()
    times.advance(60, 0)
    assert clock.now() - before == 60


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="no such signal")
def test_time_of_stopped_process_is_not_counted(tmp_path: Path) -> None:
    code = """
import time
from unpaired.training.clock import WorkClock
with WorkClock() as clock:
    before = clock.now()
    print("began", flush=True)
    input()
    counted, pause = clock.now() - before, clock.take_pause_s()
print(counted, pause)
"""
    process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline() == "began\n"
    time.sleep(1.2)
    os.kill(process.pid, signal.SIGSTOP)
    time.sleep(8)
    os.kill(process.pid, signal.SIGCONT)
    counted, pause_s = map(float, process.communicate("\n")[0].split())
    assert pause_s > 6 and counted < 6


def test_steps_slower_than_expected_are_reported_once() -> None:
    monitor = SpeedMonitor(expected_s=1.0)
    assert all(monitor.add_step(1.2 * SLOW_FACTOR / 2) is None for _ in range(40))
    reported = [slowdown for _ in range(40) if (slowdown := monitor.add_step(2 * SLOW_FACTOR)) is not None]
    assert reported == [(2 * SLOW_FACTOR, 1.0)]


def test_without_expected_time_earlier_steps_are_the_reference() -> None:
    monitor = SpeedMonitor()
    assert all(monitor.add_step(seconds) is None for seconds in [30.0] + 20 * [1.0])
    assert [slowdown for _ in range(20) if (slowdown := monitor.add_step(4.0)) is not None] == [(4.0, 1.0)]


def test_single_slow_steps_are_not_reported() -> None:
    monitor = SpeedMonitor(expected_s=1.0)
    assert all(monitor.add_step(60.0 if i % 10 == 3 else 1.0) is None for i in range(100))

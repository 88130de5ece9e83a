from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from unpaired.errors import UnreadableFileError, WorkError
from unpaired.worker_pool import map_in_processes


def test_results_and_errors_come_back() -> None:
    found = dict(map_in_processes(abs, {f"job {i}": -i for i in range(5)}, workers=2))
    assert found == {f"job {i}": i for i in range(5)}
    with pytest.raises(TypeError):
        list(map_in_processes(abs, {"a": "text"}, workers=1))  # type: ignore[arg-type]
    error = UnreadableFileError("a.wav", "is silent")
    assert dict(map_in_processes(str, {"a": error}, workers=1)) == {"a": "a.wav: is silent"}


def test_lost_worker_raises_work_error() -> None:
    with pytest.raises(WorkError, match="job"):
        list(map_in_processes(os._exit, {"job": 3}, workers=1))


def test_what_a_library_prints_does_not_disturb_the_results() -> None:
    assert dict(map_in_processes(print, {"a": "hello"}, workers=1)) == {"a": None}


def test_a_script_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from unpaired.worker_pool import map_in_processes\n"
        "print('began')\n"
        "print(sorted(map_in_processes(abs, {1: -1, 2: -2, 3: -3}, 2)))\n"
    )
    result = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert result.stdout.split("\n") == ["began", "[(1, 1), (2, 2), (3, 3)]", ""] and result.stderr == ""


SLEEPER = """
import signal
import time
from unpaired.worker_pool import map_in_processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # shells start background jobs with SIGINT ignored
try:
    for _ in map_in_processes(time.sleep, {i: 60 for i in range(4)}, 2):
        pass
except KeyboardInterrupt:
    print("interrupted")
"""


def list_children(process_id: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_their_caller_and_silently(number: signal.Signals, tmp_path: Path) -> None:
    script = tmp_path / "sleeper.py"
    script.write_text(SLEEPER)
    process = subprocess.Popen(
        [sys.executable, str(script)],
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(list_children(process.pid)) == 2)
    children = list_children(process.pid)
    time.sleep(1.0)  # a signal during the workers' imports would print a traceback
    os.killpg(process.pid, number)
    if number is signal.SIGKILL:
        for child in children:  # they would end after their sleep, and hold the pipes open until then
            os.kill(child, signal.SIGKILL)
    out, err = process.communicate(timeout=60)
    assert err == "" and (out == "interrupted\n") == (number is signal.SIGINT)
    if number is signal.SIGINT:
        wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


def wait_until(condition: object, seconds: float = 60.0) -> None:
    assert callable(condition)
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)

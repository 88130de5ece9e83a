"""Worker processes that import nothing of the caller's script, and end with it however it ends.

`multiprocessing` starts its workers by importing the main script again, which trains a second time where the script has
no `if __name__ == "__main__"`. These workers are started with this module alone; work and results are pickled and pass
through pipes.
"""

from __future__ import annotations

import io
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import IO, Any, TypeVar

from unpaired.errors import WorkError

K = TypeVar("K")
J = TypeVar("J")
R = TypeVar("R")


def can_start_workers() -> bool:
    """Whether there is a Python program to start; an application that embeds Python may have none."""
    return bool(sys.executable) and not getattr(sys, "frozen", False)


def map_in_processes(work: Callable[[J], R], jobs: Mapping[K, J], workers: int) -> Iterator[tuple[K, R]]:
    """Yield (key, `work(job)`) for each of `jobs` as they are done, from `workers` processes of one thread each.

    `work` is a function of a module that a worker can import. What it raises is raised here. Workers stop at the end of
    the iteration, also where that is left early (Ctrl-C reaches this process alone). Raises WorkError where a worker is
    lost, as by a lack of memory.
    """
    pending: queue.SimpleQueue[tuple[K, J] | None] = queue.SimpleQueue()
    for item in jobs.items():
        pending.put(item)
    for _ in range(workers):
        pending.put(None)
    results: queue.SimpleQueue[tuple[K, Any, BaseException | None]] = queue.SimpleQueue()
    processes = [_start_worker() for _ in range(workers)]
    threads = [
        threading.Thread(target=_feed, args=(process, work, pending, results), daemon=True) for process in processes
    ]
    try:
        for thread in threads:
            thread.start()
        for _ in range(len(jobs)):
            key, result, error = results.get()
            if error is not None:
                raise error
            yield key, result
    finally:
        for process in processes:
            process.kill()
        for process, thread in zip(processes, threads, strict=True):
            process.wait()
            if thread.ident is not None:
                thread.join()
            _close_pipes(process)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        with suppress(OSError):  # what a killed worker did not read
            if pipe is not None:
                pipe.close()


def _start_worker() -> subprocess.Popen[bytes]:
    """Start a worker in a process group of its own, which Ctrl-C in a terminal does not reach."""
    path = [str(entry) for entry in sys.path]
    program = f"import sys; sys.path[:] = {path!r}; from unpaired.worker_pool import serve; serve()"
    group: dict[str, Any] = {"creationflags": 0x200} if sys.platform == "win32" else {"process_group": 0}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # as many processes as cores
        **group,
    )


def _feed(
    process: subprocess.Popen[bytes],
    work: Callable[[J], R],
    pending: queue.SimpleQueue[tuple[K, J] | None],
    results: queue.SimpleQueue[tuple[K, Any, BaseException | None]],
) -> None:
    """Give one worker a job after the other."""
    assert process.stdin is not None and process.stdout is not None
    while (item := pending.get()) is not None:
        key, job = item
        try:
            pickle.dump((work, job), process.stdin)
            process.stdin.flush()
            result, error = pickle.load(process.stdout)  # written by our own worker
        except (OSError, EOFError, pickle.UnpicklingError, ValueError) as lost:
            code = process.poll()
            reason = "the system may have killed it for its memory" if code is None or code < 0 else f"exit code {code}"
            results.put((key, None, WorkError(f"{key}: the process that worked on it ended ({reason}; {lost!r})")))
            return
        except BaseException as failure:  # whatever it is, the caller must not wait for ever
            results.put((key, None, failure))
            return
        results.put((key, result, error))


def serve(source: IO[bytes] | None = None, sink: IO[bytes] | None = None) -> None:
    """Do the work that comes through standard input until it ends, as it does when the caller ends."""
    source = source or sys.stdin.buffer
    # Results alone go to the pipe; what a library prints goes to standard error.
    sink = sink or os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno()) if sys.stderr is not None else None
    try:
        while True:
            outcome: Sequence[Any]
            try:
                work, job = pickle.load(source)  # from the process that started this one
                outcome = (work(job), None)
            except EOFError:
                return
            except Exception as error:  # raised again by the caller
                outcome = (None, error)
            sink.write(_dump(outcome))
            sink.flush()
    except (BrokenPipeError, KeyboardInterrupt):
        return


def _dump(outcome: Sequence[Any]) -> bytes:
    """Pickle a result, or its text where an exception cannot be pickled."""
    buffer = io.BytesIO()
    try:
        pickle.dump(tuple(outcome), buffer)
        pickle.loads(buffer.getvalue())  # some exceptions fail only here
    except Exception:  # an exception of a library with arguments of its own
        return pickle.dumps((None, RuntimeError(repr(outcome[1]))))
    return buffer.getvalue()

"""Pool of worker processes that do not import the caller's script and always end with it.

`multiprocessing` starts workers by importing the main script again; a script without `if __name__ == "__main__"` would
then train a second time. These workers import this module only. Jobs and results are pickled and sent through pipes.
"""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

from unpaired.errors import WorkError

K = TypeVar("K")
J = TypeVar("J")
R = TypeVar("R")


def can_start_workers() -> bool:
    """Return whether workers can be started: needs a Python executable and POSIX pipes."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and os.name == "posix"


def map_in_processes(work: Callable[[J], R], jobs: Mapping[K, J], workers: int) -> Iterator[tuple[K, R]]:
    """Yield (key, `work(job)`) of all `jobs` in order of completion, from `workers` processes of one thread each.

    `work` must be a function of an importable module; its exceptions are raised here. Workers stop at the end of the
    iteration, even if the caller leaves it early; Ctrl-C reaches this process only. Raises WorkError if a worker ends
    unexpectedly, for instance because memory ran out.
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
        with suppress(OSError):  # closing flushes bytes that a killed worker did not read
            if pipe is not None:
                pipe.close()


def _start_worker() -> subprocess.Popen[bytes]:
    """Start a worker in its own process group, so that Ctrl-C in a terminal does not reach it."""
    path = [str(entry) for entry in sys.path]
    program = f"import sys; sys.path[:] = {path!r}; from unpaired.worker_pool import serve; serve()"
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # one process per core
        process_group=0,
    )


def _feed(
    process: subprocess.Popen[bytes],
    work: Callable[[J], R],
    pending: queue.SimpleQueue[tuple[K, J] | None],
    results: queue.SimpleQueue[tuple[K, Any, BaseException | None]],
) -> None:
    """Send pending jobs to one worker, one at a time, and queue its results."""
    assert process.stdin is not None and process.stdout is not None
    sink = Connection(os.dup(process.stdin.fileno()), readable=False)
    source = Connection(os.dup(process.stdout.fileno()), writable=False)
    with sink, source:
        while (item := pending.get()) is not None:
            key, job = item
            try:
                sink.send((work, job))
                result, error = source.recv()
            except (OSError, EOFError) as lost:
                code = process.poll()
                reason = f"exit code {code}" if code is not None and code >= 0 else "killed, perhaps out of memory"
                results.put((key, None, WorkError(f"{key}: its worker process ended ({reason}; {lost!r})")))
                return
            except Exception as failure:  # the caller would wait forever for the missing result
                results.put((key, None, failure))
                return
            results.put((key, result, error))


def serve() -> None:
    """Execute jobs from standard input until it closes, which happens when the caller ends."""
    source = Connection(os.dup(sys.stdin.fileno()), writable=False)
    # Only results go to the pipe; text that libraries print goes to standard error.
    sink = Connection(os.dup(sys.stdout.fileno()), readable=False)
    os.dup2(2, sys.stdout.fileno())
    try:
        while True:
            outcome: tuple[Any, Exception | None]
            try:
                work, job = source.recv()
                outcome = (work(job), None)
            except EOFError:
                return
            except Exception as error:  # the caller raises it again
                outcome = (None, error)
            sink.send_bytes(_dump(outcome))
    except (BrokenPipeError, KeyboardInterrupt):
        return


def _dump(outcome: tuple[Any, Exception | None]) -> bytes:
    """Pickle an outcome; replace an exception that cannot be unpickled by a RuntimeError with its text."""
    try:
        data = bytes(ForkingPickler.dumps(outcome))
        ForkingPickler.loads(data)
    except Exception:  # for instance an exception with required arguments
        return bytes(ForkingPickler.dumps((None, RuntimeError(repr(outcome[1])))))
    return data

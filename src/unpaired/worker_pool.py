"""Worker processes that import nothing of the caller's script, and end with it however it ends.

`multiprocessing` starts its workers by importing the main script again, which trains a second time where the script has
no `if __name__ == "__main__"`. These workers are started with this module alone; work and results pass through pipes of
`multiprocessing`, which pickles them.
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
    """Whether there is a Python program to start, and pipes that it can be given; Windows has others."""
    return bool(sys.executable) and not getattr(sys, "frozen", False) and os.name == "posix"


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
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # as many processes as cores
        process_group=0,
    )


def _feed(
    process: subprocess.Popen[bytes],
    work: Callable[[J], R],
    pending: queue.SimpleQueue[tuple[K, J] | None],
    results: queue.SimpleQueue[tuple[K, Any, BaseException | None]],
) -> None:
    """Give one worker a job after the other."""
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
                reason = f"exit code {code}" if code is not None and code >= 0 else "killed, perhaps for its memory"
                results.put((key, None, WorkError(f"{key}: the process that worked on it ended ({reason}; {lost!r})")))
                return
            except Exception as failure:  # whatever it is, the caller must not wait for ever
                results.put((key, None, failure))
                return
            results.put((key, result, error))


def serve() -> None:
    """Do the work that comes through standard input until it ends, as it does when the caller ends."""
    source = Connection(os.dup(sys.stdin.fileno()), writable=False)
    # Results alone go to the pipe; what a library prints goes to standard error.
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
            except Exception as error:  # raised again by the caller
                outcome = (None, error)
            sink.send_bytes(_dump(outcome))
    except (BrokenPipeError, KeyboardInterrupt):
        return


def _dump(outcome: tuple[Any, Exception | None]) -> bytes:
    """Return a result as it is sent; an exception that cannot be made again at the other end becomes its text."""
    try:
        data = bytes(ForkingPickler.dumps(outcome))
        ForkingPickler.loads(data)
    except Exception:  # of a library, with arguments of its own
        return bytes(ForkingPickler.dumps((None, RuntimeError(repr(outcome[1])))))
    return data

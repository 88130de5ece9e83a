"""One thread per model that translates the files of waiting requests, several requests in one batch."""

from __future__ import annotations

import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from unpaired.console import log_to_terminal
from unpaired.errors import UnpairedError, UsageError, is_out_of_memory
from unpaired.serve.errors import RequestError, hide_paths
from unpaired.translate.base import BaseTranslator
from unpaired.translate.files import Outcome, translate_files
from unpaired.translate.route_request import TranslationRequest


@dataclass(frozen=True)
class JobResult:
    """Outputs, relative to the job's output folder; failed inputs with reasons; notes; seconds of work."""

    outputs: tuple[PurePosixPath, ...]
    failed: Mapping[str, str]
    notes: tuple[str, ...]
    seconds: float


@dataclass(eq=False)
class Job:
    """Translation of the files in the folder `inputs` to the folder `outputs`, which is created.

    Jobs with equal `key` can be translated in one batch. `future` gets the result; cancelling it removes a waiting job
    and stops a running one at its next file. `fraction` is the finished part of the work.
    """

    inputs: Path
    outputs: Path
    count: int
    key: tuple[object, ...]
    translator: BaseTranslator
    request: TranslationRequest
    future: Future[JobResult] = field(default_factory=Future)
    is_cancelled: bool = False
    fraction: float = 0.0

    def cancel(self) -> None:
        """Stop the job as soon as possible; its result is not needed any more."""
        self.is_cancelled = True
        self.future.cancel()


@contextmanager
def ignore_missing(job: Job) -> Iterator[None]:
    """Ignore missing folders of a cancelled job, whose request may have removed them."""
    try:
        yield
    except FileNotFoundError:
        if not job.is_cancelled:
            raise


class _AllCancelled(Exception):
    """All jobs of a batch were cancelled."""


class ModelWorker:
    """Thread that works on a bounded queue of jobs.

    `create_folder` returns an empty folder for a batch; `public_names` maps folders to their names in messages.
    """

    def __init__(
        self,
        name: str,
        create_folder: Callable[[], Path],
        public_names: Mapping[str, str],
        *,
        max_waiting: int,
        batch_size: int,
    ) -> None:
        self._create_folder, self._public_names = create_folder, public_names
        self._max_waiting, self._batch_size = max_waiting, batch_size
        self._waiting: deque[Job] = deque()
        self._condition = threading.Condition()
        self._active_count = 0
        self._is_closing = False
        self._thread = threading.Thread(target=self._work, name=f"unpaired-serve {name}", daemon=True)
        self._thread.start()

    def count_waiting(self) -> int:
        """Return the number of waiting jobs."""
        return len(self._waiting)

    @property
    def is_idle(self) -> bool:
        """Whether no job is waiting or running."""
        with self._condition:
            return not self._waiting and not self._active_count

    def submit(self, job: Job) -> None:
        """Add a job to the queue; raises RequestError if the queue is full or the worker is closing."""
        with self._condition:
            if self._is_closing:
                raise RequestError(503, "the server is stopping", retry_after=5)
            self._remove_cancelled()
            if len(self._waiting) >= self._max_waiting:
                raise RequestError(
                    429, f"{len(self._waiting)} translations are waiting; try again later", retry_after=5
                )
            self._waiting.append(job)
            self._condition.notify()

    def close(self) -> None:
        """Finish the waiting jobs, then end the thread."""
        with self._condition:
            self._is_closing = True
            self._condition.notify()
        self._thread.join()

    def _remove_cancelled(self) -> None:
        self._waiting = deque(job for job in self._waiting if not job.is_cancelled)

    def _work(self) -> None:
        while jobs := self._take_batch():
            started = time.monotonic()
            try:
                folder = self._create_folder()
                try:
                    self._translate_batch(folder, jobs, started)
                finally:
                    shutil.rmtree(folder, ignore_errors=True)
            except BaseException as error:  # a client gets an answer, and the worker lives on
                self._fail(jobs, error)
            finally:
                with self._condition:
                    self._active_count = 0

    def _take_batch(self) -> list[Job]:
        """Wait for a job; return it with other waiting jobs of the same key, or nothing when the worker closes."""
        with self._condition:
            while True:
                self._remove_cancelled()
                if self._waiting:
                    break
                if self._is_closing:
                    return []
                self._condition.wait()
            jobs = [self._waiting.popleft()]
            count = jobs[0].count
            for job in list(self._waiting):
                if job.key == jobs[0].key and count + job.count <= self._batch_size:
                    self._waiting.remove(job)
                    jobs.append(job)
                    count += job.count
            self._active_count = len(jobs)
            return jobs

    def _translate_batch(self, folder: Path, jobs: Sequence[Job], started: float) -> None:
        try:
            self._translate(folder, jobs, started)
        except UnpairedError:
            if len(jobs) == 1:
                raise
            for index, job in enumerate(jobs):  # one request must not fail because of another
                try:
                    self._translate(folder / f"alone{index}", [job], started)
                except Exception as error:
                    self._fail([job], error)

    def _translate(self, folder: Path, jobs: Sequence[Job], started: float) -> None:
        """Translate the files of jobs with equal keys in one call, each job in a subfolder of its own."""
        inputs, outputs = folder / "in", folder / "out"
        inputs.mkdir(parents=True)
        for index, job in enumerate(jobs):
            with ignore_missing(job):
                job.inputs = job.inputs.rename(inputs / str(index))

        def advance(done: float, total: int) -> None:
            if all(job.is_cancelled for job in jobs):
                raise _AllCancelled
            for job in jobs:
                job.fraction = done / max(total, 1)

        outcome = translate_files(
            jobs[0].translator, [inputs], outputs, jobs[0].request, batch_size=self._batch_size, progress=advance
        )
        for index, job in enumerate(jobs):
            with ignore_missing(job):
                result = self._collect(job, index, inputs, outputs, outcome, time.monotonic() - started)
                if not job.future.done() and job.future.set_running_or_notify_cancel():
                    job.future.set_result(result)

    def _collect(
        self, job: Job, index: int, inputs: Path, outputs: Path, outcome: Outcome, seconds: float
    ) -> JobResult:
        own = inputs / str(index)
        names = {**self._public_names, str(own): "", str(outputs / str(index)): ""}
        written = outputs / str(index)
        if written.is_dir():
            written.rename(job.outputs)
        else:
            job.outputs.mkdir()
        files = sorted(path for path in job.outputs.rglob("*") if path.is_file() and not path.name.startswith("."))
        return JobResult(
            tuple(PurePosixPath(path.relative_to(job.outputs).as_posix()) for path in files),
            {
                path.relative_to(own).as_posix(): hide_paths(reason, names)
                for path, reason in outcome.failed
                if path.is_relative_to(own)
            },
            tuple(
                hide_paths(text, names)
                for text in outcome.warnings
                if f"{inputs}/" not in text or f"{own}/" in text  # a warning on a file of another request
            ),
            seconds,
        )

    def _fail(self, jobs: Sequence[Job], error: BaseException) -> None:
        answer = self._explain(error)
        for job in jobs:
            if not job.future.done() and job.future.set_running_or_notify_cancel():
                job.future.set_exception(answer)

    def _explain(self, error: BaseException) -> RequestError:
        """Return the answer to an error; errors that are not the request's are logged."""
        if isinstance(error, RequestError):
            return error
        if isinstance(error, UsageError):
            return RequestError(400, hide_paths(str(error), self._public_names))
        if isinstance(error, UnpairedError):
            log_to_terminal(f"unpaired: {error}")
            return RequestError(500, hide_paths(str(error), self._public_names))
        if is_out_of_memory(error):
            return RequestError(503, "not enough memory for this request; try smaller files", retry_after=30)
        if not isinstance(error, _AllCancelled):
            log_to_terminal(f"unpaired: {type(error).__name__}: {error}")
        return RequestError(500, "internal error")

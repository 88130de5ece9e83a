"""Files and folders through a translator: decoded and encoded in threads while the networks work on batches."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from unpaired.console import ProgressCallback
from unpaired.cores import count_cores
from unpaired.data.file_lists import read_file_names
from unpaired.errors import UnpairedError, UsageError, WorkError
from unpaired.translate.jobs import TranslationJob, TranslationJobs
from unpaired.translate.manifest import Manifest, OutputState
from unpaired.translate.pipeline import FilePipeline, PipelineItem
from unpaired.translate.route_request import TranslationRequest
from unpaired.translate.translator import Translator

WORKERS = max(2, min(8, count_cores()))
MAX_BYTES_IN_FLIGHT = 256 << 20
"""Bytes of decoded files that are read ahead, wait for others, or are being written; a larger file is alone."""
_FATAL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}
"""Failures of writing that the next file would meet too."""

R = TypeVar("R", bound=PipelineItem)
InputChecker = Callable[[Iterable[Path]], list[str]]
"""Is shown the inputs; returns what a person should know of them."""


def skip_input_check(_: Iterable[Path]) -> list[str]:
    """Nothing is to be said of any inputs."""
    return []


@dataclass
class Outcome:
    """What became of the inputs: how many were `done`, how many `skipped` as made before, which `failed` and why."""

    done: int = 0
    skipped: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def translate_files(
    translator: Translator,
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    request: TranslationRequest,
    *,
    batch_size: int = 8,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    file_list: str | os.PathLike[str] | None = None,
) -> Outcome:
    """Translate files and folders (their structure kept) into the folder `out`, each under its own name.

    A picture's output has its input's size and alpha. 16 bits and floating point are kept where the suffix can hold
    them with the result's colour: TIFF always, PNG gray without alpha; else the result has 8 bits. JPEG and BMP hold no
    alpha. Up to `batch` pictures of one network shape are translated together.

    A recording's output is as long and as loud as its input, with as many channels, at the rate of the run's features;
    recordings of any length take the same memory. MP3 is read but not written: the output of `a.mp3` is `a.flac`; that
    of a picture of a kind that is not written, as `a.gif`, is `a.gif.png`.

    `file_list` is a text file of further inputs, one per line; their structure is kept below the folder that all of
    them are in.

    Outputs made before of the same input by the
    same model and settings are skipped, unless `overwrite`; files that were not made here are only replaced with it.
    A file that cannot be read or written is listed in the outcome while the others are done.

    Raises UsageError before any work where the inputs or `out` cannot be meant (see `Plan`) and where a table of labels
    tells of none of the inputs, WorkError where `out` cannot be written or the disk is full; what was finished until
    then stays, and the next call goes on from there.
    """
    pipeline = translator.create_pipeline(request)
    label_key = None if request.label_request is None else (request.label_request.label, request.label_request.digest)
    route_key = [request.route.source, request.route.target, request.source.model_dump(), request.target.model_dump()]
    model_key = [translator.weights_digest, translator.config.method, *route_key, label_key]
    check_inputs = skip_input_check if request.label_request is None else request.label_request.check_inputs
    return process_files(
        pipeline,
        inputs,
        out,
        model_key,
        batch_size=batch_size,
        overwrite=overwrite,
        progress=progress,
        check_inputs=check_inputs,
        file_list=file_list,
    )


def process_files(
    pipeline: FilePipeline[Any, Any],
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    model_key: Sequence[object],
    *,
    batch_size: int = 8,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    check_inputs: InputChecker = skip_input_check,
    file_list: str | os.PathLike[str] | None = None,
) -> Outcome:
    """As `translate_files`, by any craft; `model`, in types of JSON, and the craft's recipe are what equal results
    have in common. `check_inputs` receives the inputs before any work.

    One process at a time translates into a folder; raises WorkError where another one does.
    """
    if batch_size < 1:
        raise UsageError(f"batch {batch_size}; expected 1 or more")
    jobs = TranslationJobs(
        [Path(input_path) for input_path in inputs],
        Path(out),
        pipeline.medium,
        pipeline.make_output_name,
        None if file_list is None else read_file_names(Path(file_list)),
    )
    settings_json = json.dumps([*model_key, *pipeline.get_result_settings()], sort_keys=True)
    with closing(Manifest(jobs.out, hashlib.sha256(settings_json.encode()).hexdigest())) as manifest:
        input_warnings = [*jobs.notes, *check_inputs(job.input for job in jobs)]
        processor = _FileProcessor(pipeline, manifest, jobs, input_warnings, overwrite=overwrite, progress=progress)
        try:
            return processor.run(batch_size)
        except sqlite3.Error as error:
            raise WorkError(f"the list of inputs in {tempfile.gettempdir()} cannot be used ({error})") from error


class _FileProcessor:
    """One call of `crafted_files`. Only the calling thread touches the ledger and the outcome."""

    def __init__(
        self,
        pipeline: FilePipeline[Any, Any],
        manifest: Manifest,
        jobs: TranslationJobs,
        input_warnings: list[str],
        *,
        overwrite: bool,
        progress: ProgressCallback | None,
    ) -> None:
        self.pipeline = pipeline
        self.manifest = manifest
        self.jobs = jobs
        self.overwrite = overwrite
        self.progress = progress
        self.total = len(jobs)
        self.outcome = Outcome(failed=jobs.unlisted, warnings=input_warnings)
        self.finished_count = 0
        self.pending_writes: deque[tuple[TranslationJob, Future[Sequence[str]]]] = deque()
        self.bytes_by_job: dict[TranslationJob, int] = {}
        """Decoded bytes of the files in flight: from the beginning of reading to the end of writing."""

    def run(self, batch_size: int) -> Outcome:
        """Read ahead, translate in batches, write behind; what is in flight is bounded by workers, batch and bytes."""
        executor = ThreadPoolExecutor(WORKERS, "unpaired-translate")
        pending_writes = self.pending_writes
        try:
            for group in group_into_batches(self._prepare_items(executor), batch_size, self.pipeline.max_waiting_cost):
                pending_writes.extend(self._translate_batch(group, executor))
                while pending_writes and (len(pending_writes) > batch_size + WORKERS or pending_writes[0][1].done()):
                    self._record_written(*pending_writes.popleft())
            while pending_writes:
                self._record_written(*pending_writes.popleft())
        finally:
            executor.shutdown(cancel_futures=True)
        return self.outcome

    def _iterate_pending_jobs(self) -> Iterator[TranslationJob]:
        for job in self.jobs:
            state = OutputState.ABSENT if self.overwrite else self.manifest.get_state(job)
            if state is OutputState.ABSENT:
                yield job
            elif state is OutputState.UP_TO_DATE:
                self.outcome.skipped += 1
                self._advance_progress()
            else:
                reason = f"{job.output} is there and is not ours (or was changed); --overwrite replaces it"
                self._record_failure(job, reason)

    def _prepare_items(self, executor: ThreadPoolExecutor) -> Iterator[tuple[TranslationJob, Any] | None]:
        """Yield jobs with what was read of them, in order; None asks for the waiting ones to be translated now."""
        pending: deque[tuple[TranslationJob, Future[Any]]] = deque()
        for job in self._iterate_pending_jobs():
            size = self.pipeline.estimate_bytes(job.input)
            while pending and (len(pending) > WORKERS or not self._has_room(size)):
                yield from self._take_prepared(*pending.popleft())
            if not self._has_room(size):
                yield None
            while self.pending_writes and not self._has_room(size):
                self._record_written(*self.pending_writes.popleft())
            self.bytes_by_job[job] = size
            pending.append((job, executor.submit(self.pipeline.prepare_file, job.input)))
        while pending:
            yield from self._take_prepared(*pending.popleft())

    def _has_room(self, size: int) -> bool:
        """Whether `size` more bytes may be in flight; one file always may."""
        return not size or not (in_flight := sum(self.bytes_by_job.values())) or in_flight + size <= MAX_BYTES_IN_FLIGHT

    def _take_prepared(self, job: TranslationJob, future: Future[Any]) -> Iterator[tuple[TranslationJob, Any]]:
        try:
            yield job, future.result()
        except UnpairedError as error:
            self._record_failure(job, error)

    def _translate_batch(
        self, group: Sequence[tuple[TranslationJob, Any]], executor: ThreadPoolExecutor
    ) -> Iterator[tuple[TranslationJob, Future[Sequence[str]]]]:
        for _, prepared_item in group:
            self._add_warnings(self.pipeline.list_warnings(prepared_item))
        results = self.pipeline.run([prepared_item for _, prepared_item in group])
        self.manifest.mark_started(job for job, _ in group)
        for (job, prepared_item), result in zip(group, results, strict=True):
            yield job, executor.submit(self._write, job.output, prepared_item, result)

    def _write(self, output: Path, prepared_item: Any, result: Any) -> Sequence[str]:
        output.parent.mkdir(parents=True, exist_ok=True)
        return self.pipeline.write(output, prepared_item, result)

    def _record_written(self, job: TranslationJob, future: Future[Sequence[str]]) -> None:
        self.bytes_by_job.pop(job, None)
        try:
            self._add_warnings(future.result())
        except (UnpairedError, OSError) as error:
            cause = error.__cause__ if isinstance(error, UnpairedError) else error
            if isinstance(cause, OSError) and cause.errno in _FATAL_ERRNOS:
                progress_text = (
                    f"{self.outcome.done} of {self.total} are translated; the same command goes on from there"
                )
                raise WorkError(f"{error}; {progress_text}") from error
            self._record_failure(job, error)
        else:
            self.manifest.mark_finished(job)
            self.outcome.done += 1
            self._advance_progress()

    def _add_warnings(self, new_warnings: Sequence[str]) -> None:
        self.outcome.warnings.extend(text for text in dict.fromkeys(new_warnings) if text not in self.outcome.warnings)

    def _record_failure(self, job: TranslationJob, reason: object) -> None:
        self.bytes_by_job.pop(job, None)
        self.outcome.failed.append((job.input, str(reason).removeprefix(f"{job.input}: ")))
        self._advance_progress()

    def _advance_progress(self) -> None:
        self.finished_count += 1
        if self.progress is not None:
            self.progress(self.finished_count, self.total)


def group_into_batches(
    prepared_items: Iterable[tuple[TranslationJob, R] | None], batch_size: int, max_waiting_cost: int
) -> Iterator[list[tuple[TranslationJob, R]]]:
    """Yield lists of at most `batch_size` files with equal batch keys.

    Files whose costs add up to more than `max_waiting_cost` do not wait for others of their key, nor do any after None.
    """
    waiting: dict[tuple[object, ...], list[tuple[TranslationJob, R]]] = {}
    waiting_cost = 0
    for prepared_item in prepared_items:
        if prepared_item is None:
            yield from waiting.values()
            waiting, waiting_cost = {}, 0
            continue
        job, waiting_item = prepared_item
        batch_key = waiting_item.batch_key
        waiting.setdefault(batch_key, []).append((job, waiting_item))
        waiting_cost += waiting_item.memory_cost
        if len(waiting[batch_key]) == batch_size:
            full_batch = waiting.pop(batch_key)
            waiting_cost -= sum(batch_item.memory_cost for _, batch_item in full_batch)
            yield full_batch
        elif waiting_cost > max_waiting_cost:
            yield from waiting.values()
            waiting, waiting_cost = {}, 0
    yield from waiting.values()

"""Translation of files and folders: threads decode and encode while the networks process batches."""

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
from typing import Any

from unpaired.console import ProgressCallback
from unpaired.cores import count_cores
from unpaired.data.file_lists import read_file_names
from unpaired.errors import RESOURCE_ERRNOS, ResourceLimitError, UnpairedError, UsageError, WorkError
from unpaired.translate.base import BaseTranslator
from unpaired.translate.batching import group_into_batches
from unpaired.translate.jobs import TranslationJob, TranslationJobs
from unpaired.translate.manifest import Manifest, OutputState
from unpaired.translate.pipeline import Destination, FilePipeline
from unpaired.translate.route_request import TranslationRequest
from unpaired.translate.shards import Shard

WORKERS = max(2, min(8, count_cores()))
MAX_BYTES_IN_FLIGHT = 256 << 20
"""Maximum bytes of decoded files that wait or are being read or written; a larger file is processed alone."""
_FATAL_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO} | RESOURCE_ERRNOS
"""Errors of writing that would also affect the next file."""

InputChecker = Callable[[Iterable[Path]], list[str]]
"""Checks the inputs; returns warnings for the user."""


def skip_input_check(_: Iterable[Path]) -> list[str]:
    """Return no warnings."""
    return []


@dataclass
class Outcome:
    """Result of a translation: numbers of `done` and `skipped` (up-to-date) inputs; `failed` inputs with reasons."""

    done: int = 0
    skipped: int = 0
    failed: list[tuple[Path, str]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def translate_files(
    translator: BaseTranslator,
    inputs: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    request: TranslationRequest,
    *,
    batch_size: int = 8,
    overwrite: bool = False,
    progress: ProgressCallback | None = None,
    file_list: str | os.PathLike[str] | None = None,
    shard: Shard | None = None,
) -> Outcome:
    """Translate files and folders into the folder `out`; outputs keep the names and subfolders of their inputs.

    An output image has the size and alpha channel of its input. 16-bit and floating-point values are kept if the file
    format supports them with the channels of the result (TIFF always, PNG for gray without alpha, or with the extra
    `formats`), else the result has 8 bits. JPEG and BMP store no alpha. Up to `batch_size` images of equal network
    shape form one batch.

    An output recording has the duration, loudness and channels of its input, and the sample rate of the run's features;
    memory does not grow with the duration. Formats that are read but not written change: `a.mp3` gives `a.flac`, and
    `a.gif` gives `a.gif.png`.

    `file_list` is a text file of further inputs, one per line; outputs keep the structure below their common folder.

    `shard` limits the work to one part of the files, for several processes or machines with the same `out` (see
    `translate.shards`).

    Outputs of the same input, model and settings are skipped unless `overwrite` is set; foreign files are replaced only
    with `overwrite`. Files that cannot be read or written are listed in the outcome; the others are translated.

    Raises UsageError before any work for invalid inputs or `out` (see `TranslationJobs`) and for a label table without
    a row for any input; WorkError if `out` is not writable or the disk is full. Finished outputs are kept, and the next
    call continues after them.
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
        shard=shard,
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
    shard: Shard | None = None,
) -> Outcome:
    """Process files with any pipeline, as `translate_files` does.

    `model_key` (JSON types) and the pipeline's result settings identify results: if both are equal, an existing output
    is up to date. `check_inputs` receives the inputs before any work. Raises WorkError if another process writes to the
    folder.
    """
    if batch_size < 1:
        raise UsageError(f"batch size {batch_size}; expected 1 or more")
    jobs = TranslationJobs(
        [Path(input_path) for input_path in inputs],
        Path(out),
        pipeline.medium,
        pipeline.make_output_name,
        None if file_list is None else read_file_names(Path(file_list)),
        shard,
    )
    settings_json = json.dumps([*model_key, *pipeline.get_result_settings()], sort_keys=True)
    with closing(Manifest(jobs.out, hashlib.sha256(settings_json.encode()).hexdigest(), shard)) as manifest:
        input_warnings = [*jobs.notes, *check_inputs(job.input for job in jobs)]
        processor = _FileProcessor(pipeline, manifest, jobs, input_warnings, overwrite=overwrite, progress=progress)
        if shard is not None:
            manifest.start_shard(len(jobs))
        try:
            outcome = processor.run(batch_size)
        except sqlite3.Error as error:
            raise WorkError(
                f"the temporary list of inputs in {tempfile.gettempdir()} cannot be used ({error}); "
                "is the disk full? Set TMPDIR to another folder"
            ) from error
        if shard is not None:
            manifest.finish_shard(outcome.done + outcome.skipped, len(outcome.failed))
        return outcome


class _FileProcessor:
    """State of one call of `process_files`. Only the calling thread uses the manifest and the outcome."""

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
        """Decoded bytes of each file in flight, from the start of reading to the end of writing."""

    def run(self, batch_size: int) -> Outcome:
        """Read ahead, translate in batches and write in the background; limit the files in flight and their bytes."""
        executor = ThreadPoolExecutor(WORKERS, "unpaired-translate")
        pending_writes = self.pending_writes
        try:
            for group in group_into_batches(self._prepare_items(executor), batch_size, self.pipeline.max_waiting_cost):
                pending_writes.extend(self._translate_batch(group, executor))
                while pending_writes and (len(pending_writes) > batch_size + WORKERS or pending_writes[0][1].done()):
                    self._record_written(*pending_writes.popleft())
            while pending_writes:
                self._record_written(*pending_writes.popleft())
        except ResourceLimitError as error:
            raise self._create_stop_error(error) from error
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
                reason = f"{job.output} exists and was not written by unpaired, or was changed; --overwrite replaces it"
                self._record_failure(job, reason)

    def _prepare_items(self, executor: ThreadPoolExecutor) -> Iterator[tuple[TranslationJob, Any] | None]:
        """Yield jobs with their prepared items in order; None requests that all waiting items are translated now."""
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
            destination = Destination(job.output, self.manifest.settings_hash)
            pending.append((job, executor.submit(self.pipeline.prepare_file, job.input, destination)))
        while pending:
            yield from self._take_prepared(*pending.popleft())

    def _has_room(self, size: int) -> bool:
        """Return whether `size` more bytes may be in flight; always True if no other file is."""
        return not size or not (in_flight := sum(self.bytes_by_job.values())) or in_flight + size <= MAX_BYTES_IN_FLIGHT

    def _take_prepared(self, job: TranslationJob, future: Future[Any]) -> Iterator[tuple[TranslationJob, Any]]:
        try:
            yield job, future.result()
        except ResourceLimitError:
            raise
        except UnpairedError as error:
            self._record_failure(job, error)

    def _translate_batch(
        self, group: Sequence[tuple[TranslationJob, Any]], executor: ThreadPoolExecutor
    ) -> Iterator[tuple[TranslationJob, Future[Sequence[str]]]]:
        for _, prepared_item in group:
            self._add_warnings(self.pipeline.list_warnings(prepared_item))
        try:
            results = self.pipeline.run([prepared_item for _, prepared_item in group], self._report_fraction)
        except UnpairedError as error:
            self._require_writable(error)
            for job, _ in group:
                self._record_failure(job, error)
            return
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
            self._require_writable(error)
            self._record_failure(job, error)
        else:
            self.manifest.mark_finished(job)
            self.outcome.done += 1
            self._advance_progress()

    def _require_writable(self, error: UnpairedError | OSError) -> None:
        """Raise WorkError if an error of writing would also affect the next file."""
        cause = error.__cause__ if isinstance(error, UnpairedError) else error
        if isinstance(cause, OSError) and cause.errno in _FATAL_ERRNOS:
            raise self._create_stop_error(error) from error

    def _create_stop_error(self, error: UnpairedError | OSError) -> WorkError:
        return WorkError(
            f"{error}; {self.outcome.done} of {self.total} files are translated; run the same command again to continue"
        )

    def _add_warnings(self, new_warnings: Sequence[str]) -> None:
        self.outcome.warnings.extend(text for text in dict.fromkeys(new_warnings) if text not in self.outcome.warnings)

    def _record_failure(self, job: TranslationJob, reason: object) -> None:
        self.bytes_by_job.pop(job, None)
        self.outcome.failed.append((job.input, str(reason).removeprefix(f"{job.input}: ")))
        self._advance_progress()

    def _report_fraction(self, fraction: float) -> None:
        """Report the progress within a file."""
        if self.progress is not None:
            self.progress(self.finished_count + fraction, self.total)

    def _advance_progress(self) -> None:
        self.finished_count += 1
        if self.progress is not None:
            self.progress(self.finished_count, self.total)

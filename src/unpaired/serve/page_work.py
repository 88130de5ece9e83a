"""Work of the web page: translation of a visitor's files, with previews of inputs and outputs."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from unpaired.errors import UnpairedError
from unpaired.media.interface import Preview, PreviewKind
from unpaired.serve.api import RESULT_NAME, write_zip
from unpaired.serve.errors import RequestError, hide_paths
from unpaired.serve.models import ServedModel
from unpaired.serve.state import ServerState
from unpaired.serve.uploads import UploadFolder
from unpaired.serve.worker import Job, JobResult

CACHE_NAME = "page"
"""Folder of the page's uploads and results, in the private folder."""
KEPT_SECONDS = 1800
"""Uploads and results of the page are removed after this time."""
MAX_PREVIEWS = 30
_POLL_SECONDS = 0.1
_MAX_REMARKS = 20


class Pair(NamedTuple):
    """Previews of the input and the output of a file, which browsers show as `kind`."""

    name: str
    kind: PreviewKind
    before: str
    after: str


@dataclass(frozen=True)
class PageRequest:
    """Files and choices of a visitor. `has_consent`: the statement of the medium is confirmed."""

    paths: Sequence[str]
    has_consent: bool
    to: str
    source: str
    checkpoint: str


@dataclass(frozen=True)
class PageResult:
    """Previews, the file to download (None if no file was translated), and remarks in Markdown."""

    pairs: list[Pair]
    download: str | None
    remarks: str


def translate_for_page(
    state: ServerState, model: ServedModel, request: PageRequest, report: Callable[[float], None]
) -> PageResult:
    """Translate a visitor's files; raises RequestError with the reason if none can be translated."""
    if not request.paths:
        raise RequestError(400, f"add {model.medium.inputs_noun} first")
    if not request.has_consent:
        raise RequestError(400, f"please confirm first: {model.medium.consent_question}")
    state.require_running()
    cache = state.storage.path / CACHE_NAME
    remove_old_results(cache)
    work = state.storage.create_folder("request")
    try:
        (work / "in").mkdir()
        upload = UploadFolder(work / "in", model.medium, model.settings.max_files, model.settings.max_bytes)
        for path in request.paths:
            with Path(path).open("rb") as file:
                upload.add(Path(path).name, file)
        results = cache / work.name
        results.mkdir()
        before = _create_previews(model, upload, results)
        job = model.create_job(
            upload.path,
            results / "out",
            len(upload.files),
            to=request.to,
            source=request.source,
            checkpoint=request.checkpoint,
            options={},
        )
        model.worker.submit(job)
        result = _wait(job, model.settings.max_seconds, report)
        state.count_files(model, result)
        return _describe(model, upload, before, job, result, results)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def remove_old_results(cache: Path) -> None:
    """Remove results of requests that are older than `KEPT_SECONDS`."""
    for path in cache.glob("request-*"):
        with suppress(OSError):  # another request removes it
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def _create_previews(model: ServedModel, upload: UploadFolder, results: Path) -> dict[PurePosixPath, Preview]:
    """Write the previews of the first inputs, which the translation removes; files that cannot be read have none."""
    previews: dict[PurePosixPath, Preview] = {}
    if not model.medium.preview_kinds:
        return previews
    for index, name in enumerate(upload.files[:MAX_PREVIEWS]):
        folder = results / f"before{index}"
        folder.mkdir()
        with suppress(UnpairedError):
            preview = model.medium.write_preview(upload.path / name, folder)
            if preview.path.parent != folder:
                preview = preview._replace(path=Path(shutil.copy(preview.path, folder)))
            previews[name] = preview
    return previews


def _wait(job: Job, seconds: float, report: Callable[[float], None]) -> JobResult:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        report(job.fraction)
        with suppress(FutureTimeoutError):
            return job.future.result(_POLL_SECONDS)
    job.cancel()
    raise RequestError(504, f"the translation took more than {seconds:g} s; use fewer or smaller files")


def _describe(
    model: ServedModel,
    upload: UploadFolder,
    before: dict[PurePosixPath, Preview],
    job: Job,
    result: JobResult,
    results: Path,
) -> PageResult:
    notes = [*upload.skipped, *result.notes]
    failures = [f"{name}: {hide_paths(reason, model.public_names)}" for name, reason in result.failed.items()]
    if not result.outputs:
        raise RequestError(422, "; ".join(failures) or "no file was translated")
    download = job.outputs / result.outputs[0]
    if len(result.outputs) > 1 or upload.has_archive:
        download = results / "translated.zip"
        write_zip(download, job.outputs, result, notes)
    remarks = [f"Not translated: {text}" for text in failures] + [f"Note: {text}" for text in notes]
    if len(remarks) > _MAX_REMARKS:
        remarks = [*remarks[:_MAX_REMARKS], f"{len(remarks) - _MAX_REMARKS} more; see {RESULT_NAME} in the zip"]
    text = "\n".join(f"- {_escape(remark)}" for remark in remarks)
    return PageResult(_pair_previews(model, before, job, result, results), str(download), text)


def _pair_previews(
    model: ServedModel, before: dict[PurePosixPath, Preview], job: Job, result: JobResult, results: Path
) -> list[Pair]:
    """Return the previews of the outputs with those of their inputs, which have the same name but for the suffix."""
    outputs = {str(name): name for name in result.outputs}
    pairs: list[Pair] = []
    for index, (name, preview) in enumerate(before.items()):
        output = outputs.get(
            str(name.with_name(job.translator.create_pipeline(job.request).make_output_name(name.name)))
        )
        if output is None:
            continue
        folder = results / f"after{index}"
        folder.mkdir()
        with suppress(UnpairedError):
            shown = model.medium.write_preview(job.outputs / output, folder)
            pairs.append(Pair(str(name), preview.kind, str(preview.path), str(shown.path)))
    return pairs


def _escape(text: str) -> str:
    """Escape characters of HTML and Markdown: names of files are a visitor's."""
    for character, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("*", "\\*"), ("_", "\\_"), ("`", "\\`")):
        text = text.replace(character, escaped)
    return text.replace("[", "\\[").replace("\n", " ")

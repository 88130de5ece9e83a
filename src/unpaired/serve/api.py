"""HTTP API: translation, models, health and metrics."""

from __future__ import annotations

import asyncio
import json
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, File, Form, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from unpaired.serve.errors import RequestError
from unpaired.serve.instruments import CONTENT_TYPE
from unpaired.serve.models import ModelInfo, ServedModel
from unpaired.serve.state import ServerState
from unpaired.serve.templating import render_page
from unpaired.serve.uploads import UploadFolder
from unpaired.serve.verdict import Verdict, describe_model
from unpaired.serve.worker import Job, JobResult

RESULT_NAME = "result.json"
"""Name of the description in a zip of several outputs."""
_ERRORS = {
    400: "A parameter or a file name is wrong.",
    401: "The token is missing or wrong.",
    403: "The request comes from a page of another site.",
    404: "There is no such model.",
    408: "The upload took too long.",
    413: "The request is too large, or has too many files.",
    415: "The type of a file is not supported.",
    421: "The host name is not served.",
    422: "No file could be translated, or a parameter is missing.",
    429: "Too many translations are waiting.",
    500: "The server failed.",
    503: "The server is busy or stopping.",
    504: "The translation took too long.",
}


class ErrorAnswer(BaseModel):
    """Answer of a refused or failed request."""

    detail: str = Field(description="what was wrong, and what is expected")


class Models(BaseModel):
    """Models of the server."""

    models: list[ModelInfo]


class Health(BaseModel):
    """State of the server."""

    status: str = Field(description="ok, or stopping")


def describe_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the descriptions of error answers for OpenAPI, with those that every route has."""
    answer = {"application/json": {"schema": ErrorAnswer.model_json_schema()}}
    return {
        status: {"description": _ERRORS[status], "content": answer} for status in sorted({401, 403, 421, *statuses})
    }


class TemporaryFileResponse(FileResponse):
    """Answer with a file of a folder that is removed after sending, also if the client has gone."""

    def __init__(self, path: Path, folder: Path, headers: Mapping[str, str]) -> None:
        super().__init__(path, headers=headers, filename=path.name)
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(shutil.rmtree, self._folder, ignore_errors=True)


def create_router(state: ServerState) -> APIRouter:
    """Return the routes of the API."""
    router = APIRouter()

    @router.post(
        "/v1/translate",
        summary="Translate files.",
        responses={
            200: {
                "description": "The translated file. For several files or a zip: a zip of the outputs with "
                f"{RESULT_NAME}, which lists them, the failed files and notes. The header Unpaired-Notes has the notes "
                "as a JSON list.",
                "content": {"application/octet-stream": {}, "application/zip": {}},
            },
            **describe_errors(400, 404, 408, 413, 415, 422, 429, 500, 503, 504),
        },
        response_class=FileResponse,
    )
    async def translate(
        files: Annotated[
            list[UploadFile], File(min_length=1, description="files of the model's medium, or zips of them")
        ],
        run: Annotated[str, Form(description="name of the model (default: the first)")] = "",
        to: Annotated[
            str,
            Form(
                description="domain to translate to, if the model translates to several; label-conditioned models also "
                "take A,B and A=0.7"
            ),
        ] = "",
        source: Annotated[
            str, Form(alias="from", description="domain of the files, if several translate to `to`")
        ] = "",
        checkpoint: Annotated[str, Form(description="last or best (default: best, if there is one)")] = "",
        options: Annotated[
            str, Form(description="options of `unpaired translate` for this medium, as a JSON object")
        ] = "{}",
    ) -> Response:
        """Translate one file to a file, several files or a zip to a zip."""
        model = state.models.get(run)
        state.require_running()
        folder = state.storage.create_folder("request")
        try:
            values = _parse_options(options)
            upload = await run_in_threadpool(_save, files, folder / "in", model)
            job = await run_in_threadpool(
                model.create_job,
                upload.path,
                folder / "out",
                len(upload.files),
                to=to,
                source=source,
                checkpoint=checkpoint,
                options=values,
            )
            result = await _wait(state, model, job)
            is_single = len(files) == 1 and not upload.has_archive
            return await run_in_threadpool(_create_answer, folder, upload, job, result, is_single)
        except BaseException:
            await asyncio.shield(run_in_threadpool(shutil.rmtree, folder, ignore_errors=True))
            raise

    @router.get("/v1/models", response_model=Models, summary="List the models.", responses=describe_errors())
    def list_models() -> Models:
        """List the models with their domains, routes, labels and options."""
        return Models(models=[model.describe() for model in state.models.by_name.values()])

    @router.get(
        "/v1/models/verdict",
        response_model=Verdict,
        summary="Say how good a model is.",
        responses=describe_errors(404, 422),
    )
    def get_verdict(run: str = "") -> Verdict:
        """Return the training of a model, and the verdict on its measured routes."""
        return describe_model(state.models.get(run))

    @router.get(
        "/v1/models/report",
        response_class=HTMLResponse,
        summary="Show the report of a run.",
        responses=describe_errors(404, 422),
    )
    def get_report(run: str = "") -> HTMLResponse:
        """Return the report of a run as a page."""
        return HTMLResponse(state.render_report(state.models.get(run)))

    @router.get("/healthz", response_model=Health, summary="Check the server.", responses=describe_errors(503))
    def check_health() -> Health:
        """Answer 200 while translations are accepted, 503 while the server stops."""
        state.require_running()
        return Health(status="ok")

    @router.get(
        "/metrics",
        response_class=PlainTextResponse,
        summary="Measurements for Prometheus.",
        responses=describe_errors(),
    )
    def get_metrics() -> Response:
        """Return measurements in the text format of Prometheus."""
        return Response(state.instruments.render(), media_type=CONTENT_TYPE)

    @router.get("/docs", response_class=HTMLResponse, include_in_schema=False)
    def get_documentation(request: Request) -> HTMLResponse:
        """Return the documentation of the API as a page without scripts."""
        model = state.models.get(None)
        schema = request.app.openapi()
        body = next(s for name, s in schema["components"]["schemas"].items() if name.startswith("Body_"))
        page = render_page(
            "docs",
            schema=schema,
            fields=body["properties"],
            needs_token=state.settings.token is not None,
            example=model.medium.example_files,
            target=model.translator.routes[0][1],
            address=str(request.base_url),
        )
        return HTMLResponse(page)

    return router


def add_error_handlers(app: FastAPI) -> None:
    """Answer every error as JSON with `detail` as a text."""

    @app.exception_handler(RequestError)
    def answer_request_error(_: Request, error: RequestError) -> Response:
        headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
        return JSONResponse({"detail": error.reason}, error.status, headers)

    @app.exception_handler(RequestValidationError)
    def answer_invalid_request(_: Request, error: RequestValidationError) -> Response:
        texts = [f"{'.'.join(map(str, e['loc'][1:])) or e['loc'][0]}: {e['msg']}" for e in error.errors()]
        return JSONResponse({"detail": "; ".join(texts)}, 422)

    @app.exception_handler(HTTPException)
    def answer_http_error(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"detail": str(error.detail)}, error.status_code, error.headers)


def _parse_options(text: str) -> dict[str, Any]:
    try:
        values = json.loads(text or "{}")
    except (ValueError, RecursionError) as error:
        raise RequestError(400, f"options: is not JSON ({type(error).__name__}); expected an object") from error
    if not isinstance(values, dict):
        raise RequestError(400, 'options: expected a JSON object, for instance {"NAME": "VALUE"}')
    return values


def _save(files: Sequence[UploadFile], folder: Path, model: ServedModel) -> UploadFolder:
    """Save the uploaded files in a new folder."""
    folder.mkdir()
    upload = UploadFolder(folder, model.medium, model.settings.max_files, model.settings.max_bytes)
    for file in files:
        upload.add(file.filename, file.file)
    return upload


async def _wait(state: ServerState, model: ServedModel, job: Job) -> JobResult:
    """Queue a job and wait for its result; cancels it if it takes too long, or if the server is forced to stop."""
    seconds = state.settings.max_seconds
    with state.instruments.latency.labels(model.name).time():
        model.worker.submit(job)
        try:
            async with asyncio.timeout(seconds):
                result = await asyncio.wrap_future(job.future)
        except TimeoutError as error:
            raise RequestError(
                504, f"the translation took more than {seconds:g} s; send fewer or smaller files"
            ) from error
        finally:
            if job.future.cancelled() or not job.future.done():  # the timeout has cancelled the future alone
                job.cancel()
    state.count_files(model, result)
    return result


def _create_answer(folder: Path, upload: UploadFolder, job: Job, result: JobResult, is_single: bool) -> Response:
    """Return the output, or a zip of the outputs; raises RequestError if no file was translated."""
    if not result.outputs:
        failures = "; ".join(f"{name}: {reason}" for name, reason in result.failed.items())
        raise RequestError(422, failures[:4000] or "no file was translated")
    notes = [*upload.skipped, *result.notes]
    headers = {"unpaired-notes": json.dumps(notes[:20])} if notes else {}
    if is_single:
        return TemporaryFileResponse(job.outputs / result.outputs[0], folder, headers)
    path = folder / "translated.zip"
    write_zip(path, job.outputs, result, notes)
    return TemporaryFileResponse(path, folder, headers)


def write_zip(path: Path, outputs: Path, result: JobResult, notes: Sequence[str]) -> None:
    """Write the outputs of a job and their description to a zip archive, without compressing them again."""
    names = [str(name) for name in result.outputs]
    description = {
        "translated": names,
        "failed": [{"file": name, "reason": reason} for name, reason in result.failed.items()],
        "notes": list(notes),
    }
    with zipfile.ZipFile(path, "x", zipfile.ZIP_STORED) as archive:
        for name in names:
            archive.write(outputs / name, name)
        archive.writestr(RESULT_NAME, json.dumps(description, indent=1, ensure_ascii=False))

"""The ASGI application of a server: routes behind access control and limits."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unpaired import __version__
from unpaired.serve.access import AccessControl
from unpaired.serve.api import add_error_handlers, create_router
from unpaired.serve.body_limits import BodyLimits
from unpaired.serve.state import ServerState

DESCRIPTION = "Translate files with trained models. Errors are JSON objects with the text `detail`."


def create_app(state: ServerState) -> ASGIApp:
    """Return the application; with `show_page`, the web page is at its root."""
    app = FastAPI(title="unpaired", version=__version__, description=DESCRIPTION, docs_url=None, redoc_url=None)
    app.include_router(create_router(state))
    add_error_handlers(app)
    inner: ASGIApp = app
    if state.settings.show_page:
        from unpaired.serve.page import mount_page  # noqa: PLC0415 - gradio takes seconds to import

        inner = mount_page(app, state)
    guarded = AccessControl(inner, state.settings.token, state.settings.allowed_hosts)
    limited = BodyLimits(
        guarded,
        state.settings.max_bytes,
        state.settings.upload_seconds,
        state.settings.max_requests,
        state.instruments.active.set,
    )
    return RequestCounter(limited, app, state)


class RequestCounter:
    """ASGI middleware that counts answers by method, route and status.

    Requests that match no route of the API count as "other", so that strangers cannot create new time series.
    """

    def __init__(self, inner: ASGIApp, app: FastAPI, state: ServerState) -> None:
        self._inner, self._state = inner, state
        self._paths = frozenset(app.openapi()["paths"])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count its answer."""
        if scope["type"] != "http":
            await self._inner(scope, receive, send)
            return
        route = scope["path"] if scope["path"] in self._paths else "other"
        method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD") else "other"

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._state.instruments.requests.labels(method, route, str(message["status"])).inc()
            await send(message)

        await self._inner(scope, receive, count)

"""Limits on request bodies: size, time, and requests at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MULTIPART_BYTES = 1 << 16
"""Bytes of a multipart body besides its files."""
_METHODS_WITH_BODY = ("POST", "PUT", "PATCH", "DELETE")


class BodyLimits:
    """ASGI middleware that refuses large (413), slow (408) and too many (503) requests with a body.

    `report_active` receives the number of requests with a body in progress.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        seconds: float,
        max_requests: int,
        report_active: Callable[[int], None] = lambda _: None,
    ) -> None:
        self.app = app
        self.max_bytes, self.seconds, self.max_requests = max_bytes + MULTIPART_BYTES, seconds, max_requests
        self._report_active = report_active
        self.active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on with a limited body."""
        if scope["type"] != "http" or scope["method"] not in _METHODS_WITH_BODY:
            await self.app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if not length.isdecimal() or int(length) > self.max_bytes:
            await self._refuse(413)(scope, receive, send)
            return
        if self.active >= self.max_requests:
            await self._refuse(503)(scope, receive, send)
            return
        self._change_active(1)
        try:
            await _LimitedBody(self, scope, receive, send).run()
        finally:
            self._change_active(-1)

    def _change_active(self, change: int) -> None:
        self.active += change
        self._report_active(self.active)

    def _refuse(self, status: int) -> JSONResponse:
        reason = {
            408: f"the upload took more than {self.seconds:g} s",
            413: f"the request has more than {self.max_bytes:,} bytes; send fewer or smaller files",
            503: f"{self.active} requests are in progress; try again later",
        }[status]
        headers = {"connection": "close"} | ({"retry-after": "2"} if status == 503 else {})
        return JSONResponse({"detail": reason}, status, headers)


class _LimitedBody:
    """One request whose body is counted and timed; its answer is replaced if a limit is exceeded."""

    def __init__(self, limits: BodyLimits, scope: Scope, receive: Receive, send: Send) -> None:
        self.limits, self.scope, self._receive, self._send = limits, scope, receive, send
        self.bytes = 0
        self.is_complete = False
        self.failure: int | None = None
        self.is_answered = False
        self.deadline = asyncio.get_running_loop().time() + limits.seconds

    async def run(self) -> None:
        try:
            await self.limits.app(self.scope, self._receive_limited, self._send_unless_failed)
        except Exception:
            if self.failure is None:
                raise
        if self.failure is not None and not self.is_answered:
            await self.limits._refuse(self.failure)(self.scope, self._receive, self._send)

    async def _receive_limited(self) -> Message:
        if self.is_complete:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self.deadline):
                message = await self._receive()
        except TimeoutError:
            self.failure = 408
            raise
        self.bytes += len(message.get("body", b""))
        self.is_complete = not message.get("more_body", False)
        if self.bytes > self.limits.max_bytes:
            self.failure = 413
            raise ValueError("the body is too large")
        return message

    async def _send_unless_failed(self, message: Message) -> None:
        if self.failure is None or self.is_answered:
            self.is_answered = True
            await self._send(message)

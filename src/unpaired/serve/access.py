"""Access control in front of every route: Host and Origin headers, token, and headers that protect browsers."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
from collections.abc import Collection, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from unpaired.serve.templating import render_page

COOKIE = "unpaired_session"
LOGIN_PATH = "/login"
_MAX_LOGIN_BYTES = 4096
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval'",  # the page's framework needs both
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
"""Browsers load nothing from other servers."""
_HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",  # with "no-referrer", browsers send the origin "null" with the login form
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class AccessControl:
    """ASGI middleware that answers requests without permission.

    - Host: an IP address, localhost, or one of `allowed_hosts` (421), so that no other name that resolves to this
      address (DNS rebinding) reaches the server.
    - Origin: that of the request's Host (403), so that pages of other sites cannot use a visitor's access.
    - Token, unless it is None: as `Authorization: Bearer TOKEN`, or by a session cookie that the login page sets (401).
    """

    def __init__(self, app: ASGIApp, token: str | None, allowed_hosts: Collection[str] = ()) -> None:
        self.app, self._token = app, token
        self._names = {"localhost", *(name.lower() for name in allowed_hosts)}
        self._session = "" if token is None else _create_session(token)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # the server offers no WebSocket
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                add_headers(message)
            await send(message)

        answer = self._check(scope)
        if answer is None and self._token is not None:
            answer = await self._authenticate(scope, receive)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _check(self, scope: Scope) -> Response | None:
        """Return the answer to a request for another host or from another site; None if it is permitted."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if len(headers.getlist("host")) != 1 or not self._is_allowed_host(host):
            return _refuse(421, "this host name is not served here; start the server with --allow-host NAME")
        origin = headers.get("origin")
        is_foreign = origin is not None and not _is_origin_of(host, origin)
        if origin is None and scope["method"] not in _SAFE_METHODS:
            is_foreign = headers.get("sec-fetch-site") in ("cross-site", "same-site")
        return _refuse(403, "requests from pages of other sites are refused") if is_foreign else None

    def _is_allowed_host(self, host: str) -> bool:
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name.rstrip(".") in self._names
        return True

    async def _authenticate(self, scope: Scope, receive: Receive) -> Response | None:
        """Return the answer to a request without the token; None if it has the token or a session."""
        request = Request(scope, receive)
        if scope["path"] == LOGIN_PATH and scope["method"] == "POST":
            return await self._log_in(request)
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and _is_equal(value.strip(), self._token or ""):
            return None
        if _is_equal(_read_cookie(request), self._session):
            return None
        if scope["method"] == "GET" and "text/html" in request.headers.get("accept", ""):
            return HTMLResponse(render_page("login", failed=False), 401)
        return _refuse(401, "expected the header 'Authorization: Bearer TOKEN'", {"www-authenticate": "Bearer"})

    async def _log_in(self, request: Request) -> Response:
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > _MAX_LOGIN_BYTES:
                return _refuse(413, "the form is too large")
        given = parse_qs(body.decode("utf-8", "replace")).get("token", [""])[0]
        if not _is_equal(given.strip(), self._token or ""):
            return HTMLResponse(render_page("login", failed=True), 401)
        answer = RedirectResponse("/", 303)
        is_secure = request.url.scheme == "https"
        answer.set_cookie(COOKIE, self._session, httponly=True, samesite="strict", secure=is_secure)
        return answer


def add_headers(message: MutableMapping[str, Any]) -> None:
    """Add the headers that protect browsers to the start of an answer."""
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)


def _is_origin_of(host: str, origin: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # as "http://[x", an IPv6 address without its end
        return False


def _create_session(token: str) -> str:
    """Return the value of the session cookie: it proves the token, and ends with the process."""
    return hmac.new(secrets.token_bytes(32), token.encode(), hashlib.sha256).hexdigest()


def _read_cookie(request: Request) -> str:
    try:
        cookie = SimpleCookie(request.headers.get("cookie", ""))
    except CookieError:
        return ""
    return cookie[COOKIE].value if COOKIE in cookie else ""


def _is_equal(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode())


def _refuse(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": reason}, status, headers)

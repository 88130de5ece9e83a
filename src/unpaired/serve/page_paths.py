"""Alias for the folder of the page's files, so that no answer contains a path of the server.

Gradio names uploaded files by their absolute paths in its answers, and expects these paths in requests.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class PathAlias:
    """ASGI middleware that replaces the folder in answers by an alias of the same length, and back in requests.

    The equal length keeps the headers of messages valid. Requests with the folder itself are not answered differently:
    a client that guesses it learns nothing more.
    """

    def __init__(self, app: ASGIApp, folder: str) -> None:
        self.app = app
        self._folder = folder.encode()
        self._alias = create_alias(len(self._folder))
        quoted = quote(folder, safe="").encode()
        self._quoted = (quoted, quote(self._alias.decode(), safe="").encode())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with replaced paths."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        alias, folder = self._alias, self._folder
        scope = {
            **scope,
            "path": scope["path"].replace(alias.decode(), folder.decode()),
            "raw_path": scope.get("raw_path", b"").replace(alias, folder),
            "query_string": scope["query_string"].replace(alias, folder).replace(*reversed(self._quoted)),
            # Compressed answers could not be searched.
            "headers": [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"],
        }

        async def receive_replaced() -> Message:
            message = await receive()
            if message["type"] == "http.request" and message.get("body"):
                message = {**message, "body": message["body"].replace(alias, folder)}
            return message

        async def send_replaced(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [(n, v.replace(folder, alias)) for n, v in message.get("headers", [])]}
            elif message["type"] == "http.response.body":
                message = {**message, "body": bytes(message.get("body", b"")).replace(folder, alias)}
            await send(message)

        await self.app(scope, receive_replaced, send_replaced)


def create_alias(length: int) -> bytes:
    """Return an absolute path of `length` bytes that is no folder of the server."""
    return (b"/files" + b"-" * length)[:length]

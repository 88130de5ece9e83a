"""Start and graceful stop of a server."""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from unpaired.console import LogCallback
from unpaired.errors import WorkError
from unpaired.serve.app import create_app
from unpaired.serve.models import ServedModels
from unpaired.serve.settings import ServeSettings
from unpaired.serve.state import ServerState
from unpaired.serve.storage import PrivateFolder

HEADER_SECONDS = 10.0
"""Seconds in which the header of a request must arrive."""
_CONNECTION_SECONDS = 3
"""Seconds for open connections, as those of pages, after the last translation has finished."""


def serve(runs: Sequence[Path], device: str, settings: ServeSettings, log: LogCallback) -> None:
    """Load the runs and answer requests until SIGINT or SIGTERM; requests in progress are finished first.

    Raises UsageError and WorkError for runs that cannot be loaded, WorkError if the address cannot be used.
    """
    with PrivateFolder() as storage, open_socket(settings) as listener:
        models = ServedModels(runs, device, settings, storage)
        state = ServerState(settings, storage, models)
        config = uvicorn.Config(
            create_app(state),
            http=TimedProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=_CONNECTION_SECONDS,
            limit_concurrency=4 * settings.max_requests,
        )
        host, port = listener.getsockname()[:2]
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        names = ", ".join(models.by_name)
        server = GracefulServer(config, state, lambda: log(f"Serving {names} on {address} (API: {address}docs)"))
        try:
            server.run(sockets=[listener])
        finally:
            models.close()
        log("Stopped.")


@contextmanager
def open_socket(settings: ServeSettings) -> Iterator[socket.socket]:
    """Listen on the address; raises WorkError if it is in use or not this computer's."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((settings.host, settings.port))
        except (OSError, OverflowError) as error:
            raise WorkError(
                f"--host {settings.host} --port {settings.port}: cannot be used ({error}); if another "
                "program uses the port, give another --port"
            ) from error
        listener.listen(512)
        yield listener
    finally:
        listener.close()


class GracefulServer(uvicorn.Server):
    """Server that finishes the translations in progress before it closes connections."""

    def __init__(self, config: uvicorn.Config, state: ServerState, on_start: Callable[[], None]) -> None:
        super().__init__(config)
        self._state, self._on_start = state, on_start

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle SIGINT and SIGTERM without raising them again, so that the process ends with exit code 0."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        try:
            previous = {number: signal.signal(number, self.handle_exit) for number in numbers}
        except ValueError:  # not the main thread: the calling program handles signals
            previous = {}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say where."""
        await super().startup(sockets)
        self._on_start()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Refuse new translations, finish those in progress, then close."""
        self._state.is_stopping = True
        end = time.monotonic() + self._state.settings.stop_seconds
        while not self._state.models.is_idle and not self.force_exit and time.monotonic() < end:
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)


class TimedProtocol(H11Protocol):
    """HTTP protocol that closes connections whose request header does not arrive in time."""

    _header_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the timer of the first header."""
        super().connection_made(transport)
        self._update_timer()

    def data_received(self, data: bytes) -> None:
        """Stop the timer when a header is complete; start it for the next one."""
        super().data_received(data)
        self._update_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        super().connection_lost(exc)
        self._stop_timer()

    def _update_timer(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._stop_timer()
        elif self._header_timer is None:
            self._header_timer = self.loop.call_later(HEADER_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._header_timer is not None:
            self._header_timer.cancel()
            self._header_timer = None

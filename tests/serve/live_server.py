"""Servers that listen on a port, in a thread of the tests or in a process."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from unpaired.serve.app import create_app
from unpaired.serve.models import ServedModels
from unpaired.serve.server import GracefulServer, TimedProtocol, open_socket
from unpaired.serve.settings import ServeSettings
from unpaired.serve.state import ServerState
from unpaired.serve.storage import PrivateFolder


@contextmanager
def serve_in_thread(tmp_path: Path, *runs: Path, **settings: Any) -> Iterator[tuple[str, ServerState]]:
    """Serve on a free port; yields the address and the server's state."""
    values = ServeSettings(**{"port": 0, "stop_seconds": 5.0, **settings})
    started = threading.Event()
    with PrivateFolder(tmp_path) as storage, open_socket(values) as listener:
        models = ServedModels(runs, "cpu", values, storage)
        state = ServerState(values, storage, models)
        config = uvicorn.Config(
            create_app(state), http=TimedProtocol, ws="none", log_level="error", timeout_graceful_shutdown=1
        )
        server = GracefulServer(config, state, started.set)
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        try:
            assert started.wait(30)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/", state
        finally:
            server.should_exit = True
            thread.join(20)
            models.close()


@contextmanager
def serve_in_process(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `unpaired serve` on a free port; yields the process and the port."""
    command = [sys.executable, "-m", "unpaired", "serve", *arguments, "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            match = re.search(r"http://[^ ]*:(\d+)/", line)
            assert match, line + process.stderr.read()
            yield process, int(match[1])
        finally:
            process.kill()


def connect(port: int) -> socket.socket:
    """Open a connection to a server of this computer."""
    return socket.create_connection(("127.0.0.1", port), timeout=20)

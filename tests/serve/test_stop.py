"""Slow clients, signals, and killed servers."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

import httpx2
from live_server import connect, serve_in_process, serve_in_thread
from servers import encode_picture, require_clean
from tiny_runs import make_run

from unpaired.serve import server, worker
from unpaired.translate import Outcome, translate_files

FIELDS = {"to": "paintings"}


def test_slow_uploads_and_headers_are_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.3)
    run = make_run(tmp_path / "run")
    with serve_in_thread(tmp_path, run, upload_seconds=0.5, show_page=False) as (address, state):
        port = int(address.rstrip("/").rpartition(":")[2])
        with connect(port) as silent, connect(port) as header, connect(port) as body:
            header.sendall(b"POST /v1/translate HTTP/1.1\r\nHost: loc")
            body.sendall(
                b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
                b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
            )
            assert b" 408 " in body.recv(1000)
            assert header.recv(1000) == b""
            assert silent.recv(1000) == b""
        assert httpx2.get(f"{address}healthz").status_code == 200
        require_clean(state)


def test_a_client_that_leaves_does_not_stop_others(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with serve_in_thread(tmp_path, run, show_page=False) as (address, state):
        port = int(address.rstrip("/").rpartition(":")[2])
        for _ in range(5):
            with connect(port) as client:
                client.sendall(
                    b"POST /v1/translate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n"
                    b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
                )
        answer = httpx2.post(f"{address}v1/translate", files={"files": ("x.png", encode_picture())}, data=FIELDS)
        assert answer.status_code == 200
        require_clean(state)


def test_graceful_stop_finishes_requests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path / "run")
    started = threading.Event()

    def wait(*arguments: Any, **options: Any) -> Outcome:
        started.set()
        time.sleep(0.5)
        return translate_files(*arguments, **options)

    monkeypatch.setattr(worker, "translate_files", wait)
    answers: list[httpx2.Response] = []
    with serve_in_thread(tmp_path, run, show_page=False) as (address, _):
        files = {"files": ("x.png", encode_picture())}
        client = threading.Thread(
            target=lambda: answers.append(httpx2.post(f"{address}v1/translate", files=files, data=FIELDS))
        )
        client.start()
        assert started.wait(20)
    client.join(20)
    assert [answer.status_code for answer in answers] == [200]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs signals of Unix")
def test_command_stops_on_sigterm_and_cleans_up_after_a_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    run = make_run(tmp_path / "run")
    with serve_in_process(str(run), "--no-page") as (process, _):
        process.kill()
        process.wait(20)
    (left,) = tmp_path.glob("unpaired-serve-*")
    with serve_in_process(str(run), "--no-page") as (process, port):
        assert not left.exists()
        answer = httpx2.post(
            f"http://127.0.0.1:{port}/v1/translate",
            files={"files": ("x.png", encode_picture())},
            data=FIELDS,
            timeout=60,
        )
        assert answer.status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    assert not list(tmp_path.glob("unpaired-serve-*"))

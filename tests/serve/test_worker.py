"""Queue, batches, cancelled requests, and the stop of a server."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

from fastapi.testclient import TestClient
from httpx2 import Response
from servers import encode_picture, open_server, require_clean

from unpaired.serve import worker
from unpaired.serve.storage import PrivateFolder
from unpaired.translate import translate_files

Blocked = tuple[threading.Event, list[int]]


@pytest.fixture
def blocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[Blocked]:
    """Make translations wait for an event; the list has the number of files of each call."""
    event, counts, translate = threading.Event(), [], translate_files

    def wait(translator: Any, inputs: list[Path], out: Path, *rest: Any, **options: Any) -> Any:
        counts.append(sum(path.is_file() for path in inputs[0].rglob("*")))
        assert event.wait(20)
        return translate(translator, inputs, out, *rest, **options)

    monkeypatch.setattr(worker, "translate_files", wait)
    yield event, counts
    event.set()


def send(client: TestClient, name: str = "x.png", data: bytes | None = None, to: str = "paintings") -> Response:
    files = {"files": (name, encode_picture() if data is None else data)}
    return client.post("/v1/translate", files=files, data={"to": to})


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_full_queue_answers_429_and_requests_share_a_batch(tmp_path: Path, blocked: Blocked) -> None:
    event, counts = blocked
    with open_server(tmp_path, max_queue=3) as (client, state), ThreadPoolExecutor(8) as pool:
        queue = state.models.get(None).worker
        first = pool.submit(send, client)
        wait_for(lambda: len(counts) == 1)
        others = [pool.submit(send, client, to=to) for to in ("paintings", "photos", "paintings")]
        wait_for(lambda: queue.count_waiting() == 3)
        refused = send(client)
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert 'unpaired_waiting_translations{run="photos-paintings"} 3.0' in client.get("/metrics").text
        event.set()
        assert [answer.result().status_code for answer in (first, *others)] == [200] * 4
        assert sorted(counts) == [1, 1, 2], "equal requests are translated together"
        require_clean(state)


def test_a_broken_file_does_not_affect_requests_of_its_batch(tmp_path: Path, blocked: Blocked) -> None:
    event, counts = blocked
    with open_server(tmp_path) as (client, state), ThreadPoolExecutor(8) as pool:
        queue = state.models.get(None).worker
        first = pool.submit(send, client)
        wait_for(lambda: len(counts) == 1)
        good, broken = pool.submit(send, client, "good.png"), pool.submit(send, client, "broken.png", b"no picture")
        wait_for(lambda: queue.count_waiting() == 2)
        event.set()
        assert first.result().status_code == good.result().status_code == 200
        assert broken.result().status_code == 422
        assert "good.png" not in broken.result().text


def test_an_error_of_one_request_does_not_fail_its_batch(tmp_path: Path, blocked: Blocked) -> None:
    event, counts = blocked
    with open_server(tmp_path) as (client, state), ThreadPoolExecutor(8) as pool:
        first = pool.submit(send, client)
        wait_for(lambda: len(counts) == 1)
        files = [("files", ("a.gif", encode_picture(suffix="GIF"))), ("files", ("a.gif.png", encode_picture()))]
        same = pool.submit(client.post, "/v1/translate", files=files, data={"to": "paintings"})
        good = pool.submit(send, client, "good.png")
        wait_for(lambda: state.models.get(None).worker.count_waiting() == 2)
        event.set()
        assert first.result().status_code == good.result().status_code == 200
        assert same.result().status_code == 400
        assert str(tmp_path) not in same.result().text


def test_long_translations_answer_504_and_are_removed(tmp_path: Path, blocked: Blocked) -> None:
    event, _ = blocked
    with open_server(tmp_path, max_seconds=0.3) as (client, state):
        assert send(client).status_code == 504
        assert send(client).status_code == 504, "the second one waits behind the first"
        event.set()
        wait_for(lambda: state.models.is_idle)
        require_clean(state)
        assert state.models.get(None).worker.count_waiting() == 0


def test_a_cancelled_translation_stops_at_its_next_progress(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    event, steps = threading.Event(), []

    def work(*_: Any, progress: Callable[[float, int], None], **__: Any) -> None:
        assert event.wait(20)
        for step in range(100):
            steps.append(step)
            progress(step / 100, 1)

    monkeypatch.setattr(worker, "translate_files", work)
    with open_server(tmp_path, max_seconds=0.3) as (client, state):
        assert send(client).status_code == 504
        event.set()
        wait_for(lambda: state.models.is_idle)
        assert steps == [0]
        require_clean(state)


def test_an_internal_error_is_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("secret detail")

    monkeypatch.setattr(worker, "translate_files", fail)
    with open_server(tmp_path) as (client, state):
        answer = send(client)
        assert (answer.status_code, answer.json()) == (500, {"detail": "internal error"})
        monkeypatch.undo()
        assert send(client).status_code == 200, "the worker lives on"
        require_clean(state)
    assert "secret detail" in capsys.readouterr().err


def test_a_folder_that_cannot_be_created_fails_its_request_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    create_folder = PrivateFolder.create_folder

    def fail_for_batches(self: PrivateFolder, kind: str) -> Path:
        if kind == "batch":
            raise OSError(errno.ENOSPC, "No space left on device")
        return create_folder(self, kind)

    monkeypatch.setattr(PrivateFolder, "create_folder", fail_for_batches)
    with open_server(tmp_path, max_seconds=5) as (client, state):
        assert send(client).status_code == 500
        monkeypatch.undo()
        assert send(client).status_code == 200, "the worker lives on"
        require_clean(state)
    assert "No space left on device" in capsys.readouterr().err


def test_stopping_server_refuses_new_requests_and_finishes_old_ones(tmp_path: Path, blocked: Blocked) -> None:
    event, counts = blocked
    with open_server(tmp_path) as (client, state), ThreadPoolExecutor(2) as pool:
        running = pool.submit(send, client)
        wait_for(lambda: len(counts) == 1)
        state.is_stopping = True
        assert send(client).status_code == 503
        assert client.get("/healthz").status_code == 503
        assert not state.models.is_idle
        event.set()
        assert running.result().status_code == 200


def test_too_many_requests_answer_503(tmp_path: Path, blocked: Blocked) -> None:
    event, counts = blocked
    with open_server(tmp_path, max_requests=1) as (client, _), ThreadPoolExecutor(2) as pool:
        running = pool.submit(send, client)
        wait_for(lambda: len(counts) == 1)
        assert send(client).status_code == 503
        assert client.get("/v1/models").status_code == 200
        event.set()
        assert running.result().status_code == 200


def test_private_folder_is_removed_with_those_of_killed_servers(tmp_path: Path) -> None:
    with PrivateFolder(tmp_path) as killed:
        (killed.path / "upload").write_text("private")
        killed._lock.release()
        (killed.path / ".unpaired.lock").touch()
        with PrivateFolder(tmp_path) as running, PrivateFolder(tmp_path):
            assert running.path.is_dir()
            assert running.path.stat().st_mode & 0o077 == 0
            assert not killed.path.exists()
    assert not list(tmp_path.iterdir())

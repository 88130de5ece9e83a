"""Small servers for tests."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient
from PIL import Image
from tiny_runs import config, make_run

from unpaired.serve.app import create_app
from unpaired.serve.models import ServedModels
from unpaired.serve.settings import ServeSettings
from unpaired.serve.state import ServerState
from unpaired.serve.storage import PrivateFolder

ADDRESS = "http://127.0.0.1:7860"
TOKEN = "a-token-of-enough-characters"


@contextmanager
def open_server(tmp_path: Path, *runs: Path, **settings: Any) -> Iterator[tuple[TestClient, ServerState]]:
    """Yield a client of a server and the server's state; without `runs`, it serves an untrained run of pictures."""
    run_config = config()
    run_config = run_config.model_copy(update={"training": run_config.training.model_copy(update={"steps": 1})})
    paths = list(runs) or [make_run(tmp_path / "secret" / "photos-paintings", run_config)]
    values = ServeSettings(**{"show_page": False, **settings})
    with PrivateFolder(tmp_path) as storage:
        models = ServedModels(paths, "cpu", values, storage)
        state = ServerState(values, storage, models)
        try:
            with TestClient(create_app(state), base_url=ADDRESS, follow_redirects=False) as client:
                yield client, state
        finally:
            models.close()


def encode_picture(size: tuple[int, int] = (20, 18), color: str = "red", suffix: str = "PNG") -> bytes:
    """Return the bytes of a picture file."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, suffix)
    return file.getvalue()


def encode_zip(members: Mapping[str, bytes]) -> bytes:
    """Return the bytes of a zip archive."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def require_clean(state: ServerState) -> None:
    """Fail unless the folders of requests and batches are removed, the last one soon after its answer."""
    end = time.monotonic() + 5
    while names := [path.name for path in state.storage.path.iterdir() if path.is_dir()]:
        assert time.monotonic() < end, names
        time.sleep(0.005)

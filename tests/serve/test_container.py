"""Dockerfile and compose file: a user without rights, a health check, and a command that exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from unpaired.serve.health import is_healthy

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_dockerfile_copies_existing_files_and_runs_as_a_user() -> None:
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*"
    for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE):
        for name in line.split()[:-1]:
            assert (ROOT / name).exists()
            assert f"!{name}" in ignored
    last_stage = DOCKERFILE.rpartition("FROM ")[2]
    assert re.search(r"^USER [1-9]\d*$", last_stage, re.MULTILINE)
    assert "unpaired.serve.health" in last_stage
    for image in re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE):
        assert ":" in image and not image.endswith(":latest")


def test_extras_of_the_image_exist() -> None:
    extras = re.search(r'ARG EXTRAS="([^"]+)"', DOCKERFILE)
    assert extras is not None
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for name in extras[1].split(","):
        assert f"\n{name} = [" in project


def test_compose_services_are_confined() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]
    assert services.keys() == {"cpu", "gpu"}
    for service in services.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["environment"]["UNPAIRED_TOKEN"].startswith("${UNPAIRED_TOKEN:?")
        assert all(volume.endswith(":ro") for volume in service["volumes"])


def test_health_check_needs_the_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastapi")
    from live_server import serve_in_thread
    from servers import TOKEN
    from tiny_runs import make_run

    monkeypatch.setenv("UNPAIRED_TOKEN", TOKEN)
    with serve_in_thread(tmp_path, make_run(tmp_path / "run"), token=TOKEN, show_page=False) as (address, state):
        port = int(address.rstrip("/").rpartition(":")[2])
        assert is_healthy(port)
        monkeypatch.setenv("UNPAIRED_TOKEN", "another")
        assert not is_healthy(port)
        monkeypatch.setenv("UNPAIRED_TOKEN", TOKEN)
        state.is_stopping = True
        assert not is_healthy(port)
    assert not is_healthy(port)
